"""Several looks at one sound: bounded, the same each time, and with nothing that any clip could break."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import resample_poly

from core.errors import ModelUnusable
from core.hearing import ears as module
from core.hearing.audio import SAMPLE_RATE, Clip, load_clip
from core.hearing.categories import SILENCE, get_top_categories
from core.hearing.classifier import CATEGORIES_PER_WINDOW, WINDOW_SAMPLES, SoundClassifier
from core.hearing.ears import MOST_PASSES, EarPool, Ears, View, level_view
from core.hearing.samples import birdsong, silence, siren
from core.hearing.sound import Samples
from core.models import ModelStore
from core.settings import CoreSettings
from tests.tables import WHOLE, part


@pytest.fixture(scope="session")
def student() -> Path:
    return ModelStore(CoreSettings(download_models=False)).ears()[-1]


@pytest.fixture(scope="session")
def two_ears(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ears]:
    """The student twice where there is no YamNet: two ears they are all the same."""
    twice = Ears((student, student))
    yield twice
    twice.close()


def _seconds(seconds: float) -> Clip:
    return Clip(siren(seconds))


@pytest.mark.parametrize(
    ("seconds", "budget", "passes"),
    [
        *((5, 64, 8), (0.1, 64, 8), (10, 64, 6), (20, 64, 3), (30, 64, 2), (60, 64, 1), (600, 64, 1)),
        *((5, 0, 1), (60, 0, 1), (5, 10, 2), (60, 512, 8)),
    ],
)
def test_as_many_looks_as_the_budget_allows(seconds: float, budget: int, passes: int, two_ears: Ears) -> None:
    clip = Clip(np.zeros(int(seconds * SAMPLE_RATE), np.float32))
    assert two_ears.passes_for(clip, budget=budget) == passes
    assert two_ears.passes_for(clip, budget=budget, most=3) == min(3, passes)


def test_one_ear_looks_at_each_view_once(student: Path) -> None:
    alone = Ears((student,))
    assert alone.passes_for(_seconds(5), budget=64) == len(View)
    assert alone.hear(_seconds(5), len(View)) == alone.hear(_seconds(5), MOST_PASSES)
    alone.close()


@pytest.mark.parametrize("passes", range(1, MOST_PASSES + 1))
@pytest.mark.parametrize("seconds", [0.1, 0.975, 1.3, 1.5, 3.9, 5.0])
def test_the_windows_are_those_of_the_recording_however_often_it_is_looked_at(
    seconds: float, passes: int, two_ears: Ears, student: Path
) -> None:
    clip = _seconds(seconds)
    as_before = SoundClassifier(student).classify(clip)
    heard = two_ears.hear(clip, passes)
    assert [window.timestamp_ms for window in heard] == [window.timestamp_ms for window in as_before]
    assert [window.loudness_dbfs for window in heard] == [window.loudness_dbfs for window in as_before]
    for window in heard:
        scores = [category.score for category in window.categories]
        assert scores == sorted(scores, reverse=True)
        assert 0 < len(scores) <= CATEGORIES_PER_WINDOW
        assert all(0 <= score <= 1 for score in scores)


def test_the_same_sound_is_always_heard_the_same(student: Path, two_ears: Ears) -> None:
    clip = _seconds(5)
    first = two_ears.hear(clip, MOST_PASSES)
    assert two_ears.hear(clip, MOST_PASSES) == first
    others = Ears((student, student))
    assert others.hear(clip, MOST_PASSES) == first
    others.close()


def test_a_label_s_score_is_the_mean_and_a_pass_without_it_counts_nothing(two_ears: Ears) -> None:
    clip = Clip(birdsong()[:WINDOW_SAMPLES])
    looks = [two_ears.hear(clip, 1)[0], two_ears._look(clip, 1, View.QUIETER, 1)[0]]
    both = two_ears.hear(clip, 2)[0]
    for category in both.categories:
        scores = [other.score for look in looks for other in look.categories if other.name == category.name]
        assert category.score == pytest.approx(sum(scores) / 2)
    assert both.categories[0].name == "Bird"


def test_a_faster_view_s_windows_lie_where_they_were(two_ears: Ears) -> None:
    """A siren in the last third only; seen faster, it is still in the last third."""
    quiet = np.zeros(10 * WINDOW_SAMPLES, np.float32)
    later = np.concatenate([quiet, siren(5 * WINDOW_SAMPLES / SAMPLE_RATE)])
    seen = two_ears._look(Clip(later), 0, View.FASTER, 15)
    first = [window.categories[0].name for window in seen]
    assert first[:9] == [SILENCE] * 9
    assert SILENCE not in first[11:]


@pytest.mark.parametrize("passes", [1, 3, MOST_PASSES])
def test_digital_silence_stays_silence_in_every_view(passes: int, two_ears: Ears) -> None:
    for clip in (Clip(silence()), Clip(silence(), silent=True), Clip(silence(0.01))):
        heard = two_ears.hear(clip, passes)
        assert [category.name for category in get_top_categories(heard)] == [SILENCE]
        assert {window.loudness_dbfs for window in heard} == {-120.0}


def test_a_noise_floor_is_not_turned_up_into_noise(two_ears: Ears) -> None:
    floor = np.random.default_rng(1).normal(0, 2e-4, 5 * SAMPLE_RATE).astype(np.float32)
    heard = two_ears.hear(Clip(floor, silent=True), MOST_PASSES)
    assert [category.name for category in get_top_categories(heard)] == [SILENCE]
    assert np.array_equal(level_view(Clip(floor, silent=True)), floor)


STRANGE = {
    "one sample": np.array([0.5], np.float32),
    "one sample of silence": np.array([0.0], np.float32),
    "the faintest sample there is": np.array([1e-45], np.float32),
    "nothing": np.array([], np.float32),
    "an offset": np.full(SAMPLE_RATE, 0.3, np.float32),
    "an offset at full scale": np.full(SAMPLE_RATE, -1.0, np.float32),
    "all alternating": np.tile(np.array([1, -1], np.float32), SAMPLE_RATE),
    "a lone click": np.eye(1, 3 * SAMPLE_RATE, SAMPLE_RATE, dtype=np.float32)[0],
}


@pytest.mark.parametrize("samples", STRANGE.values(), ids=list(STRANGE))
def test_any_clip_is_heard_without_a_warning(samples: np.ndarray, two_ears: Ears) -> None:
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        heard = two_ears.hear(Clip(samples), MOST_PASSES)
    assert all(np.isfinite(category.score) for window in heard for category in window.categories)
    assert get_top_categories(heard)


@given(
    arrays(np.float32, st.integers(1, 500), elements=st.floats(-1, 1, width=32)),
    st.floats(0, 1, width=32),
    st.sampled_from(View),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_no_view_is_longer_than_the_clip_or_louder_than_full_scale(
    student_ears: Ears, samples: np.ndarray, amplitude: float, view: View, silent: bool
) -> None:
    clip = Clip(samples * np.float32(amplitude), silent=silent)
    seen = student_ears._viewed(clip, view)
    assert seen.dtype == np.float32
    assert 1 <= len(seen) <= len(samples)
    assert np.abs(seen).max() <= 1


@pytest.fixture(scope="session")
def student_ears(student: Path) -> Iterator[Ears]:
    alone = Ears((student,))
    yield alone
    alone.close()


def test_threads_have_ears_of_their_own_and_give_them_back(student: Path) -> None:
    pool = EarPool((student,))
    with pool.lent() as one, pool.lent() as other:
        assert one is not other
    with pool.lent() as again:
        assert again in (one, other)
    pool.close()


def test_of_two_ears_with_one_bad_file_none_is_left_open(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    class Watched(SoundClassifier):
        def close(self) -> None:
            closed.append("closed")
            super().close()

    monkeypatch.setattr(module, "SoundClassifier", Watched)
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(b"no model")
    with pytest.raises(ModelUnusable):
        Ears((student, bad))
    assert closed == ["closed"]


@pytest.mark.table
def test_several_looks_are_not_misled_by_what_changes_no_meaning(
    real_yamnet: Path, student: Path, recordings: Path
) -> None:
    """Recordings, each also 12 dB quieter and 6 % faster: how often the first label is another one then."""
    both, one = Ears((real_yamnet, student)), SoundClassifier(real_yamnet)
    changed = {"one": 0, "several": 0}
    for path in part(sorted(recordings.glob("*/*.ogg"))[::8], every=3):
        clip = load_clip(path)
        faster: Samples = resample_poly(clip.samples, 16, 17).astype(np.float32)
        variants = (clip, Clip(clip.samples * np.float32(0.25)), Clip(faster))
        for name, hear in (("one", one.classify), ("several", lambda clip: both.hear(clip, MOST_PASSES))):
            first, *others = (get_top_categories(hear(variant))[0].name for variant in variants)
            changed[name] += sum(other != first for other in others)
    both.close()
    print(changed)
    assert changed["several"] < (0.7 if WHOLE else 1) * changed["one"]
