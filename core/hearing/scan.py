"""A recording looked through in one pass: as much of it as may be needed, held as it is.

It knows nothing of what is to be heard of it.
"""

from dataclasses import dataclass
from time import monotonic

import numpy as np

from core.errors import RecordingError
from core.hearing.channels import read_as_one
from core.hearing.decoding.account import Track
from core.hearing.decoding.decoder import BYTES_A_SAMPLE, MEASURED_S, Decoder
from core.hearing.floor import is_silent
from core.hearing.sound import SAMPLE_RATE, Levels, Samples, frame_levels, mean_power, silence_damage

SCANNED_S = 600.0
"""How much of a long recording is looked through."""


@dataclass(frozen=True)
class Scanned:
    """A track as far as it was looked through; no samples where `error` says why. `levels` are its frames' levels."""

    tracks: tuple[Track, ...]
    samples: Samples
    levels: Levels
    silent: bool
    damaged: bool = False
    cancelled: bool = False
    error: RecordingError | None = None

    @property
    def has_sound(self) -> bool:
        """Whether there is anything in it to hear."""
        return self.error is None and not self.silent


def scan(decoder: Decoder, track: int, *, needed_s: float, patience_s: float) -> Scanned:
    """Look a track through, up to ten minutes of it, or to `needed_s` and one second more where that is longer.

    After `patience_s` seconds of wall-clock time that are enough. Raises as `Decoder.read`.
    """
    until = monotonic() + patience_s
    seconds = max(SCANNED_S, needed_s) + 1  # one more tells whether there is more
    enough = int((needed_s + 1) * SAMPLE_RATE)
    summed = read_as_one(decoder, track, lambda: _Held(int(seconds * SAMPLE_RATE), enough, until), seconds)
    reading = summed.reading
    samples = summed.sink.samples
    levels = frame_levels(samples)
    silent = is_silent(samples, levels)
    if silent:  # nothing of it is chosen, and other tracks may be looked through
        samples, levels = samples[:enough].copy(), levels[: enough * 10 // SAMPLE_RATE]
    return Scanned(tuple(reading.tracks), samples, levels, silent, reading.damaged, summed.cancelled, reading.error)


class _Held:
    """Samples in memory: `most`, or from `enough` on as many as came until the time `until`."""

    def __init__(self, most: int, enough: int, until: float) -> None:
        self._data = bytearray()
        self._most = most * BYTES_A_SAMPLE
        self._enough = enough * BYTES_A_SAMPLE
        self._until = until

    def take(self, piece: bytes) -> bool:
        self._data += piece
        size = len(self._data)
        return size < self._most and (size < self._enough or monotonic() < self._until)

    @property
    def power(self) -> float:
        return mean_power(self.samples)

    @property
    def power_measured(self) -> float:
        return mean_power(self.samples[: MEASURED_S * SAMPLE_RATE])

    @property
    def samples(self) -> Samples:
        """What came, without damage."""
        samples: Samples = np.frombuffer(self._data, "<f4", len(self._data) // BYTES_A_SAMPLE)
        silence_damage(samples)
        return samples
