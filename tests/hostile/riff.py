"""Files of chunks that lie: WAV, RF64, AIFF, FLAC, and MP3 with its tags."""

import struct
from collections.abc import Callable, Iterator
from functools import partial

from tests.hostile.boxes import COUNTS, FAR, noise, packed

MP3_FRAME = b"\xff\xfb\x90\0" + bytes(413)
"""128 kbit/s, 44.1 kHz, of silence."""


def chunk(kind: bytes, data: bytes, size: int | None = None) -> bytes:
    return kind + struct.pack("<I", len(data) if size is None else size) + data


def wav(
    channels: int = 1, rate: int = 16_000, bits: int = 16, *, block: int = 2, code: int = 1, size: int | None = None
) -> bytes:
    """A WAV header that says anything, and a second of noise."""
    form = struct.pack("<HHIIHH", code, channels, rate, (rate * block) & FAR, block, bits)
    return b"RIFF" + struct.pack("<I", FAR) + b"WAVE" + chunk(b"fmt ", form) + chunk(b"data", noise(32_000), size)


def rf64(size: int) -> bytes:
    sizes = struct.pack("<QQQI", size, size, size, FAR)
    head = b"RF64" + struct.pack("<I", FAR) + b"WAVE" + chunk(b"ds64", sizes)
    return head + wav(size=FAR)[12:]


def many_chunks(number: int) -> bytes:
    return wav()[:36] + chunk(b"LIST", b"INFO" + chunk(b"INAM", b"a\0")) * number + chunk(b"data", noise(32_000))


def aiff(channels: int, frames: int, rate: bytes = b"\x40\x0c\xfa" + bytes(7)) -> bytes:
    common = struct.pack(">HIH", channels, frames, 16) + rate
    body = b"AIFF" + b"COMM" + struct.pack(">I", len(common)) + common
    body += b"SSND" + struct.pack(">I", FAR) + bytes(8) + noise(32_000)
    return b"FORM" + struct.pack(">I", FAR) + body


def flac(*blocks: tuple[int, bytes, int | None]) -> bytes:
    """Metadata blocks: kind, data, and the size that is claimed."""
    info = (
        struct.pack(">HH", 4096, 4096) + bytes(6) + ((16_000 << 44) | (15 << 36) | ((1 << 36) - 1)).to_bytes(8, "big")
    )
    head = b"fLaC" + bytes([0]) + (34).to_bytes(3, "big") + info + bytes(16)
    for kind, data, size in blocks:
        head += bytes([kind]) + min(len(data) if size is None else size, 0xFFFFFF).to_bytes(3, "big") + data
    return head + bytes([129, 0, 0, 0]) + noise(20_000)


def packed_pictures(times: int = 60) -> bytes:
    """An MP3 whose tag holds compressed pictures of 15 MB each; behind it is sound."""
    picture = packed(b"\0image/png\0\3\0", 15)
    length, whole = (_synchsafe(n) for n in (len(picture) + 4, (len(picture) + 14) * times))
    frame = b"APIC" + length + b"\0\x09" + struct.pack(">I", (15 << 20) + 13) + picture
    return b"ID3\4\0\0" + whole + frame * times + MP3_FRAME * 20


def tagged(size: int, sound: bytes = MP3_FRAME * 40) -> bytes:
    """An MP3 whose tag claims a size."""
    return b"ID3\4\0\0" + _synchsafe(size) + b"TIT2" + _synchsafe(size) + b"\0\0\3a" + sound


def counted(frames: int, size: int) -> bytes:
    """An MP3 whose Xing header claims frames and bytes."""
    xing = bytearray(MP3_FRAME)
    xing[36:48] = b"Xing" + struct.pack(">II", 3, frames)
    xing[48:52] = struct.pack(">I", size)
    return bytes(xing) + MP3_FRAME * 40


def _synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def riff_attacks() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """WAV, AIFF, FLAC and MP3, each by its name."""
    yield "wav: 65,535 channels", lambda: wav(65_535, block=FAR & 0xFFFF)
    yield "wav: no channels", lambda: wav(0, block=0)
    yield "wav: 4 GHz", lambda: wav(rate=4_000_000_000)
    yield "wav: 65,535 bits", lambda: wav(bits=65_535)
    yield "wav: blocks of no bytes", lambda: wav(block=0, code=2)
    yield "wav: 4 GB of data", lambda: wav(size=FAR)
    yield "wav: 255 channels", lambda: wav(255, block=510)
    yield "wav: RF64 of 2^63 bytes", lambda: rf64((1 << 63) - 1)
    yield "wav: 200,000 chunks", lambda: many_chunks(200_000)
    yield "aiff: 65,535 channels", lambda: aiff(65_535, FAR)
    yield "aiff: a rate beyond numbers", lambda: aiff(1, 1000, b"\x7f\xff" + b"\xff" * 8)
    yield "flac: seek table of 16 MB", lambda: flac((3, bytes(1000), 0xFFFFFF))
    yield "flac: 4 G comments", lambda: flac((4, struct.pack("<II", 0, FAR), None))
    yield "flac: a picture of 4 GB", lambda: flac((6, struct.pack(">IIIIIIII", 3, FAR, 0, FAR, FAR, 32, 0, FAR), None))
    yield "mp3: packed pictures", packed_pictures
    yield "mp3: tag of 256 MB", lambda: tagged((1 << 28) - 1)
    yield "mp3: 50,000 tags", lambda: tagged(2, b"") * 50_000 + MP3_FRAME * 40
    for words, count in COUNTS.items():
        yield f"mp3: Xing claims {words}", partial(counted, count, FAR)
