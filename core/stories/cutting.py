"""Where one scene of a recording ends and the next begins: where what is heard there changes.

Each window is the square roots of its scores, at length 1, so that two windows are as far apart as their labels differ
(Hellinger's distance, without regard to how sure the whole window is). The cuts are those by which the windows of each
scene are nearest to their mean, each cut paid for: optimal partitioning (Jackson et al. 2005), with a least length and
a most number of scenes. Then each cut moves to where the spectrum changes most nearby, and there to a quiet moment.

Pure. It knows labels, and nothing of what is painted for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from core.hearing.categories import SILENCE
from core.hearing.classifier import Prediction
from core.hearing.sound import SAMPLE_RATE, Levels, Samples

SHORTEST_S = 4.0
MOST_SCENES = 8

PRICE = 1.2
"""What a cut has to save: as much as two scenes of five windows each do whose means are 0.7 apart, of 1.4 at most.
Chosen on 60 joined recordings (0.8 to 1.3 find equally many of the joins, 2.0 finds fewer; below, more is cut that is
one recording) and kept for 60 others: `python -m benchmarks.story_cuts`."""
SURE = 0.3
"""A window whose roots are no longer than that tells nothing, and counts as what was before it; as does one that is
QUIET_DB below the loudest."""
QUIET_DB = 50.0

NEARBY_S = 0.5
"""How far a cut moves from the border of two windows: half of one."""
SIDE_S = 1.5
"""How much of the sound before and after a moment is compared there."""
AS_GOOD = 0.9
"""Of moments with so much of the greatest change the quietest is taken."""

_FRAME = SAMPLE_RATE // 20
_FRAMES_A_SECOND = SAMPLE_RATE // _FRAME
_BANDS = 24
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 8000.0
_DEEPEST_DB = 60.0
"""What is so far below the loudest band is not compared."""

Windows = npt.NDArray[np.float64]
"""Shape (windows, labels), each row of length 1, or 0 where nothing at all was heard."""


@dataclass(frozen=True)
class Span:
    """From when to when, in seconds."""

    begins_s: float
    ends_s: float

    @property
    def seconds(self) -> float:
        """How long that is."""
        return self.ends_s - self.begins_s


def cut(windows: Sequence[Prediction], samples: Samples) -> tuple[Span, ...]:
    """The scenes of a recording of these windows and samples (float32 mono, 16 kHz), one after the other.

    Each is at least SHORTEST_S long, unless it is the only one; there are at most MOST_SCENES.
    """
    duration_s = len(samples) / SAMPLE_RATE
    if duration_s < 2 * SHORTEST_S or len(windows) < 2:
        return (Span(0.0, duration_s),)
    begins = np.array([window.timestamp_ms / 1000 for window in windows])
    borders = [float(begins[index]) for index in partition(vectors(windows), begins, duration_s)]
    levels = band_levels(samples)
    moved = [_best_moment(levels, border) for border in borders]
    return _spans(moved, duration_s)


def vectors(windows: Sequence[Prediction]) -> Windows:
    """What is heard in each window, as the module's docstring says."""
    names = sorted({category.name for window in windows for category in window.categories} - {SILENCE})
    column = {name: index for index, name in enumerate(names)}
    rows = np.zeros((len(windows), len(names)))
    for row, window in zip(rows, windows, strict=True):
        for category in window.categories:
            if category.name != SILENCE:
                row[column[category.name]] = np.sqrt(category.score)
    lengths = np.linalg.norm(rows, axis=1)
    loudness = np.array([window.loudness_dbfs for window in windows])
    tells = np.flatnonzero((lengths >= SURE) & (loudness >= loudness.max() - QUIET_DB))
    if len(tells) == 0:
        return np.zeros_like(rows)
    rows[tells] /= lengths[tells, None]
    before = np.searchsorted(tells, np.arange(len(rows)), side="right") - 1
    return rows[tells[np.maximum(before, 0)]]


def partition(rows: Windows, begins: npt.NDArray[np.float64], duration_s: float) -> list[int]:
    """The indices of the rows with which scenes begin, but the first: the cheapest of all partitions.

    `begins` are the rows' beginnings in seconds, up to `duration_s`.
    """
    costs, allowed = _costs(rows), _are_long_enough(begins, duration_s)
    count = len(rows)
    totals = np.full(count + 1, np.inf)
    totals[0] = 0.0
    cheapest: list[tuple[float, int]] = []
    came_from: list[npt.NDArray[np.intp]] = []
    for _ in range(MOST_SCENES):
        candidates = np.where(allowed, totals[:, None] + costs, np.inf)
        came_from.append(candidates.argmin(axis=0))
        totals = candidates.min(axis=0)
        cheapest.append((float(totals[count]) + PRICE * len(came_from), len(came_from)))
    scenes = min(cheapest)[1]
    cuts, end = [], count
    for step in reversed(came_from[:scenes]):
        end = int(step[end])
        cuts.append(end)
    return cuts[::-1][1:]


def band_levels(samples: Samples) -> Levels:
    """The level of each band, all equally wide in octaves, in each twentieth of a second, in dB.

    Shape (frames, bands).
    """
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME) * np.hanning(_FRAME).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    hertz = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)
    edges = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1)
    bands = [power[:, (hertz >= low) & (hertz < high)].sum(axis=1) for low, high in pairwise(edges)]
    levels = 10 * np.log10(np.stack(bands, axis=1) + 1e-7)
    return np.asarray(np.maximum(levels, levels.max(initial=-70.0) - _DEEPEST_DB), np.float64)


def _costs(rows: Windows) -> Windows:
    """By begin and end the sum of the squared distances of these rows to their mean; shape (rows + 1, rows + 1)."""
    products = np.zeros((len(rows) + 1, len(rows) + 1))
    products[1:, 1:] = (rows @ rows.T).cumsum(axis=0).cumsum(axis=1)
    squares = np.concatenate([[0.0], np.einsum("ij,ij->i", rows, rows).cumsum()])
    begin, end = np.meshgrid(np.arange(len(rows) + 1), np.arange(len(rows) + 1), indexing="ij")
    inner = products[end, end] - products[begin, end] - products[end, begin] + products[begin, begin]
    return np.asarray(squares[end] - squares[begin] - inner / np.maximum(end - begin, 1))


def _are_long_enough(begins: npt.NDArray[np.float64], duration_s: float) -> npt.NDArray[np.bool_]:
    """By begin and end whether a scene may be that; half a second is left to what moves its cuts."""
    times = np.append(begins, duration_s)
    lengths = times[None, :] - times[:, None]
    whole = (times[:, None] == 0) & (times[None, :] == duration_s)
    return np.asarray((lengths >= SHORTEST_S - NEARBY_S / 2) | whole)


def _best_moment(levels: Levels, border_s: float) -> float:
    """Where near `border_s` the bands change most, and where of such moments it is quietest."""
    side = round(SIDE_S * _FRAMES_A_SECOND)
    at, far = round(border_s * _FRAMES_A_SECOND), round(NEARBY_S * _FRAMES_A_SECOND)
    moments = range(max(1, at - far), min(len(levels) - 1, at + far) + 1)
    if len(moments) == 0:
        return border_s
    changes = np.array([_change(levels, moment, side) for moment in moments])
    loudness = np.array([levels[moment - 1 : moment + 1].max() for moment in moments])
    good = np.flatnonzero(changes >= AS_GOOD * changes.max())
    return moments[int(good[loudness[good].argmin()])] / _FRAMES_A_SECOND


def _change(levels: Levels, moment: int, side: int) -> float:
    before, after = levels[max(0, moment - side) : moment], levels[moment : moment + side]
    return float(np.linalg.norm(before.mean(axis=0) - after.mean(axis=0)))


def _spans(cuts: Sequence[float], duration_s: float) -> tuple[Span, ...]:
    """The scenes between `cuts`, where a cut gives way to the least length, and is left out where it cannot."""
    kept = [0.0]
    for number, at in enumerate(cuts):
        latest = duration_s - SHORTEST_S * (1 if number == len(cuts) - 1 else 2)
        at = min(max(at, kept[-1] + SHORTEST_S), max(latest, kept[-1] + SHORTEST_S))
        if at <= duration_s - SHORTEST_S:
            kept.append(at)
    return tuple(Span(begin, end) for begin, end in pairwise([*kept, duration_s]))
