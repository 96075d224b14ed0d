"""Sounds that differ in one thing: how often, in which room, coming or going. Pure functions over samples.

Single events are cut out by a rule of their own, which knows nothing of how events are found. All random, all seeded.
"""

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from core.hearing.sound import SAMPLE_RATE, Samples

Signal = npt.NDArray[np.float64]

STEP = SAMPLE_RATE // 100
OUTSIDE_DB, OUTSIDE_STEPS = 12.0, 5
"""An event ends where 50 ms are fainter than its loudest 10 ms by so much."""
LONGEST_EVENT_S, SHORTEST_EVENT_S = 0.9, 0.06
NOISE = 1e-3
"""The faint noise under all made sounds."""
PEAK = 0.7


def single_event(recording: Samples) -> Signal | None:
    """The loudest event of a recording, faded in and out; None where it has no beginning and end, or is too long."""
    steps = recording[: len(recording) // STEP * STEP].astype(np.float64).reshape(-1, STEP)
    power = np.square(steps).mean(axis=1)
    loudest = int(power.argmax())
    faint = power < power[loudest] * 10 ** (-OUTSIDE_DB / 10)
    after = _first_run(faint[loudest:])
    before = _first_run(faint[loudest::-1])
    if after is None or before is None or not SHORTEST_EVENT_S <= (after + before + 1) / 100 <= LONGEST_EVENT_S:
        return None
    begin, end = max(0, loudest - before - 1), loudest + after + 2
    event = steps[begin:end].ravel().copy()
    event[:STEP] *= np.linspace(0, 1, STEP)
    event[-STEP:] *= np.linspace(1, 0, STEP)
    return np.asarray(event * (PEAK / float(np.abs(event).max())), np.float64)


def _first_run(faint: npt.NDArray[np.bool_]) -> int | None:
    """Where the first OUTSIDE_STEPS faint steps in a row begin."""
    runs = np.flatnonzero(np.convolve(faint, np.ones(OUTSIDE_STEPS), mode="valid") == OUTSIDE_STEPS)
    return int(runs[0]) if len(runs) else None


def repeated(event: Signal, times: int, random: np.random.Generator) -> Samples:
    """`event` so many times, 0.35 to 0.8 s between them, over a faint noise; at least two seconds."""
    parts = [np.zeros(int(0.3 * SAMPLE_RATE))]
    for _ in range(times):
        parts += [event, np.zeros(int(random.uniform(0.35, 0.8) * SAMPLE_RATE))]
    sound = np.concatenate(parts)
    sound = np.pad(sound, (0, max(0, 2 * SAMPLE_RATE - len(sound))))
    return (sound + NOISE * random.normal(size=len(sound))).astype(np.float32)


def in_a_room(dry: Samples, t60_s: float, random: np.random.Generator) -> Samples:
    """`dry` and as much reverberation: noise that falls by 60 dB in `t60_s`, and rings on after the end."""
    time = np.arange(int(1.2 * t60_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = random.normal(size=len(time)) * 10 ** (-3 * time / t60_s)
    response = tail / np.linalg.norm(tail)
    response[0] += 1
    wet = fftconvolve(dry.astype(np.float64), response)
    return np.asarray(wet / np.abs(wet).max() * PEAK, np.float32)


def ramped(sound: Samples, change_db: float) -> Samples:
    """`sound`, growing louder by `change_db` from its beginning to its end, or fainter; nowhere louder than it was."""
    gain_db = np.linspace(0, change_db, len(sound)) - max(0.0, change_db)
    return (sound * 10 ** (gain_db / 20)).astype(np.float32)


def unsteadiness_db(sound: Samples) -> float:
    """How far the levels of quarters of a second lie apart, but for the loudest and the faintest tenth."""
    quarter = SAMPLE_RATE // 4
    power = np.square(sound[: len(sound) // quarter * quarter].astype(np.float64)).reshape(-1, quarter).mean(axis=1)
    low, high = np.quantile(10 * np.log10(power + 1e-12), [0.1, 0.9])
    return float(high - low)
