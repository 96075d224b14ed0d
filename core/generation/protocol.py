"""Painting: a GenerationRequest goes in, steps and previews come out, then a Picture.

This module holds what both sides of the wall share: the request, the picture, what happens in between, and the
ImageGenerator protocol that every painter fulfils. It imports no model library and knows nothing of sounds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from core.errors import ImagineSoundError
from core.prompting.prompt import CLIP_TOKENS, Prompt, TokenCounter
from core.provenance.watermark import Pattern
from core.recipe import Recipe

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class GenerationRequest:
    """One picture to be painted. None stands for the model's own default.

    `user` is whom the queue is fair to. `heard` goes into the picture's recipe as it is. `pattern` is what the noise is
    marked with, None for not at all.
    """

    prompt: Prompt
    seed: int
    steps: int | None = None
    guidance: float | None = None
    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    adapter: str | None = None
    near: int | None = None
    """The seed of a picture whose composition is kept."""
    user: str = ""
    heard: tuple[str, ...] = ()
    pattern: Pattern | None = None


@dataclass(frozen=True)
class InspectionRequest:
    """A picture, of anybody, whose starting noise is to be read out of it.

    `prompt`: what it may have been painted from, which finds more; None: without. `size`: width and height at which it
    may have been painted, None for the model's own. `passes`: how many evaluations of the network it takes.
    """

    image: Image
    prompt: Prompt | None = None
    size: tuple[int, int] | None = None
    passes: int = 1
    user: str = ""


@dataclass(frozen=True)
class UpscalingRequest:
    """A painted picture to be enlarged `times` times, 2 or 4; `recipe` is how it was painted.

    `user` is whom the queue is fair to.
    """

    image: Image
    recipe: Recipe
    times: int
    user: str = ""


@dataclass(frozen=True)
class Note:
    """What a person should know about a picture; whoever shows it says it in the reader's language.

    `key` names the sentence, `values` fill its places.
    """

    key: str
    values: Mapping[str, str | int | float]


@dataclass(frozen=True)
class Picture:
    """A painted picture, its recipe, and the `seconds` that painting took.

    `image` is what to show, which may have been enlarged from the recipe's size.
    """

    image: Image
    recipe: Recipe
    seconds: float
    is_miniature: bool = False
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Loading:
    """The model is being made ready; until it is, nobody has a place in the queue.

    `arrived`: how much of it has been fetched, from 0 to 1, while it is being fetched.
    """

    arrived: float | None = None


@dataclass(frozen=True)
class Queued:
    """The request waits; `position` 1 is next.

    `picture_s`: about how long one picture takes, see GeneratorInfo.
    """

    position: int
    picture_s: float | None = None


@dataclass(frozen=True)
class Painting:
    """`step` of `steps` is done, or tile of tiles in enlarging; `preview` is a small JPEG now and then.

    Where several pictures were asked for at once, `index` says which of them it is about, from 0.
    """

    step: int
    steps: int
    preview: bytes | None = None
    index: int = 0


@dataclass(frozen=True)
class Painted:
    """The picture is painted; nothing follows about this one. `index`: see Painting."""

    picture: Picture
    index: int = 0


@dataclass(frozen=True)
class Inspected:
    """What an inspection found, float32, shape (channels, height, width), of any scale; nothing follows."""

    noise: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Failed:
    """No picture will come; nothing follows."""

    error: ImagineSoundError


GenerationEvent = Loading | Queued | Painting | Painted | Inspected | Failed
Listener = Callable[[GenerationEvent], None]
"""Called from the painter's threads, in order, the last time with Painted, Inspected or Failed. Must return at once."""


@dataclass(frozen=True)
class GeneratorInfo:
    """What a person may know about the model, and its defaults."""

    model: str
    revision: str
    steps: int
    guidance: float
    size: tuple[int, int]
    is_miniature: bool = False
    adapters: Sequence[str] = field(default=())
    count_tokens: TokenCounter | None = None
    """The model's own count of a prompt's tokens, callable from any thread; None where it cannot tell."""
    most_tokens: int = CLIP_TOKENS
    """How many of them it reads."""
    speed: str = "exact"
    """The SPEED preset."""
    picture_s: float | None = None
    """About how many seconds a picture with the model's own values takes alone, where that was estimated before the
    first."""
    side_unit: int = 8
    """Pixels of a side are a multiple of this."""
    words: frozenset[str] | None = None
    """The nouns and settings that it can paint; None if it is not limited to some."""
    batch: int = 1
    """How many pictures it paints side by side at most."""


@dataclass(frozen=True)
class GpuMemory:
    """Bytes of a GPU's memory: `used` by whomever, of `total`."""

    used: int
    total: int


@dataclass(frozen=True)
class PainterState:
    """One of several painters: its address, why it gets nothing (empty if it paints), and how many of its places are
    taken."""

    url: str
    says: str
    busy: int
    places: int


@dataclass(frozen=True)
class Figures:
    """What a painter counts: `steps` taken since it was loaded, by how many pictures were in each. A model that
    does not tell its steps takes one a picture.

    `memory` is the GPU's after the last of them; None where there is no GPU. `painters`: where several paint as one,
    each of them.
    """

    steps: Mapping[int, int] = field(default_factory=dict)
    memory: GpuMemory | None = None
    painters: tuple[PainterState, ...] = ()


def about(seconds: float) -> str:
    """So long, no more exactly than it is known."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"


class ImageGenerator(Protocol):
    """A painter: many requests at once, each with its own listener. All methods may be called from any thread."""

    def info(self) -> GeneratorInfo:
        """What paints. Blocks until the model is loaded; raises ModelError if it cannot be."""
        ...

    def submit(self, request: GenerationRequest, listener: Listener) -> int:
        """Queue `request` and return its number; returns at once.

        Raises PainterLost once the painter is lost, ShuttingDown after `close`.
        """
        ...

    def inspect(self, request: InspectionRequest, listener: Listener) -> int:
        """Likewise; the last event is Inspected or Failed, the latter also where the model cannot inspect."""
        ...

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, from any thread, when the painter is lost; at once if it already is."""
        ...

    def cancel(self, number: int) -> None:
        """Give up a request: it leaves at the next step and its listener gets Failed(Cancelled). Unknown: nothing."""
        ...

    def queue_length(self) -> int:
        """How many requests wait or are being painted."""
        ...

    def figures(self) -> Figures:
        """What it has counted so far. Asks nothing of the device."""
        ...

    def close(self) -> None:
        """Fail what waits with ShuttingDown, end the painting thread and free the model. Takes two seconds at most."""
        ...
