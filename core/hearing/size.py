"""Small or large, by the pitch of a sound among others of its kind.

`sizes.csv` says for each label below and above which spectral centroid a tenth of the recordings of it lie;
`python -m benchmarks.acoustics --sizes` makes it. A label without a row has no size, and no row is a person's: nothing
is told of anybody's body. It knows frequencies, not words.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType

import numpy as np

from core.hearing.sound import SAMPLE_RATE, Samples

FRAME = 1024
"""Samples in a spectrum: 64 ms."""
AUDIBLE_DB = 20.0
"""Frames fainter than the loudest by more than this are what is heard between the sounds, not they."""

FEWEST_RECORDINGS = 30
"""A row is made of no fewer."""


class Size(StrEnum):
    """Among others of its kind."""

    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Range:
    """The centroids, in Hz, below and above which a tenth of the recordings of a label lie."""

    low_hz: float
    high_hz: float
    recordings: int

    def __post_init__(self) -> None:
        """Raises ValueError for a range that was made of too little, or is none."""
        if self.recordings < FEWEST_RECORDINGS or not 0 < self.low_hz < self.high_hz < SAMPLE_RATE / 2:
            raise ValueError(f"{self} is no range of at least {FEWEST_RECORDINGS} recordings.")


def size_of(label: str, samples: Samples, windows: Sequence[slice]) -> Size | None:
    """The size of `label` in its `windows` of a clip; None where it is as others are, or not known."""
    usual = load_sizes().get(label)
    centroid = None if usual is None else centroid_hz(samples, windows)
    if usual is None or centroid is None:
        return None
    if centroid < usual.low_hz:
        return Size.LARGE
    return Size.SMALL if centroid > usual.high_hz else None


def centroid_hz(samples: Samples, windows: Sequence[slice]) -> float | None:
    """The median over the frames of `windows` of the mean frequency, weighted by magnitude; None for silence.

    Frames much fainter than the loudest do not count.
    """
    parts = [samples[window] for window in windows]
    frames = [part[: len(part) // FRAME * FRAME].reshape(-1, FRAME) for part in parts]
    sound = np.concatenate(frames).astype(np.float64) if frames else np.zeros((0, FRAME))
    magnitude = np.abs(np.fft.rfft(sound * np.hanning(FRAME), axis=1))[:, 1:]
    power = np.square(magnitude).sum(axis=1)
    loudest = float(power.max(initial=0.0))
    if loudest <= 0.0:
        return None
    heard = magnitude[power >= loudest * 10 ** (-AUDIBLE_DB / 10)]
    frequencies = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)[1:]
    return float(np.median(np.einsum("ij,j->i", heard, frequencies) / heard.sum(axis=1)))


@cache
def load_sizes() -> Mapping[str, Range]:
    """The table that comes with the package, read once."""
    with resources.files("core.hearing").joinpath("sizes.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="|")
        return MappingProxyType(
            {row["label"]: Range(float(row["low_hz"]), float(row["high_hz"]), int(row["recordings"])) for row in rows}
        )
