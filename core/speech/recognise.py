"""What a recogniser says of a clip, as plain values; which recogniser it is, is not known here."""

from dataclasses import dataclass
from typing import Protocol

from core.hearing.audio import Clip


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
class Recognised:
    """The words of a clip. `language` is a code as Whisper has it, and `language_probability` how sure that is."""

    segments: tuple[Segment, ...]
    language: str
    language_probability: float

    @property
    def words(self) -> str:
        """All of them."""
        return " ".join(text for segment in self.segments if (text := segment.text.strip()))


class Recogniser(Protocol):
    """Recognises speech."""

    def recognise(self, clip: Clip) -> Recognised:
        """The words in `clip`. Blocks for as long as it takes."""
        ...
