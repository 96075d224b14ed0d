"""The scores of the hearing benchmark, on answers made for it."""

import numpy as np
import pytest

from benchmarks.hearing_scores import (
    PHANTOM_LEAST,
    SCORES,
    Answer,
    Count,
    Heard,
    calibrate,
    phantoms,
    score,
    score_all,
    shares,
)

GENERIC = {"Music", "Animal"}
BANJO = frozenset({"Banjo", "Guitar", "Music"})


def answer(*labels: str, main: str = "", accepted: frozenset[str] = BANJO, certainty: float = 0.3) -> Answer:
    return Answer(Heard(tuple((label, certainty) for label in labels), (main or labels[0],)), accepted)


def by_name(one: Answer) -> dict[str, bool]:
    return dict(zip(SCORES, score(one, GENERIC), strict=True))


def test_the_first_label_is_right() -> None:
    assert by_name(answer("Banjo", "Dog", "Cat")) == dict.fromkeys(SCORES, True)


def test_strictly_a_label_that_names_no_thing_is_no_answer() -> None:
    right = by_name(answer("Music", "Dog", "Banjo"))

    assert right["top-1"]
    assert not right["strict-1"]
    assert right["strict-3"]
    assert right["main subject"]
    assert not right["main strictly"]


def test_the_fourth_label_is_too_late() -> None:
    right = by_name(answer("Dog", "Cat", "Owl", "Banjo"))

    assert not right["top-3"]
    assert not right["strict-3"]


def test_the_main_subject_need_not_be_the_first_label() -> None:
    right = by_name(answer("Dog", main="Guitar"))

    assert right["main strictly"]
    assert not right["top-1"]


def test_a_main_subject_is_right_by_what_it_does() -> None:
    screaming = Answer(Heard((("Speech", 0.3),), ("Speech", "Screaming")), frozenset({"Screaming", "Yell"}))

    assert by_name(screaming)["main strictly"]


def test_hits_have_a_row_for_each_answer() -> None:
    hits = score_all([answer("Banjo"), answer("Dog")], GENERIC)

    assert hits.tolist() == [[1] * len(SCORES), [0] * len(SCORES)]


def test_what_is_always_right_has_no_doubt() -> None:
    (share,) = shares(np.ones((20, 1)))

    assert (share.value, share.low, share.high) == (1, 1, 1)


def test_the_interval_is_as_wide_as_the_binomial_distribution_says() -> None:
    (share,) = shares(np.repeat([[0.0], [1.0]], 200, axis=0))

    assert share.value == 0.5
    assert share.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.006)
    assert share.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.006)


def test_an_interval_is_the_same_each_time() -> None:
    hits = np.random.default_rng(3).integers(0, 2, (50, 4)).astype(float)

    assert shares(hits) == shares(hits)


def test_two_runs_are_compared_recording_by_recording() -> None:
    before = np.repeat([[0.0], [1.0]], 100, axis=0)
    now = before.copy()
    now[:10] = 1

    (rise,) = shares(now, before)

    assert rise.value == pytest.approx(0.05)
    assert 0.01 < rise.low < 0.05 < rise.high < 0.1  # of two runs that know nothing of each other: -0.05 to 0.15


def test_the_same_run_twice_differs_in_nothing() -> None:
    hits = np.random.default_rng(4).integers(0, 2, (50, 1)).astype(float)

    (rise,) = shares(hits, hits)

    assert (rise.value, rise.low, rise.high) == (0, 0, 0)


def test_nothing_says_nothing() -> None:
    with pytest.raises(ValueError, match="no recordings"):
        shares(np.empty((0, 2)))


def test_calibration_counts_by_tenths() -> None:
    heard = Heard((("Banjo", 1.0), ("Dog", 0.5), ("Guitar", 0.59), ("Cat", 0.0), ("Echo", 0.5)), ("Banjo",))

    counts = calibrate([Answer(heard, BANJO)], {"Banjo", "Dog", "Guitar", "Cat"})

    assert counts[9] == Count(1, 1)
    assert counts[5] == Count(2, 1)
    assert counts[0] == Count(1, 0)
    assert sum(count.listed for count in counts) == 4


def test_a_phantom_is_often_listed_and_hardly_ever_right() -> None:
    answers = [answer("Arrow", "Dog") for _ in range(PHANTOM_LEAST)]
    answers += [answer("Banjo", "Cat") for _ in range(PHANTOM_LEAST)]
    judged = {"Arrow", "Banjo", "Cat"}

    assert phantoms(answers, judged) == {"Arrow": Count(PHANTOM_LEAST, 0), "Cat": Count(PHANTOM_LEAST, 0)}


def test_a_label_that_is_right_now_and_then_is_no_phantom() -> None:
    answers = [answer("Arrow") for _ in range(4)] + [answer("Arrow", accepted=frozenset({"Arrow"}))]

    assert phantoms(answers, {"Arrow"}) == {}


@pytest.mark.parametrize("certainty", [0.05, 0.5, 0.9])
def test_only_the_range_of_doubt_makes_phantoms(certainty: float) -> None:
    answers = [answer("Arrow", certainty=certainty) for _ in range(20)]

    assert phantoms(answers, {"Arrow"}) == {}


def test_a_label_that_was_listed_a_few_times_may_have_had_bad_luck() -> None:
    assert phantoms([answer("Arrow")] * (PHANTOM_LEAST - 1), {"Arrow"}) == {}
