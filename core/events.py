"""The stream that every front end reads: Heard, Understood where somebody speaks, Loading, Queued, Painting, Painted.

Heard is what the engine knows while a request is under way; its summary is what outlives it, and all that is needed
to paint the sound again. Nothing here knows who reads.
"""

from dataclasses import dataclass, replace

from core.generation.protocol import Loading, Painted, Painting, Queued
from core.hearing.acoustics import NOTHING_TOLD, Manner
from core.hearing.audio import Clip
from core.hearing.categories import SILENCE, TopCategory
from core.hearing.classifier import Prediction
from core.hearing.mending import Mending
from core.prompting.prompt import Prompt
from core.prompting.scene import Scene
from core.prompting.styles import Style
from core.speech.spoken import Spoken
from core.speech.voice import Voice


@dataclass(frozen=True)
class HeardSummary:
    """What was heard, as plain values that can be stored as JSON.

    `title` is a short English name of the sound. `prompt` is in `style`; None says that somebody chose its words.
    `shortened`, `damaged`, `begins_s` and `mendings` are the clip's. `spoken` is what somebody said in it, None where
    that was not recognised. `passes`: of how many looks at the sound the scores are the mean; what was stored
    before there were several was looked at once. `manner` is how the main subject sounded; what was stored before it
    was measured has none.
    """

    title: str
    top: tuple[TopCategory, ...]
    windows: tuple[Prediction, ...]
    duration_s: float
    prompt: Prompt
    style: Style | None = Style.NONE
    shortened: bool = False
    damaged: bool = False
    begins_s: float = 0.0
    mendings: tuple[Mending, ...] = ()
    spoken: Spoken | None = None
    passes: int = 1
    manner: Manner = NOTHING_TOLD

    @classmethod
    def of_nothing(cls) -> "HeardSummary":
        """Where there is no recording: its prompt is told anew when it is known what is wanted."""
        return cls(SILENCE, (), (), 0.0, Prompt("", ""), style=None)

    @property
    def only_silence(self) -> bool:
        """Whether there is nothing to paint."""
        return all(category.name == SILENCE for category in self.top)

    def understood(self, now: "Understood") -> "HeardSummary":
        """The same with what was said in it, which is painted from now on."""
        return replace(self, spoken=now.spoken, prompt=now.prompt)

    def without_words(self) -> "HeardSummary":
        """The same without the words that were said; the scene of them stays."""
        return self if self.spoken is None else replace(self, spoken=replace(self.spoken, words=""))

    def with_fewer_labels(self, most: int) -> "HeardSummary":
        """The same with at most `most` labels a window, which is less to keep."""
        windows = tuple(replace(window, categories=window.categories[:most]) for window in self.windows)
        return replace(self, windows=windows)


@dataclass(frozen=True)
class Heard:
    """What is in the recording, with the sound itself and the scene that the prompt tells.

    `voice`: where somebody speaks in it; None where that is not worth recognising.
    """

    summary: HeardSummary
    scene: Scene
    clip: Clip
    voice: Voice | None = None


@dataclass(frozen=True)
class Understood:
    """What was said, the scene of it and of the sounds, and the prompt that is painted instead of the sounds' own.

    `left_out` are phrases of the scene that this painter does not know.
    """

    spoken: Spoken
    scene: Scene
    prompt: Prompt
    left_out: tuple[str, ...] = ()


Event = Heard | Understood | Loading | Queued | Painting | Painted
