"""A picture as a file: PNG, or the best of WebP and JPEG within a size, with its recipe; and the recipe out of a file.

The recipe is JSON: under a text key of a PNG, in the EXIF comment of a WebP or JPEG. Encoding takes up to a second for
large pictures: run it in a thread.
"""

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.errors import InvalidOptions
from core.generation.protocol import Picture
from core.provenance.bounds import UnreadablePicture
from core.provenance.exif_text import exif_with
from core.provenance.picture_text import read_text, without_text
from core.provenance.xmp import MADE_BY_A_MODEL, PNG_KEY
from core.recipe import Recipe, from_json, to_ascii_json, to_json

KEY = "imagine-sound"

_SMALLER = (("WEBP", "webp", 95), ("WEBP", "webp", 85), ("JPEG", "jpg", 85), ("JPEG", "jpg", 60))


@dataclass(frozen=True)
class PictureFile:
    """The encoded picture and the ending that fits it."""

    data: bytes
    ending: str


def to_png(picture: Picture) -> bytes:
    """`picture` as PNG with its recipe."""
    info = PngInfo()
    info.add_itxt(KEY, to_json(picture.recipe))
    info.add_itxt(PNG_KEY, MADE_BY_A_MODEL)
    buffer = io.BytesIO()
    picture.image.save(buffer, "PNG", pnginfo=info, optimize=True)
    return buffer.getvalue()


def read_recipe(path: Path) -> Recipe:
    """The recipe in the picture at `path`. Raises InvalidOptions if there is none."""
    try:
        text = read_text(path, KEY)
    except (OSError, UnreadablePicture) as error:
        raise InvalidOptions(f"{path} is not a picture that I can read; name one that imagine-sound made.") from error
    if text is None:
        raise InvalidOptions(f"There is no recipe in {path}; only pictures that imagine-sound made carry one.")
    try:
        return from_json(text)
    except ValueError as error:
        raise InvalidOptions(f"The recipe in {path} is damaged; name another picture.") from error


def without_recipe(file: PictureFile) -> PictureFile:
    """The same picture without the words that it was painted from; that a model made it stays said.

    Raises UnreadablePicture for what is none of the kinds that `encode_picture` makes.
    """
    return PictureFile(without_text(file.data, KEY), file.ending)


def read_image(data: bytes) -> Image.Image:
    """The picture in an encoded file."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def encode_picture(picture: Picture, max_bytes: int) -> PictureFile:
    """The best encoding of at most `max_bytes`; beyond the last resort the picture is made smaller."""
    png = to_png(picture)
    if len(png) <= max_bytes:
        return PictureFile(png, "png")
    image = picture.image.convert("RGB")
    exif = exif_with(KEY, to_ascii_json(picture.recipe))
    while True:
        for kind, ending, quality in _SMALLER:
            out = io.BytesIO()
            image.save(out, kind, quality=quality, exif=exif, xmp=MADE_BY_A_MODEL.encode())
            if out.tell() <= max_bytes:
                return PictureFile(out.getvalue(), ending)
        if max(image.size) <= 64:
            return PictureFile(out.getvalue(), ending)
        image = image.reduce(2)
