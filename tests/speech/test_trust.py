"""Words are believed only where the recogniser has reason to be sure of them."""

from dataclasses import replace

import pytest

from core.speech.recognise import Recognised, Segment
from core.speech.trust import doubt

CLEAR = Segment("we went to the beach", 0.0, 2.0, log_probability=-0.3, no_speech=0.05, compression=1.0)


def recognised(*segments: Segment, language: float = 0.98) -> Recognised:
    return Recognised(segments, "en", language)


def test_clear_words_are_believed() -> None:
    assert doubt(recognised(CLEAR, replace(CLEAR, text="", log_probability=-3.0))) == ""


def test_no_words_are_nothing_to_doubt() -> None:
    assert doubt(recognised(language=0.1)) == ""
    assert doubt(recognised(replace(CLEAR, text="  "), language=0.1)) == ""


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        (replace(CLEAR, log_probability=-0.81), "words uncertain (-0.81)"),
        (replace(CLEAR, no_speech=0.61), "perhaps no speech (0.61)"),
        (replace(CLEAR, text="I'll be right back, " * 6, log_probability=-0.1, end_s=10.0, compression=3.4),
         "words that repeat themselves (3.4)"),
        (replace(CLEAR, end_s=0.5), "more words than can be said (5 in 0.5 s)"),
        (replace(CLEAR, end_s=0.0), "more words than can be said (5 in 0.0 s)"),
    ],
)  # fmt: skip
def test_one_doubtful_stretch_makes_all_of_it_doubtful(segment: Segment, why: str) -> None:
    assert doubt(recognised(CLEAR, segment)) == why


def test_a_word_or_two_are_believed_only_where_they_are_clear() -> None:
    """Base takes the Spanish "cinco" for it."""
    assert doubt(recognised(replace(CLEAR, text="Single.", log_probability=-0.56))) == "words uncertain (-0.56)"
    assert doubt(recognised(replace(CLEAR, text="A dog.", log_probability=-0.4))) == ""


def test_words_of_a_language_that_was_given_are_to_be_clearer() -> None:
    told = replace(recognised(replace(CLEAR, log_probability=-0.7)), was_told=True)
    assert doubt(told) == "words uncertain (-0.70)"
    assert doubt(replace(told, was_told=False)) == ""


def test_language_that_is_not_clear_makes_all_of_it_doubtful() -> None:
    assert doubt(recognised(CLEAR, language=0.44)) == "language uncertain (0.44)"
    assert doubt(recognised(CLEAR, language=0.7)) == ""
