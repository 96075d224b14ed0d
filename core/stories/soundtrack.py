"""The sound of a recording for its film: as it is in the recording, one channel or two, as a WAV of 48 kHz.

It is read in the same cage as what is heard, and streamed to the disk. It knows nothing of loudness.
"""

import secrets
import struct
import threading
import wave
from pathlib import Path
from typing import IO

import numpy as np

from core.errors import EmptyRecording, NotAudio
from core.hearing.audio import AudioLimits
from core.hearing.decoding.decoder import PLAYED_RATE, Decoder, Reading
from core.hearing.decoding.sealed import seal
from core.hearing.decoding.tracks import first_with_sound
from core.hearing.scan import scan
from core.stories.encoder import telling_of_full_disks

_SAMPLE_BYTES = 2
_HEAD = struct.Struct(">4s5I")
"""Sun's AU: magic, where the samples begin, their bytes, kind, rate, channels."""


def extract(
    recording: bytes | Path,
    target: Path,
    *,
    begins_s: float,
    seconds: float,
    limits: AudioLimits,
    stop: threading.Event | None = None,
) -> None:
    """Write `seconds` of the recording's sound from `begins_s` on to `target`, 16 bits; shorter sound ends in silence.

    Raises as `load_clip` does, and NoSpaceForFilm; then there is no `target`.
    """
    part = target.with_name(f".{secrets.token_hex(8)}.part")  # nobody else has such a file
    try:
        with telling_of_full_disks(), seal(recording, limits.max_bytes) as file:
            decoder = Decoder(file, limits.timeout_s, stop)
            begins, count = round(begins_s * PLAYED_RATE), round(seconds * PLAYED_RATE)
            reading = _write(decoder, 0, part, begins, count)
            if len(reading.tracks) > 1 and (chosen := _heard_track(decoder, limits)) != 0:
                reading = _write(decoder, chosen, part, begins, count)
            if reading.error is not None:
                raise reading.error
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _heard_track(decoder: Decoder, limits: AudioLimits) -> int:
    """The track that `load_clip` hears, by the same rule."""
    patience_s = limits.timeout_s / 2
    number, _ = first_with_sound(
        lambda number: scan(decoder, number, needed_s=limits.max_seconds, patience_s=patience_s)
    )
    return number


def _write(decoder: Decoder, track: int, path: Path, begins: int, count: int) -> Reading:
    """Write so many frames of a track, or what there is of them and then silence."""
    with path.open("wb") as file:
        sink = _Sink(file, count)
        try:
            reading = decoder.play(track, sink.take, skipped=begins, count=count)
            if reading.error is None:
                if sink.is_empty and begins == 0:
                    raise EmptyRecording
                sink.fill_up()
        finally:
            sink.close()
    return reading


class _Sink:
    """Takes an AU stream, and writes a WAV of `count` frames."""

    def __init__(self, file: IO[bytes], count: int) -> None:
        self._file = file
        self._wav: wave.Wave_write | None = None
        self._lacks = count
        self._frame_bytes = 0
        self._rest = b""
        self.is_empty = True

    def take(self, piece: bytes) -> bool:
        data = self._rest + piece
        if self._wav is None:
            data = self._after_head(data)
        if self._wav is not None:
            whole = len(data) - len(data) % self._frame_bytes
            self._write(self._wav, np.frombuffer(data[:whole], ">i2").astype("<i2").tobytes())
            data = data[whole:]
        self._rest = data
        return self._lacks > 0

    def fill_up(self) -> None:
        """Write silence for what is lacking."""
        if self._wav is None:
            raise EmptyRecording
        second = bytes(PLAYED_RATE * self._frame_bytes)
        while self._lacks:
            self._write(self._wav, second)

    def close(self) -> None:
        if self._wav is not None:
            self._wav.close()

    def _after_head(self, data: bytes) -> bytes:
        """What follows the head, once it is there. Raises NotAudio for another one, of a subverted decoder."""
        if len(data) < _HEAD.size:
            return data
        magic, begins, _, _, rate, channels = _HEAD.unpack_from(data)
        if magic != b".snd" or rate != PLAYED_RATE or channels not in (1, 2) or not _HEAD.size <= begins <= 4096:
            raise NotAudio
        if len(data) < begins:
            return data
        self._frame_bytes = _SAMPLE_BYTES * channels
        self._wav = wave.Wave_write(self._file)
        self._wav.setnchannels(channels)
        self._wav.setsampwidth(_SAMPLE_BYTES)
        self._wav.setframerate(rate)
        return data[begins:]

    def _write(self, wav: wave.Wave_write, data: bytes) -> None:
        data = data[: self._lacks * self._frame_bytes]
        wav.writeframesraw(data)
        self._lacks -= len(data) // self._frame_bytes
        self.is_empty = self.is_empty and not data
