"""Every label of YamNet has a row that can be painted, and every row is a label."""

import re
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from core.models import ModelStore
from core.prompting.phrasebook import Entry, Role, Telling, load_phrasebook, with_articles
from core.settings import CoreSettings

BOOK = load_phrasebook()


def test_every_label_has_a_row_and_every_row_is_a_label() -> None:
    model = ModelStore(CoreSettings()).yamnet().path
    with zipfile.ZipFile(model) as file:
        labels = file.read("yamnet_label_list.txt").decode().split("\n")
    assert [label for label in labels if label] == list(BOOK.entries)
    assert len(BOOK.entries) == 521


@pytest.mark.parametrize("entry", BOOK.entries.values(), ids=list(BOOK.entries))
def test_a_row_is_whole(entry: Entry) -> None:
    for other in (*entry.parents, *entry.joins):
        assert other in BOOK, other
    assert entry.label not in BOOK.ancestors(entry.label), "no label is its own ancestor"
    match entry.role:
        case Role.SUBJECT:
            assert entry.phrase
            assert entry.noun
        case Role.ACTION:
            assert entry.phrase
            assert entry.noun
            assert entry.by_itself()
        case Role.IGNORE:
            pass
        case _:
            assert entry.phrase
            assert entry.alone, "a setting or quality may be all that was heard"
    for words in (entry.phrase, entry.by_itself(), entry.alone):
        assert not re.search(r"[()/;_]", words)
        assert words == words.strip()
    assert "{" not in entry.by_itself()


def test_actions_join_their_subjects() -> None:
    assert BOOK["Growling"].joined_to(BOOK["Cat"]) == "a growling cat"
    assert BOOK["Idling"].joined_to(BOOK["Bus"]) == "a bus standing with its engine on"


ACTIONS = [entry for entry in BOOK.entries.values() if entry.role is Role.ACTION]


@pytest.mark.parametrize("action", ACTIONS, ids=[entry.label for entry in ACTIONS])
def test_an_action_reads_well_with_everything_it_may_join(action: Entry) -> None:
    for subject in BOOK.entries.values():
        kinds = action.joins or action.parents
        if subject.role is not Role.SUBJECT or not any(BOOK.is_kind_of(subject.label, kind) for kind in kinds):
            continue
        phrase = action.joined_to(subject)
        is_plural = subject.noun.endswith("s") and subject.phrase.split()[0] not in {"a", "an"}
        assert not (is_plural and re.search(rf"\ban? (\w+ )?{subject.noun}\b", phrase)), phrase
        assert not re.search(r"\b(\w{3,}) \1\b", phrase), phrase
        assert phrase.count(" with ") <= 2, phrase


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a owl", "an owl"),
        ("a ukulele", "a ukulele"),
        ("a dog and a engine", "a dog and an engine"),
        ("a one-man band", "a one-man band"),
    ],
)
def test_articles_fit_the_next_word(given: str, expected: str) -> None:
    assert with_articles(given) == expected


@pytest.mark.parametrize("entry", BOOK.entries.values(), ids=list(BOOK.entries))
def test_what_may_be_told_of_a_row_can_be_told(entry: Entry) -> None:
    assert not entry.manners >= {Telling.AGAIN, Telling.EACH}, "what counts each event says so"
    assert re.fullmatch(r"|[a-z]+", entry.event)
    if Telling.EACH in entry.manners:
        assert not re.search(r"(s|sh|ch|x)$", entry.event), "its plural ends in a mere s"
    if Telling.MOTION in entry.manners:
        assert not re.search(r"\b(past|off|standing|open)\b", entry.phrase), "it moves already, or does not"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"event": ""}, "has an event"),
        ({"manners": frozenset(), "event": "bark"}, "nothing else has"),
        ({"manners": frozenset({Telling.SIZE}), "event": "", "phrase": "two dogs"}, "one thing"),
    ],
)
def test_a_row_whose_manners_cannot_be_told_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(BOOK["Bark"], **changes)


def test_an_unknown_manner_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Telling("twice")


def test_the_family_tree() -> None:
    assert BOOK.ancestors("Bark") >= {"Dog", "Domestic animals, pets", "Animal"}
    assert BOOK.is_kind_of("Meow", "Cat")
    assert not BOOK.is_kind_of("Cat", "Meow")
