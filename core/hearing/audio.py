"""Bytes of a recording to a Clip: any container ffmpeg knows, by its content, not by its name.

`core/hearing` reads it, in a cage, and mends it where that is needed; here is put together what of it is heard, and
handed on as samples or as pydub's AudioSegment. This module knows nothing of what is heard in a clip.
"""

import threading
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.hearing.conversion import convert
from core.hearing.decoding.decoder import Decoder
from core.hearing.decoding.sealed import seal
from core.hearing.decoding.tracks import first_with_sound, in_order
from core.hearing.mending import Mending, mend, turn_up
from core.hearing.scan import Scanned, scan
from core.hearing.sound import SAMPLE_RATE, Samples
from core.hearing.stretch import liveliest_second

if TYPE_CHECKING:
    from pydub import AudioSegment

LONGEST_CONVERTED_S = 3600.0


@dataclass(frozen=True)
class AudioLimits:
    """How much of a recording is taken.

    `max_bytes`: larger files are refused. `max_seconds`: of longer recordings the liveliest stretch of so many seconds
    is heard. `timeout_s`: wall-clock seconds that reading it may take.
    """

    max_bytes: int = 25 * 1024 * 1024
    max_seconds: float = 60.0
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Clip:
    """A recording as the classifier hears it: `samples` float32 in -1..1, shape (n,), mono, 16 kHz.

    `shortened` says that the recording was longer than the limit and this is a stretch of it; `damaged`, that parts of
    it could not be read (it was cut off, say) and this is the rest. `begins_s` is where in the recording it begins;
    `mendings`, what was done to it; `silent`, that it is but digital silence or a steady noise floor.
    """

    samples: Samples
    shortened: bool = False
    damaged: bool = False
    begins_s: float = 0.0
    mendings: tuple[Mending, ...] = ()
    silent: bool = False

    @property
    def duration_s(self) -> float:
        """Seconds of sound in the clip."""
        return len(self.samples) / SAMPLE_RATE

    def turned_up(self) -> "Clip":
        """The same, as loud as a faint recording is made: for whoever heard nothing in it though it is not silent."""
        if Mending.LEVEL in self.mendings:
            return self
        return replace(self, samples=turn_up(self.samples), mendings=(*self.mendings, Mending.LEVEL))

    def to_segment(self) -> "AudioSegment":
        """The sound as pydub's AudioSegment: mono, 16 kHz, 16 bits."""
        steps = (self.samples * 32768).round().clip(-32768, 32767).astype("<i2")
        return _audio_segment()(data=steps.tobytes(), sample_width=2, frame_rate=SAMPLE_RATE, channels=1)


def load_clip(recording: bytes | Path, limits: AudioLimits | None = None, stop: threading.Event | None = None) -> Clip:
    """Decode `recording` (its bytes, or a file), and choose and mend what is heard of it.

    Raises NotAudio, NoSound, EmptyRecording, RecordingTooLarge or DecodingTimedOut; HearingStopped once `stop` is set;
    DecoderUnusable; and OSError for an unreadable path.
    """
    limits = limits or AudioLimits()
    with seal(recording, limits.max_bytes) as file:
        decoder = Decoder(file, limits.timeout_s, stop)
        track, scanned = first_with_sound(
            lambda number: scan(decoder, number, needed_s=limits.max_seconds, patience_s=limits.timeout_s / 2)
        )
    if scanned.error is not None:
        raise scanned.error
    return _choose(scanned, limits, other_track=track != in_order(scanned.tracks)[0])


def convert_to_wav(
    source: Path,
    target: Path,
    limits: AudioLimits | None = None,
    *,
    max_seconds: float = LONGEST_CONVERTED_S,
    stop: threading.Event | None = None,
) -> float:
    """Write the sound of `source` (an mp3, say) to `target` as a 16 kHz mono 16-bit WAV; returns its seconds.

    Raises RecordingTooLong if there is more of it than `max_seconds`, and otherwise as load_clip does; then there is no
    new file. Nothing of the sound is mended.
    """
    limits = limits or AudioLimits()
    return convert(
        source, target, max_bytes=limits.max_bytes, max_seconds=max_seconds, timeout_s=limits.timeout_s, stop=stop
    )


def _choose(scanned: Scanned, limits: AudioLimits, *, other_track: bool) -> Clip:
    """The stretch that is heard, mended."""
    most = int(limits.max_seconds * SAMPLE_RATE)
    shortened = len(scanned.samples) > most
    begins = liveliest_second(scanned.levels, limits.max_seconds) if shortened and not scanned.silent else 0
    stretch = scanned.samples[begins * SAMPLE_RATE :][:most]
    samples, mendings = mend(stretch, silent=scanned.silent)
    if scanned.cancelled:
        mendings = (Mending.LOUDER_CHANNEL, *mendings)
    if other_track:
        mendings = (Mending.OTHER_TRACK, *mendings)
    return Clip(samples, shortened, scanned.damaged, float(begins), mendings, scanned.silent)


def _audio_segment() -> "type[AudioSegment]":
    """pydub's class; without the warning that it gives where no ffmpeg is installed, since ours comes along."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Couldn't find ff", category=RuntimeWarning)
        from pydub import AudioSegment
    segment_class: type[AudioSegment] = AudioSegment
    return segment_class


__all__ = ["SAMPLE_RATE", "AudioLimits", "Clip", "Mending", "Samples", "convert_to_wav", "load_clip"]
