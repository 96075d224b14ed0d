"""A picture in overlapping tiles, and the tiles as one picture again. Pure; knows nothing of networks.

What a network makes of a tile is wrong near the tile's edges, where it cannot see what lies beyond. Of each overlap the
outer pixels are therefore not used at all; across the middle one tile fades into the next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TILE = 512
"""Side of a tile, in pixels of the small picture."""
OVERLAP = 32
"""Pixels that two neighbours share."""
FADE = 8
"""Of these, across how many the one fades into the other."""

Pixels = NDArray[np.float32]
"""Height, width and three colours; 0 to 1."""


@dataclass(frozen=True)
class Span:
    """A tile's place on one axis: pixels `start` to `stop` of the small picture, without `stop` itself."""

    start: int
    stop: int


def spans(length: int, tile: int) -> list[Span]:
    """Where tiles of at most `tile` pixels lie on an axis of `length`; neighbours share OVERLAP, the last two more."""
    last = max(0, length - tile)
    starts = [*range(0, last, tile - OVERLAP), last]
    return [Span(start, min(length, start + tile)) for start in starts]


def weights(places: Sequence[Span], number: int, scale: int) -> Pixels:
    """How much each pixel of tile `number`, enlarged `scale` times, counts along one axis; all tiles' add up to one."""
    place = places[number]
    made = np.ones((place.stop - place.start) * scale, np.float32)
    if number > 0:
        rising = _rising((places[number - 1].stop - place.start) * scale, FADE * scale)
        made[: len(rising)] *= rising
    if number < len(places) - 1:
        rising = _rising((place.stop - places[number + 1].start) * scale, FADE * scale)
        made[-len(rising) :] *= 1 - rising
    return made


def _rising(overlap: int, fade: int) -> Pixels:
    """Nothing, then 0 to 1 in equal steps across the middle, then all: the weights across an overlap."""
    return ((np.arange(overlap, dtype=np.float32) - (overlap - fade) // 2 + 0.5) / fade).clip(0, 1)


def joined(rows: Sequence[Span], columns: Sequence[Span], scale: int, tiles: Iterator[Pixels]) -> NDArray[np.uint8]:
    """One picture from `tiles`, row by row, each enlarged `scale` times.

    No more than a row of tiles is kept in floats, and less of the one before.
    """
    height, width = rows[-1].stop * scale, columns[-1].stop * scale
    picture = np.empty((height, width, 3), np.uint8)
    carried = np.zeros((0, width, 3), np.float32)
    for row, across in enumerate(rows):
        strip = np.zeros(((across.stop - across.start) * scale, width, 3), np.float32)
        for column, along in enumerate(columns):
            part = strip[:, along.start * scale : along.stop * scale]
            part += next(tiles) * weights(columns, column, scale)[None, :, None]
        strip *= weights(rows, row, scale)[:, None, None]
        strip[: len(carried)] += carried
        finished = len(strip) if row == len(rows) - 1 else (rows[row + 1].start - across.start) * scale
        top = across.start * scale
        picture[top : top + finished] = np.rint(strip[:finished].clip(0, 1) * 255).astype(np.uint8)
        carried = strip[finished:].copy()
    return picture
