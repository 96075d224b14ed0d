"""A picture as a file with its recipe: of a chosen kind, or the best within a size; and the recipe out of a file.

What signs files signs them last, when all else is in them.

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
from core.provenance.manifest import Sign, unsigned
from core.provenance.picture_text import read_text, without_text
from core.provenance.xmp import MADE_BY_A_MODEL, PNG_KEY
from core.recipe import Recipe, from_json, to_ascii_json, to_json

KEY = "imagine-sound"

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
"""What a picture's file may be called; each says what kind of file it is."""

_KINDS = {"webp": "WEBP", "jpg": "JPEG", "jpeg": "JPEG"}
_FINE = 95
"""The quality of WebP and JPEG where nothing limits their size."""
_SMALLER = (("webp", 95), ("webp", 85), ("jpg", 85), ("jpg", 60))


@dataclass(frozen=True)
class PictureFile:
    """The encoded picture and the ending that fits it."""

    data: bytes
    ending: str


def to_png(picture: Picture, sign: Sign = unsigned) -> bytes:
    """`picture` as PNG with its recipe."""
    info = PngInfo()
    info.add_itxt(KEY, to_json(picture.recipe))
    info.add_itxt(PNG_KEY, MADE_BY_A_MODEL)
    buffer = io.BytesIO()
    picture.image.save(buffer, "PNG", pnginfo=info)
    return sign(buffer.getvalue(), "png", picture.recipe.model)


def to_file(picture: Picture, ending: str, sign: Sign = unsigned) -> bytes:
    """`picture` as the kind of file that `ending`, one of ENDINGS in any case, stands for, with its recipe."""
    kind = ending.lower().removeprefix(".")
    if kind == "png":
        return to_png(picture, sign)
    return sign(_lossy(picture.image, kind, _FINE, _exif(picture)), kind, picture.recipe.model)


def poster_file(image: Image.Image, ending: str, sign: Sign = unsigned, model: str = "") -> bytes:
    """The same of a picture that was made of painted ones and has no recipe of its own; it says all the same that a
    model made it."""
    kind = ending.lower().removeprefix(".")
    if kind != "png":
        return sign(_lossy(image, kind, _FINE), kind, model)
    info, buffer = PngInfo(), io.BytesIO()
    info.add_itxt(PNG_KEY, MADE_BY_A_MODEL)
    image.save(buffer, "PNG", pnginfo=info)
    return sign(buffer.getvalue(), "png", model)


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


def without_recipe(file: PictureFile, sign: Sign = unsigned, model: str = "") -> PictureFile:
    """The same picture without the words that it was painted from; that a model made it stays said.

    Raises UnreadablePicture for what is none of the kinds that `encode_picture` makes.
    """
    return PictureFile(sign(without_text(file.data, KEY), file.ending, model), file.ending)


def read_image(data: bytes) -> Image.Image:
    """The picture in an encoded file."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def encode_picture(picture: Picture, max_bytes: int, sign: Sign = unsigned) -> PictureFile:
    """The best encoding of at most `max_bytes`; beyond the last resort the picture is made smaller."""
    png = to_png(picture, sign)
    if len(png) <= max_bytes:
        return PictureFile(png, "png")
    image, exif = picture.image, _exif(picture)
    while True:
        for ending, quality in _SMALLER:
            data = sign(_lossy(image, ending, quality, exif), ending, picture.recipe.model)
            if len(data) <= max_bytes:
                return PictureFile(data, ending)
        if max(image.size) <= 64:
            return PictureFile(data, ending)
        image = image.convert("RGB").reduce(2)


def _exif(picture: Picture) -> bytes:
    return exif_with(KEY, to_ascii_json(picture.recipe))


def _lossy(image: Image.Image, ending: str, quality: int, exif: bytes = b"") -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, _KINDS[ending], quality=quality, exif=exif, xmp=MADE_BY_A_MODEL.encode())
    return out.getvalue()
