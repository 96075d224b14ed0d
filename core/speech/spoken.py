"""What somebody said in a recording, and the scene in it, as plain values; who found them out is not known here."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Mood = Literal[
    "", "joyful", "melancholy", "hushed", "dramatic", "peaceful", "mysterious", "eerie", "romantic", "lively"
]
"""The moods that a said scene may have; closed, so that a language model cannot slip words into a prompt by it."""


@dataclass(frozen=True)
class SaidScene:
    """What can be seen of what was said, in English words; nothing where `kind` is "nothing".

    `subjects` are phrases with their articles, the main one first: "a dog running into the sea". The others are phrases
    that follow them: `place` "on the beach", `weather` "in the rain", `light` "at sunset". A "request" asks for a
    picture, a "story" tells of something. `by`: whether the rules or a language model found it.
    """

    subjects: tuple[str, ...] = ()
    place: str = ""
    weather: str = ""
    light: str = ""
    mood: Mood = ""
    kind: Literal["request", "story", "nothing"] = "nothing"
    by: Literal["rules", "model"] = "rules"

    @property
    def phrases(self) -> tuple[str, ...]:
        """All that it would put into a prompt."""
        return tuple(filter(None, (*self.subjects, self.place, self.weather, self.light, self.mood)))

    @property
    def title(self) -> str:
        """What is seen, as a line that begins with a capital letter."""
        scene = " ".join(filter(None, (", ".join(self.subjects), self.place, self.weather, self.light)))
        return scene[:1].upper() + scene[1:]


class Outcome(StrEnum):
    """What became of somebody's words."""

    SEEN = "seen"
    """There is something to see in them."""
    NOTHING_TO_SEE = "nothing to see"
    DOUBTED = "doubted"
    """They are not to be believed; see `trust.py`."""
    NO_ENGLISH = "no English"
    """They are believed, and nobody here puts their language into a scene."""
    TOO_LATE = "too late"
    """They were not recognised in the time that there was."""
    FAILED = "failed"
    """They could not be recognised; the log says why."""
    REFUSED = "refused"
    """There are words in their scene that are not painted here."""


@dataclass(frozen=True)
class Spoken:
    """The words of a recording, or words that somebody wrote instead of them, and what became of them.

    `language` is a code as Whisper has it, with its probability; empty for words that somebody wrote. `doubt` says in
    English why they are not believed. `said` is there where something is seen. `seconds` of voice there were; words may
    be missing unless `complete`.
    """

    words: str
    outcome: Outcome
    said: SaidScene | None = None
    language: str = ""
    language_probability: float = 1.0
    doubt: str = ""
    seconds: float = 0.0
    complete: bool = True
