"""Of which shape each picture is made, and which pictures are learnt from together. Pure.

A picture is scaled to the nearest of a few sizes of about the same area (aspect buckets), so that a tall one need not
be cut square. Only pictures of one size fit into a batch, so sizes that too few pictures have are given up.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from PIL import Image

MAX_ASPECT = 2.0
"""Longer images than 2 : 1 are cut."""


@dataclass(frozen=True, order=True)
class Bucket:
    """A picture size in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Fitting:
    """How an image was brought to its bucket: SDXL's micro-conditions, in pixels (arXiv 2307.01952, section 2.2)."""

    original: tuple[int, int]
    """Height and width before scaling."""
    crop: tuple[int, int]
    """Top and left of what was kept, after scaling."""
    bucket: Bucket

    @property
    def time_ids(self) -> tuple[float, ...]:
        """The six numbers that the network is given."""
        return (*self.original, *self.crop, self.bucket.height, self.bucket.width)


def make_buckets(resolution: int, step: int) -> tuple[Bucket, ...]:
    """All sizes in multiples of `step` with at most `resolution`² pixels and an aspect of at most 2 : 1."""
    area = resolution * resolution
    found = {Bucket(resolution, resolution)}
    for short in range(step, resolution + 1, step):
        long = area // short // step * step
        if long / short <= MAX_ASPECT and long >= resolution:
            found |= {Bucket(short, long), Bucket(long, short)}
    return tuple(sorted(found))


def nearest_bucket(width: int, height: int, buckets: Sequence[Bucket]) -> Bucket:
    """The bucket of the most similar aspect."""
    return min(buckets, key=lambda bucket: abs(math.log(width / height) - math.log(bucket.width / bucket.height)))


def fitting_for(width: int, height: int, bucket: Bucket) -> Fitting:
    """How an image of `width` × `height` covers the bucket: scaled as little as possible, cut in the middle."""
    scaled_width, scaled_height = _covering_size(width, height, bucket)
    return Fitting((height, width), ((scaled_height - bucket.height) // 2, (scaled_width - bucket.width) // 2), bucket)


def fit(image: Image.Image, bucket: Bucket) -> Image.Image:
    """Scale and cut as `fitting_for` says."""
    scaled = image.resize(_covering_size(*image.size, bucket), Image.Resampling.LANCZOS)
    top, left = fitting_for(*image.size, bucket).crop
    return scaled.crop((left, top, left + bucket.width, top + bucket.height))


def shared_buckets(sizes: Sequence[tuple[int, int]], buckets: Sequence[Bucket], batch_size: int) -> tuple[Bucket, ...]:
    """Those of the buckets that images of these sizes (width, height) are brought to: a batch's worth in each.

    The bucket with the fewest images is given up for the nearest of the others, until all have enough or one is left.
    """
    used = tuple(buckets)
    while True:
        counts = Counter(nearest_bucket(*size, used) for size in sizes)
        fewest = min(counts, key=lambda bucket: (counts[bucket], bucket))
        used = tuple(sorted(counts))
        if counts[fewest] >= batch_size or len(counts) == 1:
            return used
        used = tuple(bucket for bucket in used if bucket != fewest)


def epoch_order(
    groups: Sequence[Sequence[int]], pictures: Sequence[Hashable], batch_size: int, seed: int
) -> list[tuple[int, ...]]:
    """Batches of one epoch: each index of the groups once, only one group's in a batch.

    `pictures[index]` says which picture it is, for some come more than once. No batch has one twice while another of
    the group would do, unless there are more copies of it than batches; short batches are filled up from the group.
    """
    draw = random.Random(seed)
    batches: list[tuple[int, ...]] = []
    for group in groups:
        by_picture: dict[Hashable, list[int]] = defaultdict(list)
        for index in draw.sample(group, len(group)):
            by_picture[pictures[index]].append(index)
        # The copies of a picture lie side by side, the most copied first, and are dealt out one a batch.
        dealt = [index for same in sorted(by_picture.values(), key=len, reverse=True) for index in same]
        count = -(-len(dealt) // batch_size)
        copies = list(by_picture.values())
        batches += [_filled_up(dealt[first::count], copies, pictures, batch_size, draw) for first in range(count)]
    draw.shuffle(batches)
    return batches


def _filled_up(
    batch: list[int], copies: Sequence[list[int]], pictures: Sequence[Hashable], batch_size: int, draw: random.Random
) -> tuple[int, ...]:
    within = {pictures[index] for index in batch}
    others = [same[0] for same in copies if pictures[same[0]] not in within]
    batch = batch + draw.sample(others, min(len(others), batch_size - len(batch)))
    return tuple(batch[number % len(batch)] for number in range(batch_size))


def _covering_size(width: int, height: int, bucket: Bucket) -> tuple[int, int]:
    scale = max(bucket.width / width, bucket.height / height)
    return max(bucket.width, round(width * scale)), max(bucket.height, round(height * scale))
