"""The text that a PNG keeps under a key, without decoding a pixel and within limits: the file may be a stranger's.

Chunks are those of the PNG specification (third edition, sections 5.3 and 11.3.3). It knows nothing of what the text
says.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from core.provenance.bounds import MOST_BYTES, MOST_CHUNKS, UnreadablePicture

PNG_START = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_MANIFEST = b"caBX"
"""C2PA's (specification 2.2, section A.3)."""
_AROUND_CONTENT = 12
"""A chunk's length and type before its content, and the checksum after it."""
_MOST_READ = MOST_BYTES + 1024
"""Of a chunk: the text, its key (at most 79 bytes), and the names that iTXt has besides."""


def text_in_png(file: BinaryIO, key: str) -> str | None:
    """The first text under `key`, None where there is none; `file` is at its beginning. Raises UnreadablePicture."""
    start = key.encode("latin-1") + b"\0"
    for kind, content in _texts(file):
        if content.startswith(start):
            return _decoded(kind, content[len(start) :])
    return None


def png_without(data: bytes, key: str) -> bytes:
    """The PNG `data`, one of our own, without any text under `key`, and without a manifest, which would not hold any
    more; its pixels are not touched. Raises UnreadablePicture."""
    start, kept, at = key.encode("latin-1") + b"\0", [PNG_START], len(PNG_START)
    if not data.startswith(PNG_START):
        raise UnreadablePicture("it is no PNG")
    while at < len(data):
        if at + _AROUND_CONTENT > len(data):
            raise UnreadablePicture("it is cut off")
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + length + _AROUND_CONTENT]
        if kind != _MANIFEST and (kind not in _TEXTS or not chunk[8:].startswith(start)):
            kept.append(chunk)
        at += length + _AROUND_CONTENT
    return b"".join(kept)


def _texts(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Each text chunk's type and content, as far as it is of interest; everything else is skipped."""
    if file.read(len(PNG_START)) != PNG_START:
        raise UnreadablePicture("it is no PNG")
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            raise UnreadablePicture("it is cut off")
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        if length >= 1 << 31 or not kind.isalpha():
            raise UnreadablePicture("it is damaged")
        content = file.read(min(length, _MOST_READ)) if kind in _TEXTS else b""
        file.seek(length - len(content), 1)
        checksum = file.read(4)
        if kind in _TEXTS and len(content) == length and checksum != struct.pack(">I", zlib.crc32(kind + content)):
            raise UnreadablePicture("it is damaged")
        yield kind, content
    raise UnreadablePicture("it has too many chunks")


def _decoded(kind: bytes, rest: bytes) -> str:
    """The text behind its key: Latin-1 as it is, the same compressed, or UTF-8 behind a language and a translation."""
    encoding, compressed = "latin-1", kind == b"zTXt"
    if kind == b"iTXt":
        encoding, compressed = "utf-8", rest[:1] == b"\1"
        _, separator, rest = rest[2:].partition(b"\0")[2].partition(b"\0")
        if not separator:
            raise UnreadablePicture("it is damaged")
    elif compressed:
        rest = rest[1:]
    text = _inflated(rest) if compressed else rest
    if len(text) > MOST_BYTES:
        raise UnreadablePicture("its text is too long")
    try:
        return text.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadablePicture("it is damaged") from error


def _inflated(data: bytes) -> bytes:
    """At most a little more than MOST_BYTES, however much `data` would become."""
    try:
        return zlib.decompressobj().decompress(data, MOST_BYTES + 1)
    except zlib.error as error:
        raise UnreadablePicture("it is damaged") from error
