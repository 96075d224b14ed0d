"""What a sound is in this program: mono, 16 kHz, float32, full scale at 1; and how loud it is, frame by frame.

It knows nothing of where sounds come from.
"""

import math

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
"""Hz; what YamNet hears (yamnet/params.py in tensorflow/models)."""

Samples = npt.NDArray[np.float32]
"""Shape (n,)."""

Levels = npt.NDArray[np.float64]
"""dB relative to full scale, shape (frames,)."""

FRAME = SAMPLE_RATE // 10
"""Samples in a frame of `frame_levels`."""

QUIETEST_DB = -120.0
"""The level of digital silence."""

LOUDEST = 2.0**31
"""What is louder is damage: floating-point recordings may be written in the steps of 32 bits, but in no larger ones."""

_BLOCK = 600 * FRAME
"""A minute: as much is held as float64 at a time."""


def peak(samples: Samples) -> float:
    """The largest absolute value; no number if there is one that is none."""
    return max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))


def silence_damage(samples: Samples) -> None:
    """Set to zero, in place, what is no number, or no number that a sound has."""
    if not peak(samples) <= LOUDEST:
        samples[~((samples <= LOUDEST) & (samples >= -LOUDEST))] = 0.0


def frame_levels(samples: Samples) -> Levels:
    """The level of each tenth of a second, without its offset; the last, shorter frame is left out if it is not alone.

    The offset is left out since it is not heard, and would hide what is.
    """
    if len(samples) < FRAME:
        power = np.array([np.var(samples, dtype=np.float64)]) if len(samples) else np.zeros(0)
    else:
        power = np.concatenate(
            [
                np.var(block[: len(block) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64), axis=1)
                for block in (samples[start : start + _BLOCK] for start in range(0, len(samples), _BLOCK))
            ]
        )
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (QUIETEST_DB / 10))), np.float64)


def in_db(power: float) -> float:
    """A mean square in dB relative to full scale; -inf for none."""
    return 10 * math.log10(power) if power > 0 else -math.inf


def mean_power(samples: Samples) -> float:
    """The mean square, its offset included; 1 is a full-scale square wave."""
    if len(samples) == 0:
        return 0.0
    blocks = (samples[start : start + _BLOCK].astype(np.float64) for start in range(0, len(samples), _BLOCK))
    return sum(sum_of_squares(block) for block in blocks) / len(samples)


def sum_of_squares(samples: npt.NDArray[np.float64]) -> float:
    """Not by BLAS, as `np.dot` does it: its threads keep every core busy for milliseconds, waiting for more to do."""
    return float(np.einsum("i,i->", samples, samples))
