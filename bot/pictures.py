"""A painted picture as a file that fits into a Discord message: PNG with its recipe, else WebP, else JPEG.

Encoding takes up to a second for large pictures: run it in a thread.
"""

import io
from dataclasses import dataclass

from core.generation import Picture
from core.recipe import MADE_BY_A_MODEL, to_png

_SMALLER = (("WEBP", "webp", 95), ("WEBP", "webp", 85), ("JPEG", "jpg", 85), ("JPEG", "jpg", 60))


@dataclass(frozen=True)
class PictureFile:
    """The encoded picture and the ending that fits it."""

    data: bytes
    ending: str


def encode_picture(picture: Picture, max_bytes: int) -> PictureFile:
    """The best encoding of at most `max_bytes`; beyond the last resort the picture is made smaller."""
    png = to_png(picture)
    if len(png) <= max_bytes:
        return PictureFile(png, "png")
    image = picture.image.convert("RGB")
    while True:
        for kind, ending, quality in _SMALLER:
            out = io.BytesIO()
            image.save(out, kind, quality=quality, xmp=MADE_BY_A_MODEL.encode())
            if out.tell() <= max_bytes:
                return PictureFile(out.getvalue(), ending)
        if max(image.size) <= 64:
            return PictureFile(out.getvalue(), ending)
        image = image.reduce(2)
