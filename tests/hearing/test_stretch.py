"""Of a long recording the liveliest stretch is heard: the beginning, unless another is clearly livelier."""

from pathlib import Path

import numpy as np
import pytest

from core.hearing.audio import AudioLimits, Mending, load_clip
from core.hearing.categories import get_top_categories
from core.hearing.classifier import SoundClassifier
from core.hearing.samples import birdsong, siren, write_wav
from core.hearing.sound import SAMPLE_RATE, Levels, Samples
from core.hearing.stretch import liveliest_second
from tests.hearing.reference import encode


def _quiet(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def test_a_sound_after_the_first_minute_is_heard_and_begins_where_it_begins(
    tmp_path: Path, classifier: SoundClassifier
) -> None:
    clip = load_clip(write_wav(tmp_path / "late.wav", np.concatenate([_quiet(65), siren()])))
    assert clip.begins_s == 65
    assert clip.shortened
    assert not clip.silent
    assert np.abs(clip.samples - siren()).max() < 1e-4
    assert get_top_categories(classifier.classify(clip))[0].name == "Siren"


def test_the_tenth_minute_of_an_mp3_is_heard_too(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "late.wav", np.concatenate([_quiet(590), birdsong(), _quiet(60)]))
    clip = load_clip(encode("-i", wav, tmp_path / "late.mp3"))
    assert clip.begins_s == pytest.approx(590, abs=1)


def test_more_than_ten_minutes_are_not_looked_through(tmp_path: Path) -> None:
    clip = load_clip(write_wav(tmp_path / "later.wav", np.concatenate([_quiet(620), siren()])))
    assert clip.silent
    assert clip.shortened
    assert clip.duration_s == 60


def test_the_beginning_is_heard_where_nothing_else_is_clearly_livelier(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", np.tile(birdsong(), 8))
    clip = load_clip(path, AudioLimits(max_seconds=10))
    assert clip.begins_s == 0
    assert np.array_equal(clip.samples, load_clip(path).samples[: 10 * SAMPLE_RATE])


def test_a_faint_and_late_sound_is_found_and_turned_up(tmp_path: Path) -> None:
    clip = load_clip(write_wav(tmp_path / "late.wav", np.concatenate([_quiet(65), 0.001 * birdsong()])))
    assert clip.begins_s == 65
    assert clip.mendings == (Mending.LEVEL,)


def _levels(*stretches: tuple[float, float]) -> Levels:
    """Seconds and dB."""
    return np.concatenate([np.full(int(seconds * 10), level) for seconds, level in stretches])


@pytest.mark.parametrize(
    ("levels", "begins"),
    [
        (_levels((120, -30)), 0),
        (_levels((100, -120), (5, -20), (15, -120)), 100),
        (_levels((60, -50), (3, -25), (60, -50)), 60),
        (_levels((10, -30), (90, -60), (10, -29)), 0),
        (_levels((20, -40), (300, -60), (40, -20)), 320),
        (_levels((300, -60), (5, -20), (20, -60), (5, -20), (100, -60)), 300),
    ],
    ids=["even", "one event", "an event above noise", "as lively as the beginning", "the livelier end", "two events"],
)
def test_the_liveliest_second(levels: Levels, begins: int) -> None:
    assert liveliest_second(levels, 60) == begins


def test_a_bang_is_not_everything() -> None:
    """Ten seconds of talk are livelier than one door."""
    levels = _levels((100, -60), (0.3, -1), (100, -60), (10, -35), (100, -60))
    assert 190 <= liveliest_second(levels, 10) <= 200
