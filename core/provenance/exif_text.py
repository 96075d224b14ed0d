"""The text that a WebP or JPEG keeps in its EXIF block, as the user's comment under a key.

Writing is Pillow's business. Reading takes the file to be a stranger's: not a pixel is decoded, and of the block two
directories are looked at, where a whole reader would copy every field (there can be 5000 in a block, all of which point
to the same 64 kB). Files are those of RFC 9649 (WebP) and ITU-T T.81, annex B (JPEG), the block that of CIPA DC-008
(EXIF), which is TIFF 6.0. It knows nothing of what the text says.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL import ExifTags, Image

from core.provenance.bounds import MOST_BYTES, MOST_CHUNKS, UnreadablePicture

WEBP_START = b"RIFF"
JPEG_START = b"\xff\xd8"

_START = b"Exif\0\0"
"""Before the block in JPEG; in WebP some programs write it, too."""
_ASCII = b"ASCII\0\0\0"
"""How a comment says what its characters are."""
_MOST_WRITTEN = 60_000
"""JPEG's segments have 65,533 bytes."""
_HAS_EXIF = 0x08
"""The flag in a WebP's first chunk."""
_EOI, _SOS, _APP1, _APP11 = 0xD9, 0xDA, 0xE1, 0xEB
"""The last holds manifests (C2PA specification 2.2, section A.3)."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""JPEG markers without content: TEM and the restarts."""


def exif_with(key: str, text: str) -> bytes:
    """An EXIF block with `text`, which is ASCII, under `key`; an empty one if it is too long for a JPEG."""
    comment = _ASCII + f"{key}:{text}".encode("ascii")
    if len(comment) > _MOST_WRITTEN:
        return b""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif.tobytes()


def text_in_webp(file: BinaryIO, key: str) -> str | None:
    """The text under `key`, None where there is none; `file` is at its beginning. Raises UnreadablePicture."""
    return _first(_webp_blocks(file), key)


def text_in_jpeg(file: BinaryIO, key: str) -> str | None:
    """Likewise of a JPEG."""
    return _first(_jpeg_blocks(file), key)


def webp_without_exif(data: bytes) -> bytes:
    """The WebP `data`, one of our own, without its EXIF block, and without a manifest, which would not hold any more;
    its pixels are not touched. Raises UnreadablePicture."""
    kept, at = [], 12
    while at < len(data):
        kind, length = struct.unpack("<4sI", _part(data, at, 8))
        chunk = _part(data, at, 8 + length) + b"\0" * (length % 2)
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_HAS_EXIF]) + chunk[9:]
        if kind not in (b"EXIF", b"C2PA"):
            kept.append(chunk)
        at += len(chunk)
    content = b"WEBP" + b"".join(kept)
    return WEBP_START + struct.pack("<I", len(content)) + content


def jpeg_without_exif(data: bytes) -> bytes:
    """Likewise of a JPEG."""
    kept, at = [JPEG_START], len(JPEG_START)
    while True:
        first, marker, length = struct.unpack(">BBH", _part(data, at, 4))
        if first != 0xFF:
            raise UnreadablePicture("it is damaged")
        if marker == _SOS:
            return b"".join([*kept, data[at:]])
        segment = _part(data, at, 2 + length)
        if marker != _APP11 and (marker != _APP1 or not segment[4:].startswith(_START)):
            kept.append(segment)
        at += len(segment)


def _part(data: bytes, start: int, length: int) -> bytes:
    return _exactly(io.BytesIO(data[start : start + length]), length)


def _first(blocks: Iterator[bytes], key: str) -> str | None:
    start = _ASCII + f"{key}:".encode("ascii")
    for block in blocks:
        comment = _comment(block)
        if comment is not None and comment.startswith(start):
            try:
                return comment[len(start) :].rstrip(b"\0").decode("ascii")
            except UnicodeDecodeError as error:
                raise UnreadablePicture("it is damaged") from error
    return None


def _webp_blocks(file: BinaryIO) -> Iterator[bytes]:
    """The EXIF blocks among the chunks; everything else is skipped."""
    head = file.read(12)
    if head[:4] != WEBP_START or head[8:] != b"WEBP":
        raise UnreadablePicture("it is no WebP")
    left = int.from_bytes(head[4:8], "little") - 4
    for _ in range(MOST_CHUNKS):
        if left < 8:
            return
        kind, length = struct.unpack("<4sI", _exactly(file, 8))
        padded = length + length % 2
        left -= 8 + padded
        if left < -1 or not kind.isascii():  # the last chunk's padding is often forgotten
            raise UnreadablePicture("it is damaged")
        if kind == b"EXIF":
            if length > MOST_BYTES:
                raise UnreadablePicture("its text is too long")
            yield _exactly(file, length).removeprefix(_START)
            padded -= length
        file.seek(padded, 1)
    raise UnreadablePicture("it has too many chunks")


def _jpeg_blocks(file: BinaryIO) -> Iterator[bytes]:
    """The EXIF blocks among the segments before the pixels; everything else is skipped."""
    if file.read(2) != JPEG_START:
        raise UnreadablePicture("it is no JPEG")
    for _ in range(MOST_CHUNKS):
        first, marker = _exactly(file, 2)
        if first != 0xFF:
            raise UnreadablePicture("it is damaged")
        if marker == 0xFF:  # one that fills
            file.seek(-1, 1)
            continue
        if marker in (_SOS, _EOI):
            return
        if marker in _ALONE:
            continue
        length = int.from_bytes(_exactly(file, 2), "big") - 2
        if length < 0:
            raise UnreadablePicture("it is damaged")
        content = _exactly(file, length) if marker == _APP1 else b""
        file.seek(length - len(content), 1)
        if content.startswith(_START):
            yield content.removeprefix(_START)
    raise UnreadablePicture("it has too many segments")


def _exactly(file: BinaryIO, length: int) -> bytes:
    content = file.read(length)
    if len(content) < length:
        raise UnreadablePicture("it is cut off")
    return content


def _comment(block: bytes) -> bytes | None:
    """The user's comment with what it says of its characters, None where there is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise UnreadablePicture("it is damaged")
    try:
        (first,) = struct.unpack_from(f"{order}I", block, 4)
        directory = _field(block, order, first, ExifTags.IFD.Exif)
        if directory is None:
            return None
        found = _field(block, order, directory[1], ExifTags.Base.UserComment)
    except struct.error as error:
        raise UnreadablePicture("it is damaged") from error
    if found is None:
        return None
    length, start = found
    if length <= 4 or start + length > len(block):
        raise UnreadablePicture("it is damaged")
    return block[start : start + length]


def _field(block: bytes, order: str, directory: int, tag: int) -> tuple[int, int] | None:
    """How many values `tag` has in the directory at that place, and its value or where it is. Raises struct.error."""
    (count,) = struct.unpack_from(f"{order}H", block, directory)
    for number in range(count):
        entry = struct.unpack_from(f"{order}HHII", block, directory + 2 + 12 * number)
        if entry[0] == tag:
            return entry[2], entry[3]
    return None
