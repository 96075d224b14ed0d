"""How loud a sound is from moment to moment, and what happens in it: events, and the falls after them.

Pure functions over samples and levels. It knows neither what is heard nor what is told of it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.hearing.sound import SAMPLE_RATE, Levels, Samples

HOP = SAMPLE_RATE // 100
"""Samples from one level to the next: 10 ms."""

HOPS_A_SECOND = SAMPLE_RATE // HOP

FAINTEST_DB = -100.0
"""What is fainter counts as digital silence; 16 bits end at -96 dB."""

ABOVE_FLOOR_DB = 10.0
"""An event's peak rises so far above the recording's floor,"""
BELOW_LOUDEST_DB = 18.0
"""is at most so much fainter than the loudest,"""
PROMINENCE_DB = 8.0
"""stands so far above the dips on both its sides,"""
APART = round(0.15 * HOPS_A_SECOND)
"""and is so many hops away from the next: two closer ones are one event."""

FALLS_FROM_DB, FALLS_TO_DB = -5.0, -25.0
"""The stretch of a fall from which its decay time is taken (T20 of ISO 3382-1)."""
NEAR_FLOOR_DB = 3.0
"""A fall is followed down to so far above the floor."""
STRAIGHT = 0.8
"""The squared correlation (r2) from which on a fall is straight in dB. A room's is; a voice that dies away seldom is.
Of 240 recordings of animals, people, clocks and fire 29 have long falls, and 9 long and straight ones."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Fall:
    """How a sound dies away after an event: its decay time by 60 dB in seconds, and how many dB of it were seen."""

    t60_s: float
    seen_db: float


def levels(samples: Samples) -> Levels:
    """The power of each 10 ms of `samples` (shape (n,)), smoothed over three, in dB; without the offset of the whole.

    What is left after the last whole hop does not count. Shape (n // HOP,).
    """
    hops = len(samples) // HOP
    if hops == 0:
        return np.zeros(0)
    sound = samples.astype(np.float64)
    sound -= sound.mean()
    power = np.square(sound[: hops * HOP]).reshape(hops, HOP).mean(axis=1)
    return in_db(smooth(power, 3))


def smooth(values: npt.NDArray[np.float64], over: int) -> npt.NDArray[np.float64]:
    """The mean of each value and its neighbours, `over` (odd) in all, of the same shape; both ends go on level."""
    return np.convolve(np.pad(values, over // 2, mode="edge"), np.full(over, 1 / over), mode="valid")


def in_db(power: npt.NDArray[np.float64]) -> Levels:
    """Powers (1 is full scale) in dB, none below FAINTEST_DB."""
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (FAINTEST_DB / 10))), np.float64)


def floor_of(level: Levels) -> float:
    """The level that a recording is below for a fifth of its time."""
    return float(np.percentile(level, 20))


def find_events(level: Levels, within: npt.NDArray[np.bool_]) -> Indices:
    """The hops of `level` at which something happens, of those that are `within`; both of shape (hops,)."""
    from scipy.signal import find_peaks

    if not within.any():
        return np.zeros(0, np.intp)
    height = max(floor_of(level) + ABOVE_FLOOR_DB, float(level[within].max()) - BELOW_LOUDEST_DB)
    walled = np.pad(level, 1, constant_values=float(level.min()))  # a sound may begin with its loudest moment
    peaks = find_peaks(walled, height=height, prominence=PROMINENCE_DB, distance=APART)[0] - 1
    return np.asarray(peaks[within[peaks]], np.intp)


def falls_after(events: Indices, level: Levels) -> tuple[Fall, ...]:
    """The straight falls after `events`, each until the next event comes.

    They are followed on levels smoothed once more, since what rings in a room flickers.
    """
    level = in_db(smooth(np.power(10.0, level / 10), 3))
    floor = floor_of(level)
    ends = np.append(events, len(level))[1:]
    falls = (_fall(level[start:end], floor) for start, end in zip(events, ends, strict=True))
    return tuple(fall for fall in falls if fall is not None)


def _fall(after: Levels, floor: float) -> Fall | None:
    """The decay of `after`, which begins with an event's peak: a straight line from FALLS_FROM_DB to FALLS_TO_DB.

    None where it falls by less than can be measured, or not in a straight line.
    """
    down = after[: int(after.argmin()) + 1] - after[0]
    lowest = max(FALLS_TO_DB, floor + NEAR_FLOOR_DB - float(after[0]))
    below = np.flatnonzero(down <= lowest)
    end = int(below[0]) if len(below) else len(down) - 1
    begin = int(np.flatnonzero(down[: end + 1] >= FALLS_FROM_DB)[-1])
    line = down[begin : end + 1]
    seen = FALLS_FROM_DB - max(float(line[-1]), FALLS_TO_DB)
    slope, straightness = slope_of(line)
    if slope >= 0 or straightness < STRAIGHT:
        return None
    return Fall(-60 / (slope * HOPS_A_SECOND), seen)


def slope_of(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The slope a step of the straight line nearest to `values`, and r2, how much of their variance it explains.

    Both are 0 where there are fewer than two values, or all are alike.
    """
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    away = values - values.mean() if len(values) else values
    spread = float(away @ away)
    if len(values) < 2 or spread < 1e-9:
        return 0.0, 0.0
    slope = float(steps @ away) / float(steps @ steps)
    return slope, min(1.0, slope**2 * float(steps @ steps) / spread)
