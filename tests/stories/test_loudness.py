"""A film is as loud as films are, and no peak of it above -1 dB, whatever its sound is."""

import math
import threading
from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, FilmFailed
from core.hearing.decoding.walls import Workshop
from core.stories.encoder import Encoder
from core.stories.loudness import Change, Loudness, first_change, level, measure, next_change
from tests.stories.films import RATE, Sound, heard, loudness, tone, write_sound

SECONDS = 6.0


def noise(seconds: float, amplitude: float) -> Sound:
    return np.asarray(np.random.default_rng(3).normal(0, amplitude, int(seconds * RATE)), np.float64)


def speech() -> Sound:
    """Bursts as long as syllables, with pauses as between sentences."""
    at = np.arange(int(SECONDS * RATE)) / RATE
    voice = sum((np.sin(2 * np.pi * 140 * n * at) / n for n in range(1, 20)), np.zeros_like(at))
    syllables = np.maximum(0, np.sin(2 * np.pi * 4 * at)) ** 2
    return np.asarray(0.08 * voice * syllables * (np.sin(2 * np.pi * 0.4 * at) > -0.3), np.float64)


def clicks(every_s: float = 0.5, height: float = 0.9) -> Sound:
    sound = np.zeros(int(SECONDS * RATE))
    sound[RATE // 10 :: int(every_s * RATE)] = height
    return sound


def square() -> Sound:
    return np.sign(tone(SECONDS, 1.0, 997.0)) * 0.99


SOUNDS = {
    "a tone": tone(SECONDS),
    "a faint tone": tone(SECONDS, 0.003),
    "a loud tone": tone(SECONDS, 0.99),
    "speech": speech(),
    "faint speech": speech() * 0.1,
    "noise": noise(SECONDS, 0.3),
    "a square wave": square(),
    "stereo": np.stack([speech(), 0.3 * tone(SECONDS)], axis=1),
    "opposite phases": np.stack([speech(), -speech()], axis=1),
}
PEAKY = {
    "clicks": clicks(),
    "one click": clicks(every_s=60),
    "faint clicks": clicks(height=0.02),
    "a bang in a whisper": clicks(every_s=60) + noise(SECONDS, 0.0005),
    "a short sound": np.concatenate([tone(0.2), np.zeros(int(5.8 * RATE))]),
}


def levelled(sound: Sound, folder: Path, seconds: float = SECONDS, max_bytes: int | None = None) -> Path:
    encoder = Encoder(Workshop(folder, 200 << 20, 50 << 20), seconds, threading.Event())
    level(encoder, write_sound(folder / "sound.wav", sound), folder / "sound.m4a", seconds, max_bytes)
    return folder / "sound.m4a"


@pytest.mark.parametrize("name", SOUNDS)
def test_it_is_at_16_lufs_below_full_scale_after_encoding(name: str, tmp_path: Path) -> None:
    lufs, peak = loudness(levelled(SOUNDS[name], tmp_path))
    assert lufs == pytest.approx(-16, abs=0.6)
    assert peak <= -1


@pytest.mark.parametrize("name", PEAKY)
def test_what_is_peaky_stays_fainter_rather_than_clipped(name: str, tmp_path: Path) -> None:
    lufs, peak = loudness(levelled(PEAKY[name], tmp_path))
    assert lufs <= -15.4
    assert peak <= -1


def test_digital_silence_stays_silent(tmp_path: Path) -> None:
    assert not heard(levelled(np.zeros(RATE * 6), tmp_path)).any()


@pytest.mark.parametrize("samples", [0, 1, 100, 4800])
def test_less_sound_than_can_be_measured_does_no_harm(samples: int, tmp_path: Path) -> None:
    file = levelled(tone(1.0, 0.99)[:samples], tmp_path, seconds=2.0)
    assert len(heard(file)) == 2 * RATE
    assert loudness(file)[1] <= -1


def test_a_sound_is_as_long_as_its_film(tmp_path: Path) -> None:
    for seconds in (1.25, SECONDS, 8.5):
        assert len(heard(levelled(tone(SECONDS), tmp_path, seconds))) == seconds * RATE


def test_a_limited_sound_is_where_it_was(tmp_path: Path) -> None:
    """The limiter looks ahead, and the encoder begins with samples of its own; neither moves anything."""
    moved = np.abs(heard(levelled(clicks(), tmp_path))[: RATE // 2, 0]).argmax() - RATE // 10
    assert abs(moved) <= 5


def test_channels_stay_apart(tmp_path: Path) -> None:
    sound = heard(levelled(np.stack([tone(SECONDS), np.zeros(int(SECONDS * RATE))], axis=1), tmp_path))
    left, right = np.abs(sound).max(axis=0)
    assert left > 0.1
    assert right < 0.01 * left


def test_a_small_film_has_a_smaller_sound(tmp_path: Path) -> None:
    large = levelled(noise(SECONDS, 0.3), tmp_path).stat().st_size
    small = levelled(noise(SECONDS, 0.3), tmp_path, max_bytes=100_000).stat().st_size
    assert small < 0.7 * large
    assert small < 40_000


def test_nothing_to_measure_is_not_amplified() -> None:
    assert first_change(Loudness(-70.0, -math.inf)) == Change(0.0)


def test_a_peak_that_came_by_encoding_lowers_the_ceiling_or_where_there_is_none_the_gain() -> None:
    was = Loudness(-10.0, 0.0)
    change = next_change(was, Change(-6.0), Loudness(-16.0, -0.4))
    assert change is not None
    assert change.gain_db == pytest.approx(-6.8)
    assert change.ceiling_db is None
    limited = next_change(Loudness(-20.0, 0.0), Change(4.0, -1.5), Loudness(-16.2, -0.8))
    assert limited is not None
    assert limited.gain_db == 4.0
    assert limited.ceiling_db == pytest.approx(-1.9)


def test_what_is_no_sound_is_an_error_and_a_stop_is_none(tmp_path: Path) -> None:
    stop = threading.Event()
    encoder = Encoder(Workshop(tmp_path, 200 << 20, 1 << 20), 1.0, stop)
    (tmp_path / "no sound").write_bytes(b"no sound")
    with pytest.raises(FilmFailed):
        measure(encoder, tmp_path / "no sound")
    stop.set()
    with pytest.raises(Cancelled):
        measure(encoder, write_sound(tmp_path / "sound.wav", tone(1)))
