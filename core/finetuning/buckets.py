"""Aspect buckets: a few picture sizes of about the same area, so that a tall image need not be cut square. Pure."""

import math
from collections.abc import Sequence
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


def _covering_size(width: int, height: int, bucket: Bucket) -> tuple[int, int]:
    scale = max(bucket.width / width, bucket.height / height)
    return max(bucket.width, round(width * scale)), max(bucket.height, round(height * scale))
