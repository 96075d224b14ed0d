"""Painting: a GenerationRequest goes in, steps and previews come out, then a Picture.

This module holds what both sides of the wall share: the request, the picture, what happens in between, and the
ImageGenerator protocol that every painter fulfils. It imports no model library and knows nothing of sounds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL.Image import Image

from core.errors import ImagineSoundError
from core.prompting.prompt import CLIP_TOKENS, Prompt, TokenCounter
from core.recipe import Recipe

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class GenerationRequest:
    """One picture to be painted. None stands for the model's own default.

    `user` is whom the queue is fair to. `heard` goes into the picture's recipe as it is.
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
    """The request waits; `position` 1 is next."""

    position: int


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
class Failed:
    """No picture will come; nothing follows."""

    error: ImagineSoundError


GenerationEvent = Loading | Queued | Painting | Painted | Failed
Listener = Callable[[GenerationEvent], None]
"""Called from the painter's threads, in order, the last time with Painted or Failed. Must return at once."""


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
    words: frozenset[str] | None = None
    """The nouns and settings that it can paint; None if it is not limited to some."""


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

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, from any thread, when the painter is lost; at once if it already is."""
        ...

    def cancel(self, number: int) -> None:
        """Give up a request: it leaves at the next step and its listener gets Failed(Cancelled). Unknown: nothing."""
        ...

    def queue_length(self) -> int:
        """How many requests wait or are being painted."""
        ...

    def close(self) -> None:
        """Fail what waits with ShuttingDown, end the painting thread and free the model. Takes two seconds at most."""
        ...
