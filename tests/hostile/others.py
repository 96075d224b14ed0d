"""Containers whose headers are short, and lie: APE, TTA, CAF, ASF, AVI and raw frames."""

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from tests.hostile.boxes import COUNTS, FAR, noise
from tests.hostile.riff import chunk


def other_attacks() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Containers whose headers are short, each by its name."""
    for words, count in COUNTS.items():
        yield f"ape: {words} frames", partial(_ape, count)
        yield f"tta: {words} samples", partial(_tta, count)
        yield f"caf: {words} packets", partial(_caf, count)
        yield f"asf: {words} objects", partial(_asf, count)
        yield f"avi: {words} streams", partial(_avi, count)
    yield "au: 4 G channels", lambda: b".snd" + struct.pack(">IIIII", 24, FAR, 3, 16_000, FAR) + bytes(4000)
    yield "amr: noise", lambda: b"#!AMR\n" + noise(200_000)
    yield "ac3: noise", lambda: (b"\x0b\x77" + noise(200)) * 20_000
    yield "dts: noise", lambda: (b"\x7f\xfe\x80\x01" + noise(200)) * 20_000
    yield "flv: noise", lambda: b"FLV\x01\x04\0\0\0\x09\0\0\0\0" + (b"\x08\xff\xff\xff" + noise(100)) * 20_000
    yield (
        "wavpack: 2^32 samples",
        lambda: b"wvpk" + struct.pack("<IHBBIIIII", 4000, 0x410, 0, 0, FAR, 0, FAR, 0x1FFFFFFF, 0) + noise(4000),
    )
    yield "mpegts: 8,000 programs", partial(programs, 8_000)
    yield "mpeg: noise", lambda: (b"\0\0\1\xba" + bytes(10) + b"\0\0\1\xc0\xff\xff" + noise(100)) * 20_000


def _ape(frames: int) -> bytes:
    descriptor = (
        b"MAC " + struct.pack("<HHIIIIIII", 3990, 0, 52, 24, min(frames, 1 << 30) * 4 & FAR, 0, 4000, 0, 0) + bytes(16)
    )
    return descriptor + struct.pack("<HHIIIHHI", 2000, 0, 73_728, 1, frames, 16, 2, 44_100) + bytes(8000)


def _caf(packets: int) -> bytes:
    description = struct.pack(">d4sIIIII", 44_100.0, b"alac", 0, 0, 4096, 2, 0)
    table = struct.pack(">qqii", packets, packets * 4096, 0, 0) + bytes(1000)
    parts = ((b"desc", description, None), (b"pakt", table, 1 << 40), (b"data", bytes(4004), None))
    body = b"".join(kind + struct.pack(">q", len(data) if size is None else size) + data for kind, data, size in parts)
    return b"caff\0\1\0\0" + body


def _asf(objects: int) -> bytes:
    head = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    stream = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365") + struct.pack("<Q", 78)
    audio = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b") + bytes(38)
    return head + struct.pack("<QIBB", 1 << 40, objects, 1, 2) + (stream + audio) * 200


def _avi(streams: int) -> bytes:
    main = chunk(b"avih", struct.pack("<14I", 40_000, 0, 0, 16, FAR, 0, streams, 0, 64, 64, 0, 0, 0, 0))
    header = b"auds" + bytes(4) + struct.pack("<10I", 0, 0, 0, 1, FAR, 0, FAR, FAR, 0, FAR) + bytes(8)
    form = struct.pack("<HHIIHH", 1, 65_535, FAR, FAR, 2, 16)
    one = chunk(b"LIST", b"strl" + chunk(b"strh", header) + chunk(b"strf", form))
    index = chunk(b"idx1", struct.pack("<4sIII", b"00wb", 16, 4, FAR) * 100_000, FAR)
    body = (
        b"AVI "
        + chunk(b"LIST", b"hdrl" + main + one * 40)
        + chunk(b"LIST", b"movi" + chunk(b"00wb", bytes(400)))
        + index
    )
    return b"RIFF" + struct.pack("<I", FAR) + body


def programs(number: int) -> bytes:
    """A transport stream whose tables name so many programs: half a minute of work in 6 MB, with 8,000 of them."""
    return b"".join(_packet(n) for n in range(number)) * 4


def _packet(program: int) -> bytes:
    """A transport stream packet whose table names a program."""
    table = struct.pack(">BHHBBBHH", 0, 0xB00D, 1, 0xC1, 0, 0, program, 0xE000 | program & 0x1FFF) + bytes(4)
    return b"\x47\x40\0\x10\0" + table + b"\xff" * (183 - len(table))


def _tta(samples: int) -> bytes:
    head = b"TTA1" + struct.pack("<HHHII", 1, 2, 16, 44_100, samples)
    return head + struct.pack("<I", zlib.crc32(head)) + bytes(4000)
