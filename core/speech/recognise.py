"""What a recogniser says of somebody's speech, as plain values; which recogniser it is, is not known here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from core.hearing.audio import Samples


class Task(StrEnum):
    """What is written down, as Whisper calls it: the words as they were said, or in English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@dataclass(frozen=True)
class Segment:
    """A stretch of speech in seconds of its clip, and what the recogniser says of it.

    `log_probability`: of its words, the mean over its tokens. `no_speech`: how likely there is nobody speaking at all,
    0 to 1. `compression`: how many times smaller zlib makes the text; loops make it large (Radford et al. 2022, 4.5).
    """

    text: str
    start_s: float
    end_s: float
    log_probability: float
    no_speech: float
    compression: float


@dataclass(frozen=True)
class Recognition:
    """A recognition under way: each of the `segments` is recognised when it is asked for.

    `language` is a code as Whisper has it, and `language_probability` how sure that is: 1 where it was given.
    """

    segments: Iterable[Segment]
    language: str
    language_probability: float


@dataclass(frozen=True)
class Recognised:
    """The words of a clip so far; `complete` where there are no more. `was_told`: its language was not detected.

    `translation` are the same words in English, where they are not English and it was asked for.
    """

    segments: tuple[Segment, ...]
    language: str
    language_probability: float
    complete: bool = True
    was_told: bool = False
    translation: "Recognised | None" = None

    @property
    def words(self) -> str:
        """All of them."""
        return " ".join(text for segment in self.segments if (text := segment.text.strip()))

    @property
    def english(self) -> str:
        """All of them in English; empty where that is not known."""
        if self.language == "en":
            return self.words
        return self.translation.words if self.translation is not None else ""


class Recogniser(Protocol):
    """Recognises speech; for one thread at a time."""

    @property
    def translates(self) -> bool:
        """Whether it can write down other languages in English."""
        ...

    def recognise(self, samples: Samples, *, language: str = "", task: Task = Task.TRANSCRIBE) -> Recognition:
        """The words in `samples`, float32 mono at 16 kHz; blocks until their language is known, if it is not given."""
        ...


def recognise(recogniser: Recogniser, samples: Samples, language: str, task: Task) -> Iterator[Recognised]:
    """What is known of the words after each segment; the last is complete. Nothing where there are none."""
    recognition = recogniser.recognise(samples, language=language, task=task)
    known = Recognised((), recognition.language, recognition.language_probability, False, bool(language))
    for segment in recognition.segments:
        known = replace(known, segments=(*known.segments, segment))
        yield known
    yield replace(known, complete=True)
