"""What was heard when, in words beside the strip and in its alternative text, in every language."""

from dataclasses import replace

import pytest

from bot.views.texts import LANGUAGES, Texts
from bot.views.wording import label_lines, strip_alt_text, times
from core.events import HeardSummary
from core.hearing.categories import TopCategory, get_top_categories
from core.hearing.classifier import Category, Prediction
from core.hearing.labels import name_in
from core.prompting.prompt import Prompt

ENGLISH = Texts.load().translation("en-US")


def heard(*scores: float, begins_s: float = 0.0) -> HeardSummary:
    """A dog with these scores in one window after the other, and nothing else."""
    windows = tuple(
        Prediction(round(975 * number), (Category("Dog", score),), -20.0) for number, score in enumerate(scores)
    )
    top, seconds = get_top_categories(windows), 0.975 * len(scores)
    return HeardSummary("Dog", top, windows, seconds, Prompt("a dog", ""), begins_s=begins_s)


def dogs_times(summary: HeardSummary, locale: str = "en-US") -> str:
    return times(Texts.load().translation(locale), summary, summary.top[0])


def test_a_single_window_is_told_by_its_beginning_and_a_stretch_by_both_ends() -> None:
    assert dogs_times(heard(0, 0, 0, 0.9)) == "0:02"
    assert dogs_times(heard(0, 0, 0, 0.9, 0.9, 0.9)) == "0:02 to 0:05"
    assert dogs_times(heard(0.9, 0, 0.9, 0.9)) == "0:00, 0:01 to 0:03"


def test_many_stretches_are_cut_short() -> None:
    assert dogs_times(heard(*[0.9, 0] * 10)) == "0:00, 0:01, 0:03, …"


def test_times_are_those_of_the_whole_recording() -> None:
    assert dogs_times(heard(0, 0, 0, 0.9, 0.9, 0.9, begins_s=598.0)) == "10:00 to 10:03"


def test_what_lasts_to_the_last_window_lasts_to_the_end() -> None:
    assert dogs_times(replace(heard(0.9, 0.9, 0.9, 0.9, 0.9), duration_s=5.0)) == "0:00 to 0:05"


def test_no_end_is_after_the_sounds() -> None:
    assert dogs_times(replace(heard(0.9, 0.9, 0.9), duration_s=2.5)) == "0:00 to 0:02"
    assert dogs_times(replace(heard(0.9), duration_s=0.05)) == "0:00"


@pytest.mark.parametrize("locale", ["en-US", *LANGUAGES])
def test_a_line_and_the_alternative_text_say_when(locale: str) -> None:
    t, summary = Texts.load().translation(locale), heard(0, 0, 0, 0.9, 0.9, 0.9)
    span = t.plain("heard.span", begin="0:02", end="0:05")

    name = name_in("Dog", locale)

    assert label_lines(t, summary).startswith(f"{span} · **{name}** · ")
    assert f"{span} {name}" in strip_alt_text(t, summary)
    assert "\n" not in strip_alt_text(t, summary)


@pytest.mark.parametrize("count", [0, 1, 5, 12])
def test_at_most_five_labels_are_told(count: int) -> None:
    top = tuple(TopCategory(f"Thing {number}", 0.5, 1.0, 0) for number in range(count))
    summary = replace(heard(0.9), top=top)

    assert label_lines(ENGLISH, summary).count("Thing") == min(count, 5)
    assert strip_alt_text(ENGLISH, summary).count("Thing") == min(count, 5)
