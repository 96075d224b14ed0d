"""Which of the good images to train with and which to keep for validation. Pure; the seed decides."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import UnusableData
from core.finetuning.screening import GoodImage


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
