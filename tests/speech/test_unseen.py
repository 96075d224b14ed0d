"""The rules on forty utterances that whoever wrote the rules has not seen: a measure, not a list to mend them by.

In `unseen.csv`, `right` and `wrong` are regular expressions for whole words: what the main subject has to be, empty
where nothing is to be seen, and what would be plainly wrong to show. It does not know whether a picture is pretty, nor
whether what stands beside the main thing was left out.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from core.speech.spoken import SaidScene

LEAST_RIGHT = 0.75
"""Of the utterances with something to see, those of which the main thing is seen."""
MOST_WRONG = 0.05
"""Of all utterances, those of which something wrong is seen."""
LEAST_NOTHING = 0.95
"""Of the utterances with nothing to see, those of which nothing is seen."""

NO_NOUN = re.compile(
    r"(?:an?|the|this|that|some|one|two|three|my|your|his|her|its|our|their|old|big|little|small|\w+ing)"
)
AFTER_THE_NOUN = re.compile(r",|\b(?:with|without|in|on|at|of|by|from|to|into|onto|under|over|near|and|who|that)\b")


class Rules(Protocol):
    def write(self, words: str) -> SaidScene: ...


@dataclass(frozen=True)
class Utterance:
    words: str
    kind: str
    right: str
    wrong: str


@dataclass(frozen=True)
class Told:
    utterance: Utterance
    scene: SaidScene

    @property
    def main(self) -> str:
        return self.scene.subjects[0] if self.scene.subjects else ""

    @property
    def is_right(self) -> bool:
        return names(self.utterance.right, self.main)

    @property
    def is_wrong(self) -> bool:
        """Whether the main thing is neither the right one nor one that was said, or anything shown is plainly wrong."""
        scene = self.scene
        shown = "; ".join((*scene.subjects, scene.place, scene.weather, scene.light))
        made_up = bool(self.main) and not self.is_right and not was_said(self.main, self.utterance.words)
        return made_up or names(self.utterance.wrong, shown)

    def __str__(self) -> str:
        scene = self.scene
        parts = (" + ".join(scene.subjects) or "nothing", scene.place, scene.weather, scene.light, scene.mood)
        return f"{self.utterance.kind}: {self.utterance.words}\n    -> {' | '.join(filter(None, parts))}"


def names(pattern: str, text: str) -> bool:
    """Whether one of the things in a pattern, which may be empty, is named in a text."""
    return bool(pattern) and re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE) is not None


def stems(text: str) -> set[str]:
    """The words of a text without the endings that tell one from many."""
    return {re.sub(r"(?:ies|es|s|y|e)$", "", word) for word in re.findall(r"[a-z]+", text.lower())}


def was_said(subject: str, words: str) -> bool:
    """Whether a subject's noun, or what describes it, is among the words; what it does and where it is do not count."""
    thing = AFTER_THE_NOUN.split(subject.lower())[0].split()
    nouns = [word for word in thing if not NO_NOUN.fullmatch(word)]
    return bool(stems(" ".join(nouns)) & stems(words))


def utterances() -> tuple[Utterance, ...]:
    with (Path(__file__).parent / "unseen.csv").open(encoding="utf-8", newline="") as file:
        return tuple(Utterance(**row) for row in csv.DictReader(file, delimiter="|", strict=True))


@pytest.fixture
def told(rules: Rules) -> tuple[Told, ...]:
    return tuple(Told(utterance, rules.write(utterance.words)) for utterance in utterances())


def listed(failed: list[Told], asked: int) -> str:
    return f"{len(failed)} of {asked}:\n" + "\n".join(map(str, failed))


def test_the_main_thing_is_seen(told: tuple[Told, ...]) -> None:
    something = [one for one in told if one.utterance.right]
    missed = [one for one in something if not one.is_right]
    assert 1 - len(missed) / len(something) >= LEAST_RIGHT, listed(missed, len(something))


def test_hardly_ever_is_something_wrong_seen(told: tuple[Told, ...]) -> None:
    wrong = [one for one in told if one.is_wrong]
    assert len(wrong) / len(told) <= MOST_WRONG, listed(wrong, len(told))


def test_where_there_is_nothing_to_see_nothing_is_seen(told: tuple[Told, ...]) -> None:
    nothing = [one for one in told if not one.utterance.right]
    seen = [one for one in nothing if one.main]
    assert 1 - len(seen) / len(nothing) >= LEAST_NOTHING, listed(seen, len(nothing))


def test_the_utterances_are_a_fair_mix() -> None:
    asked = utterances()
    assert len({one.words for one in asked}) == 40
    assert 26 <= sum(bool(one.right) for one in asked) <= 28
    assert {one.kind for one in asked} == {"story", "request", "joke", "lyric", "complaint", "question", "small talk"}
    assert all(3 <= len(one.words.split()) <= 45 for one in asked)


@pytest.mark.parametrize(
    ("subject", "right", "wrong"),
    [
        ("a big black dog digging in a trash can", True, False),
        ("a trash can", False, False),
        ("the neighbors", False, False),
        ("a raccoon in a trash can", False, True),
        ("a bear", False, True),
    ],
)
def test_a_thing_that_was_said_is_not_wrong_unless_it_was_denied(subject: str, right: bool, wrong: bool) -> None:
    denied = next(one for one in utterances() if "wasn't a bear" in one.words)
    told = Told(denied, SaidScene((subject,), kind="story"))
    assert (told.is_right, told.is_wrong) == (right, wrong)
