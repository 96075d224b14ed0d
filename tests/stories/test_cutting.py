"""A recording is cut where what is heard changes, into no fewer and no more scenes than there are."""

from itertools import pairwise

import numpy as np
import pytest
import ruptures
from hypothesis import given, settings
from hypothesis import strategies as some

from core.hearing.classifier import Prediction
from core.hearing.sound import SAMPLE_RATE
from core.stories.cutting import MOST_SCENES, PRICE, SHORTEST_S, Span, cut, partition, vectors
from tests.stories.heard import DOG, NOTHING, RAIN, TRAIN, WINDOW_MS, noise, quiet, tone, windows

WINDOW_S = WINDOW_MS / 1000


def test_a_dog_and_then_rain_are_two_scenes() -> None:
    heard = windows(*[DOG] * 6, *[RAIN] * 6)
    samples = np.concatenate([tone(6 * WINDOW_S, 500), noise(6 * WINDOW_S)])
    first, second = cut(heard, samples)
    assert first.begins_s == 0
    assert first.ends_s == second.begins_s == pytest.approx(6 * WINDOW_S, abs=0.1)
    assert second.ends_s == pytest.approx(12 * WINDOW_S)


def test_what_changes_in_the_middle_of_a_window_is_cut_there() -> None:
    changes_s = 6.4 * WINDOW_S
    heard = windows(*[DOG] * 6, {**DOG, **RAIN}, *[RAIN] * 6)
    samples = np.concatenate([tone(changes_s, 500), noise(13 * WINDOW_S - changes_s)])
    _, second = cut(heard, samples)
    assert second.begins_s == pytest.approx(changes_s, abs=0.1)


def test_a_cut_falls_into_the_quiet_moment_nearby() -> None:
    heard = windows(*[DOG] * 6, *[RAIN] * 6)
    pause_s = 6 * WINDOW_S - 0.15
    samples = np.concatenate([tone(pause_s, 500), quiet(0.15), noise(6 * WINDOW_S)])
    _, second = cut(heard, samples)
    assert pause_s <= second.begins_s <= pause_s + 0.2


@pytest.mark.parametrize(
    "heard",
    [
        pytest.param(windows(*[DOG] * 20), id="a dog all along"),
        pytest.param(windows(*[DOG] * 8, RAIN, *[DOG] * 8), id="one drop"),
        pytest.param(windows(*[DOG] * 6, *[NOTHING] * 8, *[DOG] * 6), id="a long pause"),
        pytest.param(windows(*[NOTHING] * 20), id="silence"),
        pytest.param(windows(*[DOG] * 8, *[RAIN] * 12, dbfs=[-20.0] * 8 + [-80.0] * 12), id="rain that nobody hears"),
    ],
)
def test_one_thing_is_one_scene(heard: tuple[Prediction, ...]) -> None:
    duration_s = len(heard) * WINDOW_S
    assert cut(heard, noise(duration_s)) == (Span(0, pytest.approx(duration_s)),)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0.2, 2.0, 7.9])
def test_what_is_too_short_for_two_scenes_is_one(seconds: float) -> None:
    heard = windows(*([DOG, RAIN] * 4)[: max(1, round(seconds / WINDOW_S))])
    (only,) = cut(heard, noise(seconds))
    assert only == Span(0, pytest.approx(seconds, abs=1e-3))  # type: ignore[arg-type]


def test_the_dog_that_comes_back_has_a_second_scene() -> None:
    heard = windows(*[DOG] * 6, *[TRAIN] * 6, *[DOG] * 6)
    assert len(cut(heard, noise(18 * WINDOW_S))) == 3


@given(
    kinds=some.lists(some.sampled_from([DOG, RAIN, TRAIN, NOTHING]), min_size=1, max_size=60),
    seed=some.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_scenes_follow_each_other_and_are_neither_short_nor_many(kinds: list[dict[str, float]], seed: int) -> None:
    samples = noise(len(kinds) * WINDOW_S, seed=seed)
    spans = cut(windows(*kinds), samples)
    assert spans[0].begins_s == 0
    assert spans[-1].ends_s == len(samples) / SAMPLE_RATE
    assert all(one.ends_s == next_one.begins_s for one, next_one in pairwise(spans))
    assert len(spans) == 1 or min(span.seconds for span in spans) >= SHORTEST_S - 1e-9
    assert len(spans) <= MOST_SCENES


@pytest.mark.parametrize("seed", range(20))
def test_no_partition_is_cheaper_than_the_one_that_is_found(seed: int) -> None:
    """ruptures is another program for the same sum (Truong et al. 2020)."""
    random = np.random.default_rng(seed)
    kinds = [(DOG, RAIN, TRAIN)[kind] for kind in random.integers(0, 3, 5) for _ in range(random.integers(2, 9))]
    blurred = [{name: score * random.uniform(0.3, 1) for name, score in kind.items()} for kind in kinds]
    rows = vectors(windows(*blurred))
    begins = np.arange(len(rows), dtype=np.float64) * WINDOW_S
    found = partition(rows, begins, len(rows) * WINDOW_S)
    theirs = ruptures.KernelCPD(kernel="linear", min_size=4, jump=1).fit(rows).predict(pen=PRICE)
    assert found == theirs[:-1]
