"""What somebody may choose for one picture. It knows the choices, not who makes them or what comes of them."""

from dataclasses import dataclass
from enum import StrEnum

from core.prompting.styles import Style


class Shape(StrEnum):
    """A picture's shape, whatever its size."""

    SQUARE = "square"
    TALL = "tall"
    WIDE = "wide"


@dataclass(frozen=True)
class ImagineOptions:
    """None stands for the settings' or the model's default.

    `prompt` and `negative_prompt` replace the words made from what was heard. `size` is width and height in pixels;
    without one, `shape` is that of as many pixels as the model's own.
    `near` is the seed of a picture whose composition is kept. `count` pictures are painted, from `seed` on one each.
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
    count: int = 1
    max_seconds: float | None = None
    spoken_words: bool = True
    said: str | None = None
    speech_language: str | None = None
    silence: bool = False
