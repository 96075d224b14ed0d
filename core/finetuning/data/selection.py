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
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import UnusableData
from core.finetuning.data.pictures import UnreadablePicture, large_ones_too, open_picture
from core.finetuning.data.sources import Example, Rejected

LEAST_HELD_OUT = 4
CROSS_FITTED_BELOW = 24
"""Of fewer pictures than this none can be spared for validation."""
USUAL_SHARE = 0.05
"""Of the pictures that are held out."""


@dataclass(frozen=True)
class GoodImage:
    """An image that opened, with its size in pixels (upright) and the SHA-256 of its size and RGB pixels."""

    example: Example
    width: int
    height: int
    pixels_sha256: str
    note: str = ""
    """What had to be done to open it."""


@large_ones_too()
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
    """Images to learn from and images never learnt from; `held_out` is empty where `is_cross_fitted`."""

    training: tuple[GoodImage, ...]
    held_out: tuple[GoodImage, ...]
    by_subject: bool
    is_cross_fitted: bool = False
    """All are learnt from; how long is found by learning from each of the `halves` and validating with the other."""

    def halves(self, seed: int) -> tuple["Split", "Split"]:
        """Two splits, each of which validates with what the other one learns from."""
        one = split_up(self.training, 0.5, seed)
        return one, replace(one, training=one.held_out, held_out=one.training)


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


def split_up(images: Sequence[GoodImage], held_out: float | None, seed: int) -> Split:
    """Keep about the share `held_out` for validation, at least one image; whole subjects where all are known.

    With None: a twentieth, but four at least, and of under 24 images none: these are for cross-fitting. Raises
    UnusableData if fewer than two images are left to split.
    """
    if len(images) < 2:
        raise UnusableData("At least two good images are needed: one to learn from and one to validate with.")
    groups: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        groups[image.example.subject or ""].append(index)
    by_subject = len(groups) > 1 and "" not in groups
    if held_out is None and len(images) < CROSS_FITTED_BELOW:
        return Split(tuple(images), (), by_subject, is_cross_fitted=True)
    least = LEAST_HELD_OUT if len(images) >= CROSS_FITTED_BELOW else 1
    wanted = max(least, round((USUAL_SHARE if held_out is None else held_out) * len(images)))
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
        picture = open_picture(example.path)
    except UnreadablePicture as error:
        return Rejected(example.path, str(error))
    image = picture.image
    if min(image.size) < min_side:
        return Rejected(example.path, f"too small ({image.width} × {image.height}, at least {min_side} needed)")
    pixels = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()
    return GoodImage(example, image.width, image.height, pixels, picture.note)
