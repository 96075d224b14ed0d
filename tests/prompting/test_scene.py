"""What is painted for what was heard: the table in scene_cases.txt, and what holds for any labels."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.hearing.categories import TopCategory
from core.hearing.voice import VOICE
from core.prompting.phantoms import load_phantoms
from core.prompting.phrasebook import Role, load_phrasebook
from core.prompting.prompt import CLIP_TOKENS, build_prompt, estimate_tokens
from core.prompting.scene import MOST_SUBJECTS, compose_scene
from core.prompting.styles import Style

LABELS = sorted(load_phrasebook().entries)


def _parse(text: str) -> tuple[TopCategory, ...]:
    pattern = re.compile(r"(?P<name>.+) (?P<score>[\d.]+)(/(?P<coverage>[\d.]+))?(@(?P<first>\d+))?$")
    found = [pattern.match(part.strip()) for part in text.split(";")]
    return tuple(
        TopCategory(m["name"], float(m["score"]), float(m["coverage"] or 1), int(m["first"] or 0)) for m in found if m
    )


def _cases() -> list[tuple[str, str]]:
    lines = Path(__file__).with_name("scene_cases.txt").read_text().splitlines()
    pairs = (line.split(" -> ") for line in lines if line and not line.startswith("#"))
    return [(heard, painted) for heard, painted in pairs]


def test_there_are_at_least_sixty_cases() -> None:
    assert len(_cases()) >= 60


@pytest.mark.parametrize(("heard", "painted"), _cases())
def test_the_scene_is_told_in_words(heard: str, painted: str) -> None:
    assert build_prompt(_parse(heard)).text == painted


labels = st.lists(
    st.builds(
        TopCategory,
        name=st.sampled_from(LABELS),
        score=st.floats(0.0, 1.0),
        coverage=st.floats(0.01, 1.0),
        first_ms=st.integers(0, 60).map(lambda window: window * 975),
        level_db=st.floats(-60, 0),
    ),
    max_size=12,
    unique_by=lambda category: category.name,
)


@given(labels, st.sampled_from(Style))
@settings(max_examples=300, deadline=None)
def test_any_labels_make_a_prompt_of_good_length_and_plain_words(heard: list[TopCategory], style: Style) -> None:
    prompt = build_prompt(heard, style=style)
    assert prompt.text.strip() == prompt.text != ""
    assert estimate_tokens(prompt.text) <= CLIP_TOKENS
    assert not re.search(r"[{}()|;]|  | ,|,,", prompt.text), prompt.text
    assert prompt == build_prompt(heard, style=style), "the same labels make the same prompt"


@given(labels)
@settings(max_examples=300, deadline=None)
def test_nothing_is_painted_twice_and_no_parent_beside_its_child(heard: list[TopCategory]) -> None:
    scene = compose_scene(heard)
    phrases = [subject.phrase for subject in scene.subjects]
    assert 1 <= len(phrases) <= MOST_SUBJECTS
    assert len(set(phrases)) == len(phrases)
    book = load_phrasebook()
    shown = [subject.label for subject in scene.subjects if book[subject.label].role is Role.SUBJECT]
    for one in shown:
        assert not book.ancestors(one) & set(shown), f"{one} beside its parent in {phrases}"


@given(labels)
@settings(max_examples=100, deadline=None)
def test_every_known_label_is_accounted_for(heard: list[TopCategory]) -> None:
    scene = compose_scene(heard)
    assert [row.label for row in scene.uses] == [category.name for category in heard]


@given(labels)
@settings(max_examples=300, deadline=None)
def test_no_label_goes_into_one_that_has_gone_into_another(heard: list[TopCategory]) -> None:
    became = {row.label: row.became for row in compose_scene(heard).uses}
    for label, into in became.items():
        assert not into or became[into] in ("", into), f"{label} into {into} into {became[into]}"


def test_a_label_goes_into_the_surest_of_its_line() -> None:
    scores = {"Explosion": 0.85, "Gunshot, gunfire": 0.3, "Artillery fire": 0.22}
    scene = compose_scene([TopCategory(name, score, 1.0, 0) for name, score in scores.items()])
    assert {row.label: row.became for row in scene.uses} == dict.fromkeys(scores, "Explosion")


def test_labels_that_the_phrasebook_does_not_know_are_left_out() -> None:
    heard = (TopCategory("Flux capacitor", 0.9, 1.0, 0), TopCategory("Dog", 0.8, 1.0, 0))
    assert build_prompt(heard).text == "a dog"


def test_no_labels_at_all_make_a_quiet_picture() -> None:
    assert build_prompt(()).text == "a quiet empty landscape at dawn"


def test_what_is_much_quieter_than_the_main_subject_is_far_away() -> None:
    dog = TopCategory("Dog", 0.9, 1.0, 0, 0.0)
    assert build_prompt((dog, TopCategory("Car", 0.8, 1.0, 0, -5.0))).text == "a dog and a car"
    assert build_prompt((dog, TopCategory("Car", 0.8, 1.0, 0, -30.0))).text == "a dog, with a car in the distance"


def test_phantoms_are_labels_of_the_phrasebook_and_no_voices() -> None:
    phantoms = load_phantoms()
    assert phantoms
    assert all(name in load_phrasebook() for name in phantoms)
    assert not phantoms & VOICE
