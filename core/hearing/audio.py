"""Bytes of a recording to a Clip: any container ffmpeg knows, by its content, not by its name.

pydub builds the segment, imageio-ffmpeg brings the ffmpeg binary. ffmpeg reads a pipe and may open nothing else: no
playlist, no network, no other file. This module knows nothing of what is heard in a clip.
"""

import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.errors import DecodingTimedOut, EmptyRecording, NoSound, NotAudio, RecordingTooLarge

if TYPE_CHECKING:
    from pydub import AudioSegment

SAMPLE_RATE = 16_000
"""Hz; what YamNet hears (yamnet/params.py in tensorflow/models)."""

Samples = npt.NDArray[np.float32]

_SAFE_FORMATS = (
    "aac,ac3,adts,aiff,amr,ape,asf,au,avi,caf,eac3,flac,matroska,mov,mp3,mpeg,mpegts,ogg,opus,tta,w64,wav,webm,wv"
)
"""Containers that hold their sound themselves; playlists (hls, concat, dash, m3u) are not among them."""


@dataclass(frozen=True)
class AudioLimits:
    """How much of a recording is taken.

    `max_bytes`: larger files are refused. `max_seconds`: longer recordings are heard from their start only.
    `timeout_s`: wall-clock seconds that ffmpeg may take.
    """

    max_bytes: int = 25 * 1024 * 1024
    max_seconds: float = 60.0
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Clip:
    """A recording as the classifier hears it: `samples` float32 in -1..1, shape (n,), mono, 16 kHz.

    `shortened` says that the recording was longer than the limit and this is its beginning; `damaged`, that parts of
    it could not be read (it was cut off, say) and this is the rest.
    """

    samples: Samples
    shortened: bool = False
    damaged: bool = False

    @property
    def duration_s(self) -> float:
        """Seconds of sound in the clip."""
        return len(self.samples) / SAMPLE_RATE


def load_clip(recording: bytes | Path, limits: AudioLimits | None = None) -> Clip:
    """Decode `recording` (its bytes, or a file).

    Raises NotAudio, NoSound, EmptyRecording, RecordingTooLarge or DecodingTimedOut, and OSError for an unreadable path.
    """
    limits = limits or AudioLimits()
    # One second more than the limit tells whether there is more.
    segment, damaged = _decode(_read(recording, limits), limits, seconds=limits.max_seconds + 1)
    samples = np.frombuffer(segment.raw_data, dtype="<i2").astype(np.float32) / np.float32(32768)
    most = int(limits.max_seconds * SAMPLE_RATE)
    return Clip(samples[:most], shortened=len(samples) > most, damaged=damaged)


def convert_to_wav(source: Path, target: Path, limits: AudioLimits | None = None) -> float:
    """Write the sound of `source` (an mp3, say) to `target` as a 16 kHz mono 16-bit WAV; returns its seconds.

    Raises as load_clip does; the whole recording is converted, however long.
    """
    limits = limits or AudioLimits()
    segment, _ = _decode(_read(source, limits), limits, seconds=None)
    segment.export(target, format="wav").close()
    return float(segment.duration_seconds)


def _read(recording: bytes | Path, limits: AudioLimits) -> bytes:
    size = recording.stat().st_size if isinstance(recording, Path) else len(recording)
    if size == 0:
        raise EmptyRecording
    if size > limits.max_bytes:
        raise RecordingTooLarge(size, limits.max_bytes)
    return recording.read_bytes() if isinstance(recording, Path) else recording


def _decode(data: bytes, limits: AudioLimits, *, seconds: float | None) -> tuple["AudioSegment", bool]:
    """The sound in `data`, and whether ffmpeg complained of damage on the way."""
    from imageio_ffmpeg import get_ffmpeg_exe

    command = [get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"]
    command += ["-protocol_whitelist", "cache,pipe", "-format_whitelist", _SAFE_FORMATS]
    # an m4a's index is at its end: unless told otherwise, the cache looks 64 KiB ahead and no further
    command += ["-read_ahead_limit", "-1", "-i", "cache:pipe:0", "-map", "0:a:0", "-vn", "-sn", "-dn"]
    command += ["-t", f"{seconds:g}"] if seconds is not None else []
    command += ["-f", "s16le", "-ac", "1", "-ar", str(SAMPLE_RATE), "pipe:1"]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=limits.timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise DecodingTimedOut(limits.timeout_s) from error
    pcm = done.stdout[: len(done.stdout) // 2 * 2]
    complaint = done.stderr.decode(errors="replace")
    if not pcm:
        raise _why_nothing_came(complaint, failed=done.returncode != 0)
    damaged = done.returncode != 0 or _tells_of_damage(complaint)
    return _audio_segment()(data=pcm, sample_width=2, frame_rate=SAMPLE_RATE, channels=1), damaged


def _audio_segment() -> "type[AudioSegment]":
    """pydub's class; without the warning that it gives where no ffmpeg is installed, since ours comes along."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Couldn't find ff", category=RuntimeWarning)
        from pydub import AudioSegment
    segment_class: type[AudioSegment] = AudioSegment
    return segment_class


def _tells_of_damage(complaint: str) -> bool:
    """Whether ffmpeg's errors are about the recording. That a pipe cannot seek to its end is no fault of it."""
    lines = [line for line in complaint.splitlines() if line.strip()]
    return any("seekback" not in line and "Last message repeated" not in line for line in lines)


def _why_nothing_came(complaint: str, *, failed: bool) -> NotAudio | NoSound | EmptyRecording:
    """The error for an ffmpeg run that gave no samples; `complaint` is what ffmpeg printed."""
    if "matches no streams" in complaint:
        return NoSound()
    if failed:
        error = NotAudio()
        error.add_note(complaint.strip())
        return error
    return EmptyRecording()
