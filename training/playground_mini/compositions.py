"""Places sprites on a background: one in the middle, two side by side, or three with one in front.

Knows sprites and backgrounds, but no words. The places are fixed (with a jitter of two pixels), and the places of two
and three subjects differ by whole 16-pixel cells, so that a small sprite looks alike in the latents wherever it stands.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from PIL import Image

from .art import SpriteSheet
from .backgrounds import EDGE, paint

SLOTS: dict[int, tuple[tuple[int, int], ...]] = {
    0: (),
    1: ((64, 66),),
    2: ((32, 72), (96, 72)),
    3: ((32, 40), (96, 40), (64, 88)),
}
JITTER = 2
BACKGROUNDS = 12
"""How many variants of each background there are."""


@dataclass(frozen=True)
class Composition:
    """What a picture shows: a place, its weather, and up to three icons in the order in which they are told."""

    place: str
    weather: str
    icons: tuple[str, ...]


@cache
def background(place: str, weather: str, variant: int) -> Image.Image:
    return paint(place, weather, random.Random(f"{place} {weather} {variant}"))


def compose(composition: Composition, sprites: SpriteSheet, chance: random.Random, jitter: int = JITTER) -> Image.Image:
    """Paints the composition; chance decides on jitter and on the background's details (without jitter: on neither)."""
    variant = chance.randrange(BACKGROUNDS) if jitter else 0
    picture = background(composition.place, composition.weather, variant).convert("RGBA")
    sheet = sprites.large if len(composition.icons) == 1 else sprites.small
    for icon, (x, y) in zip(composition.icons, SLOTS[len(composition.icons)], strict=True):
        sprite = sheet[icon]
        left = x - sprite.width // 2 + chance.randint(-jitter, jitter)
        top = y - sprite.height // 2 + chance.randint(-jitter, jitter)
        layer = Image.new("RGBA", (EDGE, EDGE), (0, 0, 0, 0))
        layer.paste(sprite, (left, top))
        picture.alpha_composite(layer)
    return picture.convert("RGB")
