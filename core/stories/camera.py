"""Where the camera looks at each moment: slowly into a picture, out of it, or along it to where it sounds from.

A shot's motion goes on through its cross-fades, so that nothing stands still or jumps. Pure functions, but for the
pictures that `frames` makes. It knows nothing of encoders, nor of what is seen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image

SHORTER_SIDE, LONGEST_SIDE = 720, 1920
"""Pixels."""
MOST_ZOOM = 1.12
"""How much larger a picture gets over a shot."""
LEANS_FROM = 0.25
"""From this balance on the camera goes along the picture instead of into it."""
FADE_S = 1.0
_HELD = 1.4
"""How many times as wide as the film a picture is held. Nearer to the film's own size it would shimmer while it moves:
sharp where its pixels meet the film's, and soft between."""


@dataclass(frozen=True)
class Shot:
    """One picture and when it is seen, in seconds of the film; shots follow each other without gaps.

    `title` names its chapter. `balance`: where it sounds from, -1 left to 1 right; the camera leans there.
    """

    image: Image.Image
    begins_s: float
    ends_s: float
    title: str = ""
    balance: float = 0.0


@dataclass(frozen=True)
class Box:
    """A part of a picture: its middle, from 0, 0 at the top left to 1, 1, and the share of its width and height."""

    x: float
    y: float
    share: float


@dataclass(frozen=True)
class View:
    """What of shot `number` is seen, and how much it counts; the weights of a moment make 1."""

    number: int
    box: Box
    weight: float


@dataclass(frozen=True)
class _Seen:
    """When a shot is seen, its fades included; they are of so many seconds, and 0 where there is no shot beside it."""

    begins_s: float
    ends_s: float
    fades_in_s: float
    fades_out_s: float


def film_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of a film that begins with `image`, in pixels: even, and in its proportions.

    Of a picture that is longer than any film, the middle is shown.
    """
    scale = SHORTER_SIDE / min(image.size)
    width, height = (min(LONGEST_SIDE, 2 * round(side * scale / 2)) for side in image.size)
    return width, height


def views(shots: Sequence[Shot], at_s: float) -> tuple[View, ...]:
    """What is seen at a moment, one view or two; before the first shot the first, after the last the last."""
    found = []
    for number, seen in enumerate(_all_seen(shots)):
        weight = _weight(seen, at_s)
        if weight > 0:
            done = (at_s - seen.begins_s) / (seen.ends_s - seen.begins_s)
            box = _box(min(1.0, max(0.0, done)), shots[number].balance, outwards=number % 2 == 1)
            found.append(View(number, box, weight))
    return tuple(found)


def _all_seen(shots: Sequence[Shot]) -> list[_Seen]:
    """A fade takes a second, half of it on each side of the cut, and never more than the shorter of the two shots."""
    fades = [0.0]
    fades += [min(FADE_S, one.ends_s - one.begins_s, other.ends_s - other.begins_s) for one, other in pairwise(shots)]
    fades.append(0.0)
    return [
        _Seen(shot.begins_s - before / 2, shot.ends_s + after / 2, before, after)
        for shot, before, after in zip(shots, fades, fades[1:], strict=False)
    ]


def _weight(seen: _Seen, at_s: float) -> float:
    weight = 1.0
    if seen.fades_in_s:
        weight = min(weight, _smooth((at_s - seen.begins_s) / seen.fades_in_s))
    if seen.fades_out_s:
        weight = min(weight, 1 - _smooth(1 - (seen.ends_s - at_s) / seen.fades_out_s))
    return weight


def _smooth(share: float) -> float:
    """From 0 to 1 without a kink at either end."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def _box(done: float, balance: float, *, outwards: bool) -> Box:
    """Where the camera is when `done` of its way is; the zoom grows by the same factor each second."""
    room = 1 - 1 / MOST_ZOOM
    if abs(balance) >= LEANS_FROM:
        return Box(0.5 + (done - 0.5) * room * max(-1.0, min(1.0, balance)), 0.5, 1 / MOST_ZOOM)
    share = MOST_ZOOM ** -(1 - done if outwards else done)
    return Box(0.5 + balance * (1 - share) / 2, 0.5, share)


def frames(
    shots: Sequence[Shot], size: tuple[int, int], times_s: Iterator[float], finish: Callable[[int, Image.Image], None]
) -> Iterator[Image.Image]:
    """The film's pictures at these moments, in order, RGB of `size`; no more than two shots' pictures are held.

    `finish` may draw on each view of a shot, by its number, before it fades.
    """
    held: dict[int, Image.Image] = {}
    for at_s in times_s:
        seen = views(shots, at_s)
        held = {view.number: held.get(view.number) or _fitting(shots[view.number].image, size) for view in seen}
        frame: Image.Image | None = None
        weight = 0.0
        for view in seen:
            drawn = _drawn(held[view.number], view.box, size)
            finish(view.number, drawn)
            weight += view.weight
            frame = drawn if frame is None else Image.blend(frame, drawn, view.weight / weight)
        assert frame is not None
        yield frame


def _fitting(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of `image` in the film's proportions, somewhat larger than the film."""
    width, height = size
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    held = round(width * _HELD), round(height * _HELD)
    return image.convert("RGB").resize(held, Image.Resampling.LANCZOS, box=box)


def _drawn(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """The part of `image` that `box` shows; its edges lie between pixels, so that the motion is smooth."""
    left, top = (box.x - box.share / 2) * image.width, (box.y - box.share / 2) * image.height
    right, bottom = left + box.share * image.width, top + box.share * image.height
    edges = max(0.0, left), max(0.0, top), min(float(image.width), right), min(float(image.height), bottom)
    return image.resize(size, Image.Resampling.BICUBIC, box=edges)
