"""When each thing was heard, as stretches of the recording."""

import pytest

from core.hearing.categories import get_top_categories
from core.hearing.classifier import Category, Prediction
from core.hearing.timeline import Stretch, clock, when_heard


def windows(*scores: float) -> tuple[Prediction, ...]:
    """A dog with these scores in one window after the other, beside rain."""
    return tuple(
        Prediction(round(975 * number), (Category("Rain", 0.5), Category("Dog", score)), -20.0)
        for number, score in enumerate(scores)
    )


def dog(*scores: float) -> tuple[Stretch, ...]:
    heard = windows(*scores)
    (category,) = (one for one in get_top_categories(heard) if one.name == "Dog")
    return tuple(Stretch(one.begin_s, round(one.end_s, 3)) for one in when_heard(category, heard))


def test_windows_that_follow_each_other_are_one_stretch() -> None:
    assert dog(0, 0.9, 0.4, 0) == (Stretch(0.975, 2.925),)


def test_windows_in_which_it_was_not_heard_part_two_stretches() -> None:
    assert dog(0.9, 0.05, 0.9) == (Stretch(0.0, 0.975), Stretch(1.95, 2.925))


def test_what_was_nowhere_heard_for_sure_has_the_window_in_which_it_was_heard_best() -> None:
    assert dog(0, 0.03, 0.08) == (Stretch(1.95, 2.925),)


def test_what_fell_out_of_a_windows_labels_was_heard_at_first_all_the_same() -> None:
    """The bot keeps five labels a window."""
    heard = windows(0, 0.9)
    (category,) = (one for one in get_top_categories(heard) if one.name == "Dog")

    assert when_heard(category, windows()) == (Stretch(0.975, 1.95),)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (3.9, "0:03"), (59.999, "0:59"), (60, "1:00"), (600, "10:00"), (3661, "61:01")]
)
def test_time_is_shown_as_by_a_player(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
