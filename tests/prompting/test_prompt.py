"""A scene becomes one sentence, in a style, within the text encoder's length."""

from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from core.prompting.merging import Subject
from core.prompting.prompt import CLIP_TOKENS, Prompt, describe, estimate_tokens, in_style, sentence
from core.prompting.scene import Scene
from core.prompting.styles import TEMPLATES, UNWANTED, Style


def _subject(phrase: str, *, background: bool = False, follows: bool = False) -> Subject:
    return Subject(phrase, phrase, 0.9, 0.9, 0, background, follows)


FULL = Scene(
    subjects=(_subject("a barking dog"), _subject("a car", follows=True), _subject("a bell", background=True)),
    place="in a small room",
    weather="in the rain",
    mood="in a sad mood",
)


def test_a_scene_is_told_from_the_main_subject_outwards() -> None:
    told = "a barking dog followed by a car in a small room in the rain, with a bell in the distance, in a sad mood"
    assert sentence(FULL) == told


@pytest.mark.parametrize("style", Style)
def test_each_style_has_its_words_and_what_it_must_not_show(style: Style) -> None:
    prompt = describe(FULL, style=style)
    assert TEMPLATES[style].words in prompt.text
    assert prompt.negative_text.startswith(UNWANTED)
    assert TEMPLATES[style].unwanted in prompt.negative_text


def test_no_style_adds_no_words() -> None:
    assert describe(FULL) == Prompt(sentence(FULL), UNWANTED)


@pytest.mark.parametrize(
    ("most", "told"),
    [
        (21, "a barking dog followed by a car in a small room in the rain, with a bell in the distance"),
        (16, "a barking dog followed by a car in a small room in the rain"),
        (13, "a barking dog followed by a car in a small room"),
        (9, "a barking dog in a small room"),
        (5, "a barking dog"),
    ],
)
def test_the_least_important_parts_go_first(most: int, told: str) -> None:
    assert describe(FULL, count_tokens=lambda text: len(text.replace(",", " ,").split()), max_tokens=most).text == told


def test_the_estimate_counts_start_end_marks_and_long_words(tiny_pipeline: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(tiny_pipeline / "tokenizer")
    assert len(tokenizer("a b").input_ids) == 4
    assert estimate_tokens("a b") == 4
    assert estimate_tokens("photograph, natural light, sharp focus") == 11
    assert tokenizer.model_max_length == CLIP_TOKENS


def test_own_words_are_painted_in_the_chosen_style() -> None:
    assert in_style("a blue cat ", Style.COMIC) == "a blue cat, comic book panel, bold ink lines, flat colours"
    assert in_style("a blue cat", Style.NONE) == "a blue cat"
    styled = in_style("a blue cat", Style.COMIC)
    assert in_style(styled, Style.COMIC) == styled
