"""How something sounded, measured on sounds whose manner is known: nothing is told that is not there."""

import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import acoustic_pairs as pairs
from benchmarks.acoustic_pairs import ramped, repeated, single_event, unsteadiness_db
from core.hearing.acoustics import NOTHING_TOLD, Manner, Motion, Space, measure
from core.hearing.audio import SAMPLE_RATE, Samples, load_clip
from core.hearing.classifier import WINDOW_SAMPLES, Category, Prediction, fill_windows
from core.hearing.samples import rain
from core.hearing.size import FEWEST_RECORDINGS, Range, Size, centroid_hz, load_sizes

DOG = "Dog"


def heard(samples: Samples, label: str = DOG, *, missing: Sequence[int] = ()) -> tuple[Prediction, ...]:
    """The windows of a classifier that hears `label` in all of them but the `missing` ones."""
    return tuple(
        Prediction(number * 975, (Category(label, 0.01 if number in missing else 0.9),))
        for number in range(len(fill_windows(samples)) // WINDOW_SAMPLES)
    )


def manner(samples: Samples, label: str = DOG, *, missing: Sequence[int] = ()) -> Manner:
    return measure(samples, heard(samples, label, missing=missing), label)


def knocks(count: int, *, apart_s: float = 0.5, seconds: float = 5.0, pitch_hz: float | None = None) -> Samples:
    """So many short bursts, of noise or of a tone, over a faint noise."""
    random = np.random.default_rng(3)
    time_s = np.arange(int(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    ringing = random.uniform(-1, 1, len(time_s)) if pitch_hz is None else np.sin(2 * np.pi * pitch_hz * time_s)
    burst = 0.6 * ringing * np.exp(-time_s / 0.02)
    sound = 1e-3 * random.normal(size=int(seconds * SAMPLE_RATE))
    for number in range(count):
        start = int((0.2 + number * apart_s) * SAMPLE_RATE)
        sound[start : start + len(burst)] += burst
    return sound.astype(np.float32)


def in_a_room(dry: Samples, t60_s: float) -> Samples:
    """`dry` with the tail of a room: noise that falls by 60 dB in `t60_s`."""
    random = np.random.default_rng(5)
    time_s = np.arange(int(t60_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = random.normal(size=len(time_s)) * 10 ** (-3 * time_s / t60_s)
    response = tail / np.linalg.norm(tail)
    response[0] += 1
    size = len(dry) + len(response)
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(response, size), size)
    wet *= 0.6 / np.abs(wet).max()
    return np.asarray(wet, np.float32)


def engine(*gains_db: float, seconds: float = 5.0) -> Samples:
    """A steady noise whose level goes from one of `gains_db` to the next."""
    noise = 0.1 * np.random.default_rng(7).normal(size=int(seconds * SAMPLE_RATE))
    gains = np.interp(np.linspace(0, 1, len(noise)), np.linspace(0, 1, len(gains_db)), gains_db)
    return (noise * 10 ** (gains / 20)).astype(np.float32)


@pytest.mark.parametrize("count", range(1, 8))
def test_events_are_counted(count: int) -> None:
    assert manner(knocks(count)).events == count


def test_what_happens_faster_has_a_higher_rate() -> None:
    assert manner(knocks(6, apart_s=0.5)).rate == pytest.approx(2, rel=0.05)
    assert manner(knocks(20, apart_s=0.17)).rate == pytest.approx(5.9, rel=0.1)
    assert manner(knocks(1)).rate is None


def test_events_are_those_of_the_label_alone() -> None:
    both = knocks(8, apart_s=0.56)
    assert manner(both).events == 8
    assert manner(both, missing=(1, 3)).events == 8, "a window may cut a sound in two, so that one half has no name"
    assert manner(both, missing=(0, 1, 2)).events == 4, "what happens far from where it is heard is something else"
    assert manner(both, missing=range(6)) == NOTHING_TOLD


def test_an_event_in_the_rest_that_is_heard_with_what_came_before_it_counts() -> None:
    late = np.roll(knocks(1), int(4.5 * SAMPLE_RATE))
    assert manner(late, missing=range(4)).events == 1


@pytest.mark.parametrize(
    ("t60_s", "space"), [(None, Space.DRY), (0.3, Space.DRY), (1.2, Space.HALL), (2.5, Space.HALL), (4.0, Space.HALL)]
)
def test_a_hall_is_told_from_a_room(t60_s: float | None, space: Space) -> None:
    dry = knocks(3, seconds=2)
    assert manner(dry if t60_s is None else in_a_room(dry, t60_s)).space is space


def test_what_has_no_events_has_no_space() -> None:
    assert manner(engine(0)).space is None
    assert manner(rain()).space is None


def test_one_fall_that_sinks_into_noise_tells_nothing_of_a_room() -> None:
    wet = in_a_room(knocks(1, seconds=1), 2.5)
    noisy = wet + 0.05 * np.random.default_rng(1).normal(size=len(wet)).astype(np.float32)
    assert manner(wet).space is Space.HALL
    assert manner(noisy).space is None


@pytest.mark.parametrize(
    ("gains_db", "motion"),
    [
        ((0,), Motion.STILL),
        ((-14, 0), Motion.APPROACHING),
        ((0, -14), Motion.LEAVING),
        ((-16, 0, -16), Motion.PASSING),
        ((0, -16, 0), Motion.STILL),
        ((0, -5), Motion.STILL),
    ],
)
def test_what_grows_louder_comes_closer(gains_db: tuple[float, ...], motion: Motion) -> None:
    assert manner(engine(*gains_db)).motion is motion


def test_motion_takes_time() -> None:
    assert manner(engine(-14, 0, seconds=2.4)).motion is None
    assert manner(engine(-14, 0, seconds=2.6)).motion is Motion.APPROACHING


def test_size_goes_by_pitch_among_others_of_the_kind() -> None:
    usual = load_sizes()[DOG]
    assert manner(knocks(4, pitch_hz=usual.low_hz / 2)).size is Size.LARGE
    assert manner(knocks(4, pitch_hz=(usual.low_hz + usual.high_hz) / 2)).size is None
    assert manner(knocks(4, pitch_hz=usual.high_hz * 2)).size is Size.SMALL


def test_without_a_row_no_size_is_told() -> None:
    assert "Knock" not in load_sizes()
    assert manner(knocks(4, pitch_hz=4000), "Knock").size is None


@pytest.mark.parametrize("wrong", [(800.0, 1700.0, FEWEST_RECORDINGS - 1), (1700.0, 800.0, 40), (0.0, 800.0, 40)])
def test_a_row_of_sizes_is_made_of_enough_recordings(wrong: tuple[float, float, int]) -> None:
    assert len(load_sizes()) > 0
    with pytest.raises(ValueError, match="no range"):
        Range(*wrong)


def test_silence_between_sounds_has_no_pitch() -> None:
    sparse = knocks(2, apart_s=2, pitch_hz=500)
    assert centroid_hz(sparse, [slice(0, len(sparse))]) == pytest.approx(500, abs=250)
    assert centroid_hz(np.zeros(WINDOW_SAMPLES, np.float32), [slice(0, WINDOW_SAMPLES)]) is None
    assert centroid_hz(sparse, []) is None


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.ones(1, np.float32),
        np.zeros(5 * SAMPLE_RATE, np.float32),
        np.full(5 * SAMPLE_RATE, 0.7, np.float32),
        np.tile(np.array([1, -1], np.float32), SAMPLE_RATE).repeat(8)[: 5 * SAMPLE_RATE],
        np.clip(50 * engine(0), -1, 1),
        np.clip(20 * in_a_room(knocks(6), 0.3), -1, 1),
        knocks(1)[: int(0.29 * SAMPLE_RATE)],
    ],
    ids=["nothing", "one sample", "silence", "offset", "square wave", "clipped noise", "clipped knocks", "too short"],
)
def test_nothing_is_told_of_what_cannot_be_measured(samples: Samples) -> None:
    assert manner(samples) == NOTHING_TOLD


def test_nothing_is_told_of_a_label_that_was_not_heard() -> None:
    samples = knocks(4)
    assert measure(samples, heard(samples), "Cat") == NOTHING_TOLD
    assert measure(samples, (), DOG) == NOTHING_TOLD


@given(
    seconds=st.one_of(st.floats(0, 10), st.sampled_from([0, 1 / SAMPLE_RATE, 0.3, 0.975, 2.5])),
    amplitude=st.one_of(st.floats(0, 1), st.sampled_from([1e-40, 1e-20, 1e-5])),
    offset=st.floats(-1, 1),
    bursts=st.integers(0, 40),
    seed=st.integers(0, 2**31),
    missing=st.lists(st.integers(0, 10), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_any_samples_have_a_finite_manner(
    seconds: float, amplitude: float, offset: float, bursts: int, seed: int, missing: list[int]
) -> None:
    random = np.random.default_rng(seed)
    length = round(seconds * SAMPLE_RATE)
    gate = np.zeros(length) if bursts else np.ones(length)
    for start in random.integers(0, max(1, length), bursts):
        gate[start : start + int(random.integers(1, SAMPLE_RATE))] = random.random()
    samples = np.clip(amplitude * random.uniform(-1, 1, length) * gate + offset, -1, 1).astype(np.float32)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = manner(samples, missing=missing)

    assert told.events is None or told.events >= 0
    assert told.rate is None or 0 < told.rate <= 1 / 0.15
    assert (told.rate is None) == (told.events is None or told.events < 2)


def test_it_costs_at_most_five_milliseconds_for_five_seconds() -> None:
    samples = in_a_room(knocks(9), 0.3)[: 5 * SAMPLE_RATE]
    predictions = heard(samples)
    measure(samples, predictions, DOG)

    def seconds() -> float:
        began = time.thread_time()
        measure(samples, predictions, DOG)
        return time.thread_time() - began

    assert min(seconds() for _ in range(5)) <= 0.005


def test_of_real_recordings_nothing_false_is_told(recordings: Path) -> None:
    """A few of what `python -m benchmarks.acoustics` measures of all."""
    random = np.random.default_rng(2)
    helicopters = [load_clip(path).samples for path in sorted((recordings / "007 - Helicopter").iterdir())[:20]]
    steady = sorted(helicopters, key=unsteadiness_db)[:10]
    coming = [manner(ramped(sound, 14)).motion for sound in steady]
    going = [manner(ramped(sound, -14)).motion for sound in steady]
    assert coming.count(Motion.APPROACHING) >= 8
    assert going.count(Motion.LEAVING) >= 8
    assert Motion.LEAVING not in coming
    assert Motion.APPROACHING not in going

    dogs = [load_clip(path).samples for path in sorted((recordings / "001 - Dog bark").iterdir())[:12]]
    barks = [event for event in map(single_event, dogs) if event is not None]
    assert len(barks) >= 10
    assert sum(manner(repeated(bark, 3, random)).events == 3 for bark in barks) >= 0.9 * len(barks)
    for t60_s, hall in ((0.3, False), (2.0, True)):
        spaces = [manner(pairs.in_a_room(repeated(bark, 3, random), t60_s, random)).space for bark in barks]
        assert sum((space is Space.HALL) is hall for space in spaces) >= 0.9 * len(barks)
