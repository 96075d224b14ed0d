"""How something sounded: once or again and again, in a hall, coming nearer, small or large.

`measure` looks at the sound itself and at the windows in which a label was heard. What cannot be told stays None. It
knows figures, not words: those are the phrasebook's. And it knows only what it measures: events are not individuals
(ten barks are one dog), a small room is not told from none, and size is told only of labels in `sizes.csv`, none of
which is a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from core.hearing.categories import HEARD
from core.hearing.classifier import WINDOW_SAMPLES, Prediction
from core.hearing.envelope import (
    FAINTEST_DB,
    FALLS_FROM_DB,
    FALLS_TO_DB,
    HOP,
    HOPS_A_SECOND,
    Fall,
    Indices,
    falls_after,
    find_events,
    in_db,
    levels,
    slope_of,
    smooth,
)
from core.hearing.size import Size, size_of
from core.hearing.sound import SAMPLE_RATE, Levels, Samples, peak

SHORTEST_S = 0.3
"""Of shorter clips nothing is told."""

CLIPPED_SHARE = 0.01
"""With more of its samples than this on flat tops a clip is cut off, and its levels are not those of the sound."""

CLEAR_FALL_DB = 12.0
"""A fall counts from so many dB on that were seen of it."""
HALL_T60_S = 1.0
"""From this median decay time on it is a hall. Rooms to live in have up to 0.6 s, concert halls about 2 s."""

MOTION_HOPS = HOPS_A_SECOND // 4
"""Motion is seen in means of 0.25 s, smoothed by MOTION_SMOOTH,"""
MOTION_SMOOTH = 5
SHORTEST_MOTION_S = 2.5
"""of at least 2.5 s."""
MOTION_DB = 8.0
"""The rise or fall that is motion, and"""
MOTION_STRAIGHT = 0.6
"""the r2 that it needs at least."""
MIDDLE = 0.2
"""What passes is loudest after the first fifth, and before the last."""


class Space(StrEnum):
    """Around what was heard: `dry` says only that it was no hall."""

    DRY = "dry"
    HALL = "hall"


class Motion(StrEnum):
    """Where what was heard went."""

    STILL = "still"
    APPROACHING = "approaching"
    LEAVING = "leaving"
    PASSING = "passing"


@dataclass(frozen=True)
class Manner:
    """How something sounded; None is what cannot be told.

    `events`: how often something happened, which is not how many there were. `rate`: events a second where they came in
    a row, from two on.
    """

    events: int | None = None
    rate: float | None = None
    space: Space | None = None
    motion: Motion | None = None
    size: Size | None = None


NOTHING_TOLD = Manner()


def measure(samples: Samples, predictions: Sequence[Prediction], label: str) -> Manner:
    """How `label` sounded in a clip (`samples` of shape (n,), as they were classified into `predictions`).

    NOTHING_TOLD for a clip shorter than SHORTEST_S, silent, constant or cut off at full scale, and for a label that was
    nowhere heard. Never raises.
    """
    if len(samples) < SHORTEST_S * SAMPLE_RATE or _is_cut_off(samples):
        return NOTHING_TOLD
    level = levels(samples)
    windows = windows_of(label, predictions, len(samples))
    if not windows or float(level.max()) <= FAINTEST_DB:
        return NOTHING_TOLD
    events = find_events(level, _hops_near(windows, len(level)))
    return Manner(
        events=len(events),
        rate=_rate(events),
        space=_space(falls_after(events, level)),
        motion=_motion(level),
        size=size_of(label, samples, windows),
    )


def _is_cut_off(samples: Samples) -> bool:
    """Whether a clip rests on its highest value too often: tops as flat as only clipping makes them."""
    highest = peak(samples)
    on_top = np.abs(samples[1:]) >= 0.999 * highest
    flat = np.abs(np.diff(samples)) <= 1e-4 * highest
    return bool(np.count_nonzero(on_top & flat) > CLIPPED_SHARE * len(samples))


def windows_of(label: str, predictions: Sequence[Prediction], length: int) -> tuple[slice, ...]:
    """The windows in which `label` was heard, as samples of a clip of `length`; the last one ends with the clip."""
    heard = (
        window
        for window in predictions
        if any(category.name == label and category.score >= HEARD for category in window.categories)
    )
    starts = (min(window.timestamp_ms * SAMPLE_RATE // 1000, max(0, length - WINDOW_SAMPLES)) for window in heard)
    return tuple(slice(start, start + WINDOW_SAMPLES) for start in starts)


def _hops_near(windows: Sequence[slice], hops: int) -> npt.NDArray[np.bool_]:
    """The hops of `windows` and those beside them: where a window cuts a sound in two, one half may go unnamed."""
    near = np.zeros(hops, np.bool_)
    for window in windows:
        near[max(0, window.start - WINDOW_SAMPLES) // HOP : (window.stop + WINDOW_SAMPLES) // HOP + 1] = True
    return near


def _rate(events: Indices) -> float | None:
    """Events a second, by the median of the times between them: a pause does not make them slower."""
    return HOPS_A_SECOND / float(np.median(np.diff(events))) if len(events) >= 2 else None


def _space(falls: Sequence[Fall]) -> Space | None:
    """What the falls say of the room: two clear ones are needed, or one that was seen whole."""
    clear = [fall for fall in falls if fall.seen_db >= CLEAR_FALL_DB]
    whole = any(fall.seen_db >= FALLS_FROM_DB - FALLS_TO_DB for fall in clear)
    if len(clear) < 2 and not whole:
        return None
    return Space.HALL if float(np.median([fall.t60_s for fall in clear])) >= HALL_T60_S else Space.DRY


def _motion(level: Levels) -> Motion | None:
    """Whether the whole recording grows louder, fainter, or first the one and then the other."""
    steps = len(level) // MOTION_HOPS
    if steps * MOTION_HOPS < SHORTEST_MOTION_S * HOPS_A_SECOND:
        return None
    power = np.power(10.0, level[: steps * MOTION_HOPS] / 10).reshape(steps, MOTION_HOPS).mean(axis=1)
    course = smooth(in_db(power), MOTION_SMOOTH)
    slope, straightness = slope_of(course)
    change = slope * (steps - 1)
    if abs(change) >= MOTION_DB and straightness >= MOTION_STRAIGHT:
        return Motion.APPROACHING if change > 0 else Motion.LEAVING
    loudest = int(course.argmax())
    rises, falls = course[loudest] - course[0], course[loudest] - course[-1]
    in_the_middle = MIDDLE * steps <= loudest < (1 - MIDDLE) * steps
    return Motion.PASSING if in_the_middle and min(rises, falls) >= MOTION_DB else Motion.STILL
