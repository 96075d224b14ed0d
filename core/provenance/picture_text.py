"""The text that a picture file keeps under a key, whichever of the kinds that the program writes it is."""

from pathlib import Path
from typing import BinaryIO

from core.provenance.bounds import UnreadablePicture
from core.provenance.exif_text import (
    JPEG_START,
    WEBP_START,
    jpeg_without_exif,
    text_in_jpeg,
    text_in_webp,
    webp_without_exif,
)
from core.provenance.png_text import PNG_START, png_without, text_in_png

_READERS = {PNG_START: text_in_png, WEBP_START: text_in_webp, JPEG_START: text_in_jpeg}


def read_text(path: Path, key: str) -> str | None:
    """The first text under `key` in the picture at `path`, None where there is none.

    Decodes no pixel and keeps no more than the text. Raises UnreadablePicture, OSError.
    """
    if not path.is_file():  # a pipe or a device may have no end
        raise UnreadablePicture("it is no file")
    with path.open("rb") as file:
        return text_in(file, key)


def text_in(file: BinaryIO, key: str) -> str | None:
    """The same of an open file that can be sought in, from its beginning."""
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    for known, read in _READERS.items():
        if start.startswith(known):
            return read(file, key)
    raise UnreadablePicture("it is no picture of a kind that is read here")


def without_text(data: bytes, key: str) -> bytes:
    """The picture `data`, one of our own, without the text under `key`; its pixels are not touched.

    Raises UnreadablePicture.
    """
    if data.startswith(PNG_START):
        return png_without(data, key)
    if data.startswith(WEBP_START):
        return webp_without_exif(data)
    if data.startswith(JPEG_START):
        return jpeg_without_exif(data)
    raise UnreadablePicture("it is no picture of a kind that is written here")
