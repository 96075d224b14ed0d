"""What somebody may choose for one picture, and whoever runs the program for all of them.

It knows the choices, not who makes them, how they are read or what comes of them.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from core.prompting.styles import Style


class Shape(StrEnum):
    """A picture's shape, whatever its size."""

    SQUARE = "square"
    TALL = "tall"
    WIDE = "wide"


class Speed(StrEnum):
    """How far quality may be traded for speed; see `core/generation/presets.py` for what each changes."""

    EXACT = "exact"
    BALANCED = "balanced"
    FAST = "fast"


class Memory(StrEnum):
    """How much of a GPU's memory painting may take; see `core/generation/residence.py`."""

    AUTO = "auto"
    SMALL = "small"


class Compiling(StrEnum):
    """What of the model is compiled on a GPU; see `core/generation/compiling.py`."""

    AUTO = "auto"
    OFF = "off"
    WHOLE = "whole"


class PictureCheck(StrEnum):
    """What becomes of pictures that should not be shown to everybody; see `core/checker.py`."""

    AUTO = "auto"
    """BLOCK where there is a model that can tell, else OFF."""
    OFF = "off"
    SPOILER = "spoiler"
    """They are covered until somebody wants to see them."""
    BLOCK = "block"
    """They are not shown."""


@dataclass(frozen=True)
class ImagineOptions:
    """None stands for the settings' or the model's default.

    `prompt` and `negative_prompt` replace the words made from what was heard. `size` is width and height in pixels;
    without one, `shape` is that of as many pixels as the model's own.
    `near` is the seed of a picture whose composition is kept. The noise is `marked`, where the settings say so, but for
    a picture that is painted again as it was: without a mark. `count` pictures are painted, from `seed` on one each.
    `max_seconds` of a recording are heard at most. Words spoken in it are recognised, where the settings say so,
    unless `spoken_words` says no: whoever spoke them has not agreed, or wants the sounds painted. `said` stands in for
    what would be recognised: somebody's own words. `speech_language` is what is spoken, as Whisper calls it.
    `silence` is painted where somebody wants it.
    """

    style: Style | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    size: tuple[int, int] | None = None
    shape: Shape | None = None
    adapter: str | None = None
    near: int | None = None
    marked: bool = True
    count: int = 1
    max_seconds: float | None = None
    spoken_words: bool = True
    said: str | None = None
    speech_language: str | None = None
    silence: bool = False

    def anew(self) -> "ImagineOptions":
        """The same for another picture, with a noise of its own."""
        return replace(self, seed=None, near=None, marked=True)
