"""Where in a stereo recording it sounds from, stretch by stretch, read piece by piece from its WAV.

It knows nothing of pictures.
"""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.stories.cutting import Span

_BLOCK = 1 << 16
"""Frames that are held at a time."""


def balances(sound: Path, spans: Sequence[Span]) -> tuple[float, ...]:
    """For each span -1 (all of its power is on the left) to 1 (on the right); 0 for one channel, and for silence.

    `sound` is a WAV of 16 bits with one or two channels. Raises OSError, wave.Error.
    """
    with wave.open(str(sound), "rb") as file:
        if file.getnchannels() != 2:
            return (0.0,) * len(spans)
        return tuple(_balance(file, span) for span in spans)


def _balance(file: wave.Wave_read, span: Span) -> float:
    rate = file.getframerate()
    file.setpos(min(round(span.begins_s * rate), file.getnframes()))
    left = round(span.seconds * rate)
    power = np.zeros(2)
    while left > 0 and (data := file.readframes(min(left, _BLOCK))):
        frames = np.frombuffer(data, "<i2").reshape(-1, 2).astype(np.float64)
        power += np.einsum("ij,ij->j", frames, frames)
        left -= len(frames)
    return float((power[1] - power[0]) / power.sum()) if power.sum() > 0 else 0.0
