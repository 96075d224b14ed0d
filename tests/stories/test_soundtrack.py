"""A film has the sound of its recording: where it was, on as many channels as can be, and as long as it should be."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import (
    DecodingTimedOut,
    EmptyRecording,
    HearingStopped,
    NoSound,
    NoSpaceForFilm,
    NotAudio,
    RecordingTooLarge,
)
from core.hearing.audio import AudioLimits
from core.stories.soundtrack import extract
from tests.stories.films import RATE, Sound, read_sound, tone, write_sound

Ffmpeg = Callable[..., None]

KINDS = {
    "u8.wav": ("-ac", "1", "-ar", "8000", "-c:a", "pcm_u8"),
    "44100.wav": ("-ar", "44100"),
    "float.wav": ("-c:a", "pcm_f32le", "-ar", "96000"),
    "96000.flac": ("-ar", "96000",),
    "sound.mp3": (),
    "mono.mp3": ("-ac", "1", "-ar", "22050"),
    "sound.ogg": ("-c:a", "libvorbis"),
    "sound.opus": (),
    "sound.m4a": (),
    "sound.mkv": ("-c:a", "aac"),
    "sound.ts": ("-c:a", "aac"),
    "5.1.wav": ("-af", "pan=5.1|FL=c0|FC=0.5*c0|BL=c1"),
    "5.1.m4a": ("-af", "pan=5.1|FL=c0|FC=0.5*c0|BL=c1"),
    "quad.wav": ("-af", "pan=quad|FL=c0|BR=c1"),
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds in stereo that rise from nothing, another tone on each side."""
    rising = np.linspace(0, 1, 5 * RATE)
    sides = np.stack([tone(5, 0.5) * rising, tone(5, 0.25, 1000) * rising], axis=1)
    return write_sound(tmp_path_factory.mktemp("original") / "original.wav", sides)


def taken(
    recording: bytes | Path, folder: Path, begins_s: float = 0.0, seconds: float = 5.0, **more: threading.Event
) -> Sound:
    """The soundtrack, whose form is right, and nothing beside it."""
    target = folder / "soundtrack" / "sound.wav"
    target.parent.mkdir(exist_ok=True)
    extract(recording, target, begins_s=begins_s, seconds=seconds, limits=AudioLimits(), **more)
    rate, samples = read_sound(target)
    assert rate == RATE
    assert len(samples) == round(seconds * RATE)
    assert os.listdir(target.parent) == ["sound.wav"]
    return samples


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_recording(kind: str, original: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg("-i", original, *KINDS[kind], tmp_path / kind)
    sound = taken(tmp_path / kind, tmp_path, seconds=6)

    assert sound.shape[1] == (1 if kind in ("u8.wav", "mono.mp3") else 2)
    half = np.sqrt((sound[2 * RATE : 3 * RATE] ** 2).mean(axis=0)).max()
    end = np.sqrt((sound[int(4.4 * RATE) : int(4.9 * RATE)] ** 2).mean(axis=0)).max()
    assert end / half == pytest.approx(0.93 / 0.5, rel=0.05)
    assert not sound[int(5.1 * RATE) :].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_stretch_is_the_same_to_the_sample(kind: str, original: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg("-i", original, *KINDS[kind], tmp_path / kind)
    whole = taken(tmp_path / kind, tmp_path)
    later = taken(tmp_path / kind, tmp_path, begins_s=1.75, seconds=3.25)
    assert np.array_equal(later, whole[int(1.75 * RATE) :])


def test_what_is_as_it_should_be_stays_bit_for_bit(original: Path, tmp_path: Path) -> None:
    assert np.array_equal(taken(original, tmp_path), read_sound(original)[1])
    assert np.array_equal(taken(original.read_bytes(), tmp_path), read_sound(original)[1])


def test_opposite_phases_stay_opposite(tmp_path: Path) -> None:
    opposite = np.stack([tone(2), -tone(2)], axis=1)
    sound = taken(write_sound(tmp_path / "sound.wav", opposite), tmp_path, seconds=2)
    assert np.abs(sound).max() > 0.09
    assert np.abs(sound.sum(axis=1)).max() < 0.001


@pytest.mark.parametrize("kind", ["sound.mp3", "sound.ogg", "sound.m4a", "44100.wav"])
def test_what_is_cut_off_ends_in_silence(kind: str, original: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg("-i", original, *KINDS[kind], "-movflags", "+faststart", tmp_path / kind)
    data = (tmp_path / kind).read_bytes()
    sound = taken(data[: len(data) * 6 // 10], tmp_path)
    assert sound[RATE // 2 : RATE].any()
    assert not sound[4 * RATE :].any()


def test_a_stretch_behind_the_end_is_silent(original: Path, tmp_path: Path) -> None:
    assert not taken(original, tmp_path, begins_s=9, seconds=1).any()


def test_of_several_tracks_it_is_the_one_that_is_heard(original: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    """A silent track hides no other, and the default one comes before the first."""
    silence = write_sound(tmp_path / "silence.wav", np.zeros(5 * RATE))
    other = write_sound(tmp_path / "other.wav", tone(5))
    tracks = ("-i", silence, "-i", original, "-i", other, "-map", "0", "-map", "1", "-map", "2", "-c:a", "flac")
    ffmpeg(*tracks, tmp_path / "film.mkv")
    assert np.array_equal(taken(tmp_path / "film.mkv", tmp_path), read_sound(original)[1])

    marks = ("-disposition:a:0", "0", "-disposition:a:1", "0", "-disposition:a:2", "default")
    ffmpeg(*tracks, *marks, tmp_path / "marked.mkv")
    assert np.array_equal(taken(tmp_path / "marked.mkv", tmp_path), read_sound(other)[1])


def _refused(recording: bytes | Path, folder: Path, limits: AudioLimits, stop: threading.Event | None = None) -> None:
    try:
        extract(recording, folder / "sound.wav", begins_s=0, seconds=5, limits=limits, stop=stop)
    finally:
        assert [name for name in os.listdir(folder) if name.endswith((".part", "sound.wav"))] == []


def test_what_has_no_sound_is_an_error_and_leaves_nothing(ffmpeg: Ffmpeg, original: Path, tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=s=64x64:d=1", tmp_path / "mute.mp4")
    write_sound(tmp_path / "empty.wav", np.zeros(0))
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(NotAudio):
        _refused(b"no sound" * 100, tmp_path, AudioLimits())
    with pytest.raises(NoSound):
        _refused(tmp_path / "mute.mp4", tmp_path, AudioLimits())
    with pytest.raises(EmptyRecording):
        _refused(b"", tmp_path, AudioLimits())
    with pytest.raises(EmptyRecording):
        _refused(tmp_path / "empty.wav", tmp_path, AudioLimits())
    with pytest.raises(RecordingTooLarge):
        _refused(original, tmp_path, AudioLimits(max_bytes=1000))
    with pytest.raises(DecodingTimedOut):
        _refused(original, tmp_path, AudioLimits(timeout_s=0.0))
    with pytest.raises(HearingStopped):
        _refused(original, tmp_path, AudioLimits(), stopped)
    with pytest.raises(FileNotFoundError):
        _refused(tmp_path / "missing.wav", tmp_path, AudioLimits())


FULL = """
import resource, sys
from pathlib import Path
from core.errors import NoSpaceForFilm
from core.hearing.audio import AudioLimits
from core.stories.soundtrack import extract
recording, limit = Path(sys.argv[1]).read_bytes(), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    extract(recording, Path(sys.argv[2]) / "sound.wav", begins_s=0, seconds=5, limits=AudioLimits())
except NoSpaceForFilm as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_a_full_disk_is_told_and_nothing_is_left(original: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    ffmpeg("-i", original, tmp_path / "small.mp3")
    command = [sys.executable, "-c", FULL, str(tmp_path / "small.mp3"), str(tmp_path / "out"), "300000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == str(NoSpaceForFilm()), done.stderr
    assert os.listdir(tmp_path / "out") == []


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Three minutes take as little as three seconds; 35 MB of sound are written."""
    import tracemalloc

    peaks = []
    for seconds in (3.0, 180.0):
        recording = write_sound(tmp_path / "sound.wav", np.zeros((int(seconds * RATE), 2)))
        extract(recording, tmp_path / "warm.wav", begins_s=0, seconds=1, limits=AudioLimits(max_bytes=50_000_000))
        tracemalloc.start()
        extract(recording, tmp_path / "out.wav", begins_s=0, seconds=seconds, limits=AudioLimits(max_bytes=50_000_000))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2_000_000
