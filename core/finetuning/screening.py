"""Which images can be used: broken, tiny and duplicate ones are listed and left out.

Duplicates are images of exactly the same pixels, whatever their names. Look-alikes are not searched for: in a set
such as 11k Hands all images look alike to a perceptual hash.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from core.finetuning.datasets import Example, Rejected


@dataclass(frozen=True)
class GoodImage:
    """An image that opened, with its size in pixels (upright) and the SHA-256 of its RGB pixels."""

    example: Example
    width: int
    height: int
    pixels_sha256: str


def open_upright(path: Path) -> Image.Image:
    """Decode fully, turn as EXIF says, put transparency on white. RGB. Raises OSError and others on broken files."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")


def screen(
    examples: Sequence[Example], *, min_side: int, on_progress: Callable[[int], None] = lambda done: None
) -> tuple[list[GoodImage], list[Rejected]]:
    """Open every image once. `min_side` in pixels is the least length of the shorter side."""
    good: list[GoodImage] = []
    rejected: list[Rejected] = []
    first_with: dict[str, Path] = {}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        looks = pool.map(lambda example: _look_at(example, min_side), examples)
        for done, look in enumerate(looks, start=1):
            if isinstance(look, Rejected):
                rejected.append(look)
            elif (earlier := first_with.get(look.pixels_sha256)) is not None:
                rejected.append(Rejected(look.example.path, f"the same picture as {earlier.name}"))
            else:
                first_with[look.pixels_sha256] = look.example.path
                good.append(look)
            on_progress(done)
    return good, rejected


def _look_at(example: Example, min_side: int) -> GoodImage | Rejected:
    try:
        image = open_upright(example.path)
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and others
        return Rejected(example.path, f"cannot be read ({type(error).__name__})")
    if min(image.size) < min_side:
        return Rejected(example.path, f"too small ({image.width} × {image.height}, at least {min_side} needed)")
    return GoodImage(example, image.width, image.height, hashlib.sha256(image.tobytes()).hexdigest())
