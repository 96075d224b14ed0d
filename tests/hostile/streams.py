"""Streams that lie: ADTS frames, Ogg pages and Matroska elements."""

import struct
from collections.abc import Callable, Iterator

from tests.hostile.boxes import FAR, noise, packed


def noise_frames(frames: int = 1_900_000) -> bytes:
    """ADTS frames of nine bytes, of which nothing can be decoded: 17 MB of complaints to come."""
    return b"".join(bytes([255, 241, 80, 128, 1 + i % 2 * 32, 31, 252, i & 255, i * 7 & 255]) for i in range(frames))


def lying_frames(length: int, number: int = 20_000) -> bytes:
    """ADTS frames that claim a length."""
    head = (
        (0xFFF1 << 40) | (0x50 << 32) | ((0x80 | length >> 11) << 24) | (length >> 3 & 0xFF) << 16 | (length & 7) << 13
    )
    return (head.to_bytes(7, "big") + b"\x21\x10\x04") * number


def page(data: bytes, serial: int, number: int, flags: int = 0, position: int = 0) -> bytes:
    """An Ogg page with its checksum."""
    lacing = bytes([255] * (len(data) // 255) + [len(data) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, position, serial, number, 0) + bytes([len(lacing)]) + lacing
    whole = head + data
    return whole[:22] + struct.pack("<I", _ogg_crc(whole)) + whole[26:]


def opus(channels: int = 1, mapping: int = 0, comments: int = 0, serial: int = 1, packets: int = 3) -> bytes:
    """An Ogg Opus stream of silence that claims channels and comments."""
    streams = bytes([channels, 0]) + bytes(range(channels)) if mapping else b""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, 312, 48_000, 0, mapping) + streams
    pages = page(head, serial, 0, flags=2) + page(b"OpusTags" + struct.pack("<II", 0, comments), serial, 1)
    return pages + b"".join(page(b"\xf8\xff\xfe", serial, n + 2, position=960 * n) for n in range(packets))


def chained(links: int) -> bytes:
    """Ogg streams one behind the other; only the serial numbers differ."""
    return b"".join(opus(serial=n, packets=1) for n in range(links))


def together(streams: int) -> bytes:
    """Ogg streams that all begin at once."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)
    return b"".join(page(head, n, 0, flags=2) for n in range(streams))


def vorbis_books(entries: int) -> bytes:
    """A Vorbis stream whose first codebook claims entries."""
    head = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 255, 44_100, 0, 128_000, 0, 0xB8, 1)
    setup = b"\x05vorbis" + bytes([255]) + b"BCV" + b"\xff\xff" + entries.to_bytes(3, "little") + bytes(2000)
    return page(head, 1, 0, flags=2) + page(b"\x03vorbis" + bytes(9), 1, 1) + page(setup, 1, 2)


def element(kind: bytes, data: bytes, size: int | None = None) -> bytes:
    """A Matroska element; `size` is what it claims, -1 stands for unknown."""
    length = (1 << 56) - 1 if size == -1 else len(data) if size is None else size
    return kind + bytes([1]) + min(length, (1 << 56) - 1).to_bytes(7, "big") + data


def matroska(*parts: bytes, size: int | None = -1) -> bytes:
    return element(b"\x1aE\xdf\xa3", element(b"\x42\x82", b"matroska")) + element(b"\x18S\x80g", b"".join(parts), size)


def sound_track(number: int = 1, rate: float = 16_000.0, channels: int = 1, more: bytes = b"") -> bytes:
    audio = element(b"\xb5", struct.pack(">d", rate)) + element(b"\x9f", channels.to_bytes(8, "big"))
    audio += element(b"\x62\x64", b"\x10")
    inner = element(b"\xd7", number.to_bytes(4, "big")) + element(b"\x73\xc5", number.to_bytes(4, "big"))
    inner += element(b"\x83", b"\x02") + element(b"\x86", b"A_PCM/INT/LIT") + element(b"\xe1", audio) + more
    return element(b"\xae", inner)


def tracks(*entries: bytes) -> bytes:
    return element(b"\x16T\xaek", b"".join(entries))


def cluster(*blocks: bytes, size: int | None = None) -> bytes:
    return element(b"\x1fC\xb6u", element(b"\xe7", b"\0") + b"".join(blocks), size)


def block(data: bytes, flags: int = 0x80) -> bytes:
    return element(b"\xa3", b"\x81\0\0" + bytes([flags]) + data)


def packed_blocks(megabytes: int, number: int) -> bytes:
    """Blocks that are compressed with zlib, each of so many megabytes."""
    compression = element(b"\x6d\x80", element(b"\x62\x40", element(b"\x50\x34", element(b"\x42\x54", b"\0"))))
    return matroska(tracks(sound_track(more=compression)), cluster(*[block(packed(b"", megabytes))] * number))


def _crc_table() -> list[int]:
    table = []
    for n in range(256):
        value = n << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & FAR
        table.append(value)
    return table


_CRC = _crc_table()


def _ogg_crc(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & FAR) ^ _CRC[value >> 24 ^ byte]
    return value


def stream_attacks() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """ADTS, Ogg and Matroska, each by its name."""
    yield "adts: frames of noise", noise_frames
    yield "adts: frames that claim 8,191 bytes", lambda: lying_frames(8191)
    yield "adts: frames that claim no bytes", lambda: lying_frames(0)
    yield "ogg: 20,000 chained", lambda: chained(20_000)
    yield "ogg: 20,000 together", lambda: together(20_000)
    yield "ogg: opus, 255 channels", lambda: opus(255, mapping=255)
    yield "ogg: opus, 4 G comments", lambda: opus(comments=FAR)
    yield "ogg: vorbis, codebook of 16 M", lambda: vorbis_books((1 << 24) - 1)
    yield "matroska: unknown sizes", lambda: matroska(tracks(sound_track()), *[cluster(size=-1)] * 100_000)
    yield "matroska: elements of 2^56 bytes", lambda: matroska(element(b"\x16T\xaek", sound_track(), 1 << 55))
    yield "matroska: 4 GHz", lambda: matroska(tracks(sound_track(rate=4e9)), cluster(block(noise(4000))))
    yield (
        "matroska: an infinite rate",
        lambda: matroska(tracks(sound_track(rate=float("inf"))), cluster(block(noise(4000)))),
    )
    yield (
        "matroska: 2^63 channels",
        lambda: matroska(tracks(sound_track(channels=1 << 63)), cluster(block(noise(4000)))),
    )
    yield (
        "matroska: 65,535 channels",
        lambda: matroska(tracks(sound_track(channels=65_535)), cluster(block(noise(4000)))),
    )
    yield (
        "matroska: 1,000 tracks",
        lambda: matroska(tracks(*map(sound_track, range(1, 1001))), cluster(block(noise(4000)))),
    )
    yield "matroska: 60,000 tracks", lambda: matroska(tracks(*map(sound_track, range(1, 60_001))))
    yield "matroska: packed blocks", lambda: packed_blocks(40, 20)
    yield (
        "matroska: lacing of 255 frames",
        lambda: matroska(tracks(sound_track()), cluster(*[block(b"\xff" * 400, 0x86)] * 1000)),
    )
    yield "matroska: 20,000 nested tags", lambda: matroska(_nested_tags(20_000))


def _nested_tags(depth: int) -> bytes:
    """Without sizes, so that each holds all that follow."""
    head = b"\x67\xc8" + b"\x01" + b"\xff" * 7
    return b"\x12T\xc3g\x01" + b"\xff" * 7 + b"\x73\x73\x01" + b"\xff" * 7 + head * depth
