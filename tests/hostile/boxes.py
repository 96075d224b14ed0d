"""MP4 files that lie: boxes whose tables, sizes and depths are whatever a test wants them to be."""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

COUNTS = {"none": 0, "64 Ki": 1 << 16, "80 M": 80_000_000, "2 Gi": (1 << 31) - 1, "4 Gi": (1 << 32) - 1}
"""How many entries a table claims."""

ENTRIES = {b"stts": 8, b"ctts": 8, b"stsc": 12, b"stco": 4, b"co64": 8, b"stss": 4, b"elst": 12, b"sbgp": 8}
"""Bytes of one entry of each table."""

FAR = (1 << 32) - 1
TYPE = b"isom\0\0\0\0isom"
SOUND = bytes(5000)


def noise(size: int) -> bytes:
    return bytes((i * i * 31 + i * 7) >> 3 & 255 for i in range(size))


def box(kind: bytes, *inside: bytes) -> bytes:
    return struct.pack(">I", 8 + sum(map(len, inside))) + kind + b"".join(inside)


def full(kind: bytes, *numbers: int, rest: bytes = b"", flags: int = 0) -> bytes:
    """A box with version and flags, then 32-bit numbers."""
    return box(kind, struct.pack(f">{len(numbers) + 1}I", flags, *numbers), rest)


def described(channels: int = 1, rate: int = 8000, kind: bytes = b"mp4a") -> bytes:
    """How the samples are coded; the rate is 16.16 fixed point, so at most 65,535."""
    fields = struct.pack(">H8xHHHHI", 1, channels, 16, 0, 0, (rate & 0xFFFF) << 16)
    return full(b"stsd", 1, rest=box(kind, bytes(6), fields))


def track(number: int = 0, table: bytes = b"", *, handler: bytes = b"soun", rate: int = 8000) -> bytes:
    media = full(b"mdhd", 0, 0, rate, 1000, 0x55C40000) + full(b"hdlr", 0, rest=handler + bytes(12) + b"a\0")
    media += box(b"minf", full(b"smhd", 0), table)
    return box(b"trak", full(b"tkhd", 0, 0, number + 1, 0, 1000, rest=bytes(60), flags=3), box(b"mdia", media))


def table(samples: int = 20, replaced: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """The sample table; `replaced` puts other boxes in place of some of its own, or adds some."""
    boxes = {
        "stsd": described(),
        "stts": full(b"stts", 1, samples, 1024),
        "stsz": full(b"stsz", 1, samples),
        "stsc": full(b"stsc", 1, 1, samples, 1),
        "stco": full(b"stco", 1, 40),
    }
    return box(b"stbl", *(boxes | dict(replaced)).values())


def file(*tracks: bytes, more: bytes = b"", sound: bytes = SOUND) -> bytes:
    header = full(b"mvhd", 0, 0, 1000, 1000, rest=bytes(80))
    return box(b"ftyp", TYPE) + box(b"mdat", sound) + box(b"moov", header, *tracks, more)


def packed(start: bytes, megabytes: int) -> bytes:
    """`start` and as many megabytes of zeros, compressed with zlib."""
    z = zlib.compressobj(9)
    return b"".join([z.compress(start), *(z.compress(bytes(1 << 20)) for _ in range(megabytes)), z.flush()])


def claiming(kind: bytes, count: int) -> bytes:
    """A file one of whose tables claims `count` entries and has a hundred."""
    lie = full(kind, count, rest=bytes(100 * ENTRIES[kind]))
    if kind == b"elst":
        whole = track(0, table())
        return file(box(b"trak", whole[8:], box(b"edts", lie)))
    return file(track(0, table(20, {kind.decode(): lie})))


def many_samples(tracks: int) -> bytes:
    return file(*(track(n, table(80_000_000)) for n in range(tracks)))


def many_tracks(tracks: int) -> bytes:
    return file(*(track(n, table()) for n in range(tracks)))


def packed_index() -> bytes:
    """A compressed moov of 900 MB, as QuickTime wrote them."""
    size = (900 << 20) + 16
    body = packed(struct.pack(">I4sI4s", size, b"moov", size - 8, b"free"), 900)
    return box(b"ftyp", TYPE) + box(
        b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", struct.pack(">I", size), body))
    )


def nested(kind: bytes, depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = box(kind, inner)
    return file(more=inner)


def endless() -> bytes:
    """A box that says it has 2^63 bytes."""
    return box(b"ftyp", TYPE) + struct.pack(">I4sQ", 1, b"moov", (1 << 63) - 1) + many_tracks(1)[24:]


def fragment(count: int) -> bytes:
    """A fragment whose run claims `count` samples, each with duration, size, flags and offset."""
    run = full(b"trun", count, 0, rest=bytes(1600), flags=0xF01)
    extends = box(b"mvex", full(b"trex", 1, 1, 1024, 16, 0))
    body = box(b"moof", full(b"mfhd", 1), box(b"traf", full(b"tfhd", 1, flags=0x20000), run))
    return file(track(0, table(0)), more=extends) + body + box(b"mdat", SOUND)


def outside(path: str) -> bytes:
    """A track whose samples are said to lie in another file."""
    alias = full(b"url ", rest=f"file://{path}\0".encode())
    inner = box(b"dinf", full(b"dref", 1, rest=alias)) + table()
    return file(
        track(0, inner), track(1, box(b"dinf", full(b"dref", 1, rest=full(b"alis", rest=path.encode()))) + table())
    )


def tags(times: int, size: int) -> bytes:
    """Metadata: `times` texts of `size` bytes."""
    text = box(b"\xa9nam", box(b"data", struct.pack(">II", 1, 0), b"a" * size))
    metadata = full(b"meta", rest=full(b"hdlr", 0, rest=b"mdirappl" + bytes(9)) + box(b"ilst", text * times))
    return file(track(0, table()), more=box(b"udta", metadata))


def pictures(times: int) -> bytes:
    """Covers that say they are 60,000 pixels wide and high."""
    head = struct.pack(">II5B", 60_000, 60_000, 8, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + box(b"IHDR", head)[0:4] + b"IHDR" + head + bytes(4) + packed(b"", 20)
    cover = box(b"covr", box(b"data", struct.pack(">II", 14, 0), png))
    metadata = full(b"meta", rest=full(b"hdlr", 0, rest=b"mdirappl" + bytes(9)) + box(b"ilst", cover * times))
    return file(track(0, table()), more=box(b"udta", metadata))


def attacks() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Each by its name."""
    for kind in ENTRIES:
        for words, count in COUNTS.items():
            yield f"mp4: {kind.decode()} claims {words}", partial(claiming, kind, count)
    for words, count in COUNTS.items():
        yield f"mp4: run claims {words}", partial(fragment, count)
    for number in (1, 2, 32):
        yield f"mp4: 80 M samples, {number} tracks", partial(many_samples, number)
    for number in (1_000, 60_000):
        yield f"mp4: {number} tracks", partial(many_tracks, number)
    yield "mp4: packed index", packed_index
    yield "mp4: 20,000 nested moov", lambda: nested(b"moov", 20_000)
    yield "mp4: 20,000 nested udta", lambda: nested(b"udta", 20_000)
    yield "mp4: box of 2^63 bytes", endless
    yield "mp4: 65,535 channels", lambda: file(track(0, table(20, {"stsd": described(65_535)})))
    yield "mp4: PCM, 65,535 channels", lambda: file(track(0, table(20, {"stsd": described(65_535, kind=b"sowt")})))
    yield "mp4: 4 GHz", lambda: file(track(0, table(), rate=4_000_000_000))
    yield "mp4: subtitle track", lambda: file(track(0, table(20, {"stsd": described(kind=b"tx3g")}), handler=b"sbtl"))
    yield "mp4: 10 MB of tags", lambda: tags(10, 1 << 20)
    yield "mp4: 100,000 tags", lambda: tags(100_000, 20)
    yield "mp4: covers of 60,000 x 60,000", lambda: pictures(10)
