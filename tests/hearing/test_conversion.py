"""A recording as a WAV file, in pieces: an hour takes no more memory than a moment."""

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from core.errors import DecodingTimedOut, NotAudio, RecordingTooLong
from core.hearing.audio import AudioLimits, convert_to_wav, load_clip
from core.hearing.samples import silence, siren, write_wav
from tests.hearing.reference import encode, play


def _read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_the_file_holds_what_is_played(siren_wav: Path, tmp_path: Path) -> None:
    mp3 = encode("-i", siren_wav, tmp_path / "siren.mp3")
    seconds = convert_to_wav(mp3, tmp_path / "out.wav")
    converted = _read(tmp_path / "out.wav")
    assert np.array_equal(converted / 32768, play(mp3))
    assert seconds == len(converted) / 16_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.wav", "siren.mp3"]


def test_what_is_too_long_is_refused_and_leaves_no_file(siren_wav: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingTooLong, match="longer than the 4 seconds") as told:
        convert_to_wav(siren_wav, tmp_path / "out.wav", max_seconds=4)
    assert told.value.values == {"limit_s": "4"}
    assert list(tmp_path.iterdir()) == []


def test_what_is_just_as_long_as_it_may_be_is_converted(siren_wav: Path, tmp_path: Path) -> None:
    assert convert_to_wav(siren_wav, tmp_path / "out.wav", max_seconds=5) == 5


@pytest.mark.parametrize(("timeout_s", "error"), [(30, NotAudio), (0.001, DecodingTimedOut)])
def test_a_failed_conversion_leaves_an_older_file_as_it_was(
    timeout_s: float, error: type[Exception], tmp_path: Path
) -> None:
    target = tmp_path / "out.wav"
    target.write_bytes(b"older")
    text = tmp_path / "text.mp3"
    text.write_text("no music" * 100)
    with pytest.raises(error):
        convert_to_wav(text, target, AudioLimits(timeout_s=timeout_s))
    assert target.read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.wav", "text.mp3"]


def test_a_silent_track_and_cancelling_channels_hide_nothing(tmp_path: Path) -> None:
    sound, quiet = write_wav(tmp_path / "siren.wav", siren(2)), write_wav(tmp_path / "quiet.wav", silence(2))
    film = encode("-i", quiet, "-i", sound, "-map", "0:a", "-map", "1:a", tmp_path / "film.mka")
    convert_to_wav(film, tmp_path / "film.wav")
    assert np.abs(_read(tmp_path / "film.wav")).max() > 10_000

    cancelled = encode("-i", sound, "-af", "pan=stereo|c0=c0|c1=-1*c0", tmp_path / "cancelled.wav")
    convert_to_wav(cancelled, tmp_path / "heard.wav")
    assert np.abs(_read(tmp_path / "heard.wav")).max() > 10_000
    assert load_clip(tmp_path / "heard.wav").mendings == ()


def test_hours_of_silence_take_no_memory(tmp_path: Path) -> None:
    """Ten hours are 72 kB as FLAC, and were 2,237 MB in Python; two are enough to show it."""
    flac = encode("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=7200", tmp_path / "silence.flac")
    script = (
        "import resource, sys; from pathlib import Path; from core.hearing.audio import convert_to_wav\n"
        "from core.errors import RecordingTooLong\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: convert_to_wav(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except RecordingTooLong as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", script, str(flac), str(tmp_path / "out.wav")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told, grown = done.stdout.splitlines()
    assert told.startswith("This recording is longer than the 3600 seconds")
    assert int(grown) / 1024 < 16
    assert not (tmp_path / "out.wav").exists()


def test_recording_that_is_called_like_an_unfinished_file_is_left_as_it_was(siren_wav: Path, tmp_path: Path) -> None:
    source = tmp_path / "song.wav.part"
    source.write_bytes(siren_wav.read_bytes())
    convert_to_wav(source, tmp_path / "song.wav")
    assert source.read_bytes() == siren_wav.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav", "song.wav.part"]
