"""Which images to train with and which to keep for validation.

First every image is opened once: broken, tiny and duplicate ones are listed and left out. Duplicates are images of
exactly the same pixels, whatever their names. Look-alikes are not searched for: in a set such as 11k Hands all images
look alike to a perceptual hash. The choice among the good ones is pure; the seed decides.
"""

import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from core.errors import UnusableData
from core.finetuning.data.sources import Example, Rejected


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
        for done, image in enumerate(pool.map(lambda example: _open(example, min_side), examples), start=1):
            if isinstance(image, Rejected):
                rejected.append(image)
            elif (earlier := first_with.get(image.pixels_sha256)) is not None:
                rejected.append(Rejected(image.example.path, f"the same picture as {earlier.name}"))
            else:
                first_with[image.pixels_sha256] = image.example.path
                good.append(image)
            on_progress(done)
    return good, rejected


@dataclass(frozen=True)
class Split:
    """Images to learn from and images never learnt from."""

    training: tuple[GoodImage, ...]
    held_out: tuple[GoodImage, ...]
    by_subject: bool


def stratified_sample(images: Sequence[GoodImage], limit: int | None, seed: int) -> list[GoodImage]:
    """At most `limit` images, each stratum in its proportion (largest remainders); in the order given."""
    if limit is None or limit >= len(images):
        return list(images)
    strata: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        strata[image.example.stratum].append(index)
    exact = {name: limit * len(members) / len(images) for name, members in strata.items()}
    quota = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(strata, key=lambda name: (quota[name] - exact[name], name))
    for name in by_remainder[: limit - sum(quota.values())]:
        quota[name] += 1
    draw = random.Random(seed)
    chosen = [index for name in sorted(strata) for index in draw.sample(strata[name], quota[name])]
    return [images[index] for index in sorted(chosen)]


def split(images: Sequence[GoodImage], held_out: float, seed: int) -> Split:
    """Keep about the share `held_out` for validation, at least one image; whole subjects where all are known.

    Raises UnusableData if fewer than two images are left to split.
    """
    if len(images) < 2:
        raise UnusableData("At least two good images are needed: one to learn from and one to validate with.")
    wanted = max(1, round(held_out * len(images)))
    groups: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        groups[image.example.subject or ""].append(index)
    by_subject = len(groups) > 1 and "" not in groups
    units = list(groups.values()) if by_subject else [[index] for index in range(len(images))]
    random.Random(seed).shuffle(units)
    kept: set[int] = set()
    for unit in units[:-1]:
        if len(kept) >= wanted:
            break
        kept.update(unit)
    return Split(
        training=tuple(image for index, image in enumerate(images) if index not in kept),
        held_out=tuple(image for index, image in enumerate(images) if index in kept),
        by_subject=by_subject,
    )


def _open(example: Example, min_side: int) -> GoodImage | Rejected:
    try:
        image = open_upright(example.path)
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and others
        return Rejected(example.path, f"cannot be read ({type(error).__name__})")
    if min(image.size) < min_side:
        return Rejected(example.path, f"too small ({image.width} × {image.height}, at least {min_side} needed)")
    return GoodImage(example, image.width, image.height, hashlib.sha256(image.tobytes()).hexdigest())
