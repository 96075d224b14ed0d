"""The sound of a recording as a WAV file, written while it is read: a minute or an hour, as much memory as a moment.

It knows nothing of mending: what is converted is heard later.
"""

import secrets
import threading
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import RecordingError, RecordingTooLong
from core.hearing.channels import read_as_one
from core.hearing.decoding.account import Track
from core.hearing.decoding.decoder import BYTES_A_SAMPLE, MEASURED_S, Decoder
from core.hearing.decoding.sealed import seal
from core.hearing.decoding.tracks import first_with_sound
from core.hearing.floor import INAUDIBLE_DB
from core.hearing.mending import to_16_bits
from core.hearing.sound import SAMPLE_RATE, Samples, peak, silence_damage, sum_of_squares


def convert(
    source: Path, target: Path, *, max_bytes: int, max_seconds: float, timeout_s: float, stop: threading.Event | None
) -> float:
    """Write the sound of `source` to `target` as a 16 kHz mono 16-bit WAV; returns its seconds.

    `target` is there when all of it is written, and not before. Raises RecordingTooLong, and as `load_clip` does.
    """
    part = target.with_name(f".{secrets.token_hex(8)}.part")  # nobody else has such a file
    try:
        with seal(source, max_bytes) as file:
            decoder = Decoder(file, timeout_s, stop)
            _, written = first_with_sound(lambda track: _write(decoder, track, part, max_seconds))
        if written.error is not None:
            raise written.error
        if written.seconds > max_seconds:
            raise RecordingTooLong(max_seconds)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return written.seconds


@dataclass(frozen=True)
class _Written:
    tracks: Sequence[Track]
    seconds: float
    has_sound: bool
    error: RecordingError | None


def _write(decoder: Decoder, track: int, path: Path, max_seconds: float) -> _Written:
    """Write a track to `path`, up to one second more than `max_seconds`, which tells that there is more."""
    opened: list[_WavFile] = []

    def open_file() -> _WavFile:
        for before in opened:
            before.close()
        opened.append(_WavFile(path))
        return opened[-1]

    try:
        summed = read_as_one(decoder, track, open_file, max_seconds + 1)
    finally:
        for file in opened:
            file.close()
    reading = summed.reading
    return _Written(reading.tracks, summed.sink.seconds, reading.error is None and summed.sink.has_sound, reading.error)


class _WavFile:
    """Takes float32 samples and writes them in 16 bits."""

    def __init__(self, path: Path) -> None:
        self._file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by whoever opened it
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(SAMPLE_RATE)
        self._rest = b""
        self._peak = self._squares = self._squares_measured = 0.0
        self._count = self._count_measured = 0

    def take(self, piece: bytes) -> bool:
        data = self._rest + piece
        whole = len(data) // BYTES_A_SAMPLE * BYTES_A_SAMPLE
        self._rest = data[whole:]
        samples: Samples = np.frombuffer(data[:whole], "<f4").copy()
        silence_damage(samples)
        samples = to_16_bits(samples)
        self._squares += sum_of_squares(samples.astype(np.float64))
        if self._count < MEASURED_S * SAMPLE_RATE:
            self._squares_measured, self._count_measured = self._squares, self._count + len(samples)
        self._peak = max(self._peak, peak(samples))
        self._count += len(samples)
        self._file.writeframesraw((samples * 32768).astype("<i2").tobytes())
        return True

    @property
    def power(self) -> float:
        return self._squares / self._count if self._count else 0.0

    @property
    def power_measured(self) -> float:
        return self._squares_measured / self._count_measured if self._count_measured else 0.0

    @property
    def seconds(self) -> float:
        return self._count / SAMPLE_RATE

    @property
    def has_sound(self) -> bool:
        """Whether it is more than digital silence."""
        return self._peak > 10 ** (INAUDIBLE_DB / 20)

    def close(self) -> None:
        self._file.close()
