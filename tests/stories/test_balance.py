"""The camera is told from where it sounds."""

import wave
from pathlib import Path

import numpy as np
import pytest

from core.hearing.audio import Samples
from core.stories.balance import balances
from core.stories.cutting import Span
from tests.stories.heard import noise, quiet


def write(path: Path, *channels: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.stack(channels, axis=1) * 32767).astype("<i2").tobytes())
    return path


def test_left_right_and_middle(tmp_path: Path) -> None:
    left = np.concatenate([noise(5), quiet(5), noise(5), quiet(5)])
    right = np.concatenate([quiet(5), noise(5), noise(5), quiet(5)])
    spans = [Span(0, 5), Span(5, 10), Span(10, 15), Span(15, 20)]
    assert balances(write(tmp_path / "a.wav", left, right), spans) == pytest.approx([-1, 1, 0, 0], abs=0.01)


def test_one_channel_is_in_the_middle(tmp_path: Path) -> None:
    assert balances(write(tmp_path / "a.wav", noise(5)), [Span(0, 5)]) == (0.0,)


def test_a_sound_that_ends_early_is_judged_by_what_is_there(tmp_path: Path) -> None:
    sound = write(tmp_path / "a.wav", noise(5), quiet(5))
    assert balances(sound, [Span(4, 9), Span(9, 12)]) == pytest.approx([-1, 0])
