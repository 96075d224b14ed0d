"""The stream that every front end reads: Heard, then Loading, Queued and Painting, then Painted.

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


@dataclass(frozen=True)
class HeardSummary:
    """What was heard, as plain values that can be stored as JSON.

    `title` is a short English name of the sound. `prompt` is in `style`; None says that somebody chose its words.
    `shortened`, `damaged`, `begins_s` and `mendings` are the clip's. `spoken` are the recognised words, empty unless
    transcription is on. `passes`: of how many looks at the sound the scores are the mean; what was stored
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
    spoken: str = ""
    passes: int = 1
    manner: Manner = NOTHING_TOLD

    @property
    def only_silence(self) -> bool:
        """Whether there is nothing to paint."""
        return all(category.name == SILENCE for category in self.top)

    def with_fewer_labels(self, most: int) -> "HeardSummary":
        """The same with at most `most` labels a window, which is less to keep."""
        windows = tuple(replace(window, categories=window.categories[:most]) for window in self.windows)
        return replace(self, windows=windows)


@dataclass(frozen=True)
class Heard:
    """What is in the recording, with the sound itself and the scene that the prompt tells."""

    summary: HeardSummary
    scene: Scene
    clip: Clip


Event = Heard | Loading | Queued | Painting | Painted
