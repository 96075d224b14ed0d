"""The words for how sure a label is go by its average over all of the recording that can be heard."""

import pytest

from bot.views.texts import LANGUAGES, Texts
from bot.views.wording import label_lines, strip_alt_text
from core.events import HeardSummary
from core.hearing.categories import TopCategory, get_top_categories
from core.hearing.classifier import Category, Prediction
from core.hearing.naming import MOST_LABELS, worth_saying
from core.prompting.prompt import Prompt

ENGLISH = Texts.load().translation("en-US")


def _summary(*top: TopCategory) -> HeardSummary:
    return HeardSummary("A sound", top, (), 5.0, Prompt("a dog", ""))


def _heard(*scores: float) -> tuple[TopCategory, ...]:
    """What is heard where Dog has these scores in the windows, and the windows have no other label."""
    return get_top_categories([Prediction(n * 975, (Category("Dog", s),), -20.0) for n, s in enumerate(scores)])


@pytest.mark.parametrize(
    ("scores", "line"),
    [
        ((0.5, 0.5), "0:00 · **Dog** · clearly"),
        ((0.98, 0.0), "0:00 · **Dog** · probably"),
        ((0.2, 0.2), "0:00 · **Dog** · probably"),
        ((0.19, 0.19), "0:00 · **Dog** · perhaps"),
        ((0.9, *[0.02] * 9), "0:00 · **Dog** · perhaps"),
        ((0.09, 0.05), "0:00 · **Dog** · at a guess"),
    ],
)
def test_what_was_heard_in_one_window_of_many_is_not_sure(scores: tuple[float, ...], line: str) -> None:
    assert label_lines(ENGLISH, _summary(*_heard(*scores))) == line


def test_guesses_are_not_listed_beside_what_is_more_than_a_guess() -> None:
    dog, car, rain = (TopCategory(name, score, 1.0, 0) for name, score in [("Dog", 0.8), ("Car", 0.09), ("Rain", 0.1)])
    assert worth_saying((dog, car, rain)) == (dog, rain)
    assert worth_saying((car,)) == (car,)
    assert worth_saying(()) == ()
    assert strip_alt_text(ENGLISH, _summary(dog, car)).endswith("Heard: 0:00 Dog.")
    assert len(worth_saying([dog] * 10)) == MOST_LABELS


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_language_has_a_word_of_its_own_for_each(locale: str) -> None:
    t = Texts.load().translation(locale)
    lines = [label_lines(t, _summary(TopCategory("Dog", certainty, 1.0, 0))) for certainty in (0.5, 0.2, 0.1, 0.09)]
    assert len({line.rsplit(" · ", 1)[1] for line in lines}) == 4


def test_certainty_is_the_average_and_without_one_score_times_coverage() -> None:
    (dog,) = _heard(0.9, 0.05, 0.05, 0.0)
    assert dog.certainty == pytest.approx(0.25)
    assert (dog.score, dog.coverage) == (0.9, 0.25)
    assert TopCategory("Dog", 0.8, 0.5, 0).certainty == 0.4


def test_what_says_the_same_less_exactly_is_not_listed() -> None:
    names = {"Animal": 0.9, "Wild animals": 0.9, "Bird": 0.9, "Chirp, tweet": 0.8, "Rain": 0.4}
    top = tuple(TopCategory(name, score, 1.0, 0) for name, score in names.items())
    assert [category.name for category in worth_saying(top)] == ["Chirp, tweet", "Rain"]
    speech, monologue = TopCategory("Speech", 0.9, 1.0, 0), TopCategory("Narration, monologue", 0.2, 1.0, 0)
    assert worth_saying((speech, monologue)) == (speech, monologue), "what is sure is said"
