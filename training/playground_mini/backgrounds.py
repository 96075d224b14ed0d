"""Paints the settings behind the subjects: eight plain places, and the weather over them.

Each place is one simple design; the random generator only shifts its colours and small details a little. Knows neither
captions nor subjects. Coordinates are those of a picture of 128 × 128; it is drawn four times as large and shrunk to
256 × 256 pixels.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

EDGE = 128
"""Edge of the coordinates."""
PIXELS = 256
"""Edge of the picture."""
_SCALE = 4
Colour = tuple[int, int, int]

PLACES = ("plain", "room", "hall", "street", "country", "water", "sea", "stage")
WEATHERS = ("clear", "rain", "storm", "wind")


class Canvas:
    """A thin layer over Pillow that scales coordinates and varies colours."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.image = Image.new("RGB", (EDGE * _SCALE, EDGE * _SCALE))
        self.draw = ImageDraw.Draw(self.image)
        self.shift = chance.randint(-10, 10)

    def colour(self, colour: Colour) -> Colour:
        red, green, blue = (min(255, max(0, value + self.shift)) for value in colour)
        return red, green, blue

    def gradient(self, top: Colour, bottom: Colour, first: float = 0, last: float = EDGE) -> None:
        rows = range(round(first * _SCALE), round(last * _SCALE))
        for row in rows:
            part = (row - rows.start) / max(1, len(rows) - 1)
            mix = tuple(round(a * (1 - part) + b * part) for a, b in zip(top, bottom, strict=True))
            self.draw.line((0, row, EDGE * _SCALE, row), fill=self.colour((mix[0], mix[1], mix[2])))

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        corners = (left * _SCALE, top * _SCALE, right * _SCALE - 1, bottom * _SCALE - 1)
        self.draw.rectangle(corners, fill=self.colour(colour))

    def oval(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.draw.ellipse((left * _SCALE, top * _SCALE, right * _SCALE, bottom * _SCALE), fill=self.colour(colour))

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        self.draw.polygon([(x * _SCALE, y * _SCALE) for x, y in points], fill=self.colour(colour))

    def cloud(self, x: float, y: float, colour: Colour = (250, 252, 255)) -> None:
        for dx, dy, radius in ((-9, 2, 7), (0, -2, 9), (9, 2, 7)):
            self.oval(x + dx - radius, y + dy - radius * 0.8, x + dx + radius, y + dy + radius * 0.8, colour)


BACKDROPS: tuple[tuple[Colour, Colour], ...] = (
    ((178, 214, 232), (142, 190, 214)),
    ((190, 222, 180), (152, 196, 142)),
    ((246, 220, 160), (234, 196, 120)),
    ((240, 196, 184), (226, 160, 150)),
    ((212, 196, 232), (180, 160, 212)),
)
"""Blue, green, yellow, rose and violet: what the seed decides where no place is told."""
WALLS: tuple[tuple[Colour, Colour], ...] = (
    ((244, 222, 180), (236, 208, 162)),
    ((206, 224, 200), (188, 210, 182)),
    ((240, 204, 194), (230, 186, 176)),
)


def _plain(canvas: Canvas) -> None:
    canvas.gradient(*canvas.chance.choice(BACKDROPS))


def _room(canvas: Canvas) -> None:
    canvas.gradient(*canvas.chance.choice(WALLS), 0, 94)
    canvas.box(6, 8, 34, 42, (252, 250, 242))
    canvas.box(9, 11, 31, 39, (150, 206, 240))
    canvas.box(19, 11, 21, 39, (252, 250, 242))
    canvas.box(0, 92, EDGE, 97, (250, 242, 226))
    canvas.gradient((176, 122, 78), (150, 98, 60), 97)


def _hall(canvas: Canvas) -> None:
    canvas.gradient((206, 196, 214), (178, 166, 192), 0, 98)
    for x in (4, 102):
        canvas.box(x, 16, x + 22, 98, (232, 226, 238))
        canvas.box(x - 3, 8, x + 25, 17, (244, 240, 246))
        canvas.box(x + 15, 17, x + 22, 98, (200, 190, 212))
    canvas.gradient((146, 128, 160), (112, 96, 130), 98)


def _street(canvas: Canvas) -> None:
    canvas.gradient((150, 208, 246), (206, 234, 250), 0, 96)
    towers: tuple[tuple[int, int, int, Colour], ...] = (
        (0, 26, 30, (214, 122, 96)),
        (30, 58, 52, (232, 190, 120)),
        (58, 84, 44, (148, 160, 190)),
        (84, 106, 56, (226, 164, 132)),
        (106, 128, 24, (120, 146, 176)),
    )
    for left, right, top, colour in towers:
        canvas.box(left, top, right, 98, colour)
        for x in range(left + 5, right - 5, 9):
            for y in range(top + 6, 90, 13):
                canvas.box(x, y, x + 4, y + 6, (255, 242, 190))
    canvas.gradient((104, 106, 116), (82, 84, 94), 98)
    for x in range(canvas.chance.randint(-16, 0), EDGE, 28):
        canvas.box(x, 112, x + 15, 115, (246, 240, 214))


def _country(canvas: Canvas) -> None:
    canvas.gradient((116, 190, 246), (202, 234, 252), 0, 86)
    canvas.oval(98, 6, 120, 28, (255, 222, 96))
    canvas.cloud(24 + canvas.chance.randint(-5, 5), 18)
    canvas.oval(-50, 68, 84, 150, (136, 204, 112))
    canvas.oval(40, 72, 180, 160, (118, 190, 98))
    canvas.gradient((112, 186, 92), (84, 158, 70), 94)


def _water(canvas: Canvas) -> None:
    canvas.gradient((150, 210, 232), (206, 236, 230), 0, 72)
    for x in (-4, 18, 96, 118):
        canvas.shape([(x - 12, 78), (x + 6, 14), (x + 24, 78)], (66, 138, 96))
    canvas.gradient((108, 180, 98), (92, 164, 84), 72)
    canvas.shape([(40, 72), (88, 72), (124, 128), (4, 128)], (92, 178, 232))
    canvas.shape([(56, 72), (72, 72), (84, 128), (44, 128)], (140, 208, 246))


def _sea(canvas: Canvas) -> None:
    canvas.gradient((134, 204, 246), (214, 238, 250), 0, 62)
    canvas.oval(8, 6, 30, 28, (255, 226, 110))
    canvas.cloud(102 + canvas.chance.randint(-5, 5), 18)
    canvas.gradient((52, 146, 214), (30, 108, 184), 62, 106)
    for y in (74, 86, 98):
        start = canvas.chance.randint(-10, 4)
        for x in range(start, EDGE, 22):
            canvas.box(x, y, x + 10, y + 2, (150, 208, 244))
    canvas.gradient((246, 222, 164), (232, 202, 140), 106)


def _stage(canvas: Canvas) -> None:
    canvas.gradient((34, 26, 74), (66, 44, 120), 0, 104)
    canvas.shape([(14, 0), (30, 0), (70, 104), (10, 104)], (96, 62, 158))
    canvas.shape([(98, 0), (114, 0), (118, 104), (58, 104)], (128, 58, 150))
    for _ in range(10):
        x, y = canvas.chance.randint(2, EDGE - 4), canvas.chance.randint(2, 80)
        canvas.box(x, y, x + 2, y + 2, (250, 232, 170))
    canvas.gradient((120, 72, 110), (86, 48, 88), 104)


_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "plain": _plain,
    "room": _room,
    "hall": _hall,
    "street": _street,
    "country": _country,
    "water": _water,
    "sea": _sea,
    "stage": _stage,
}


def _tinted(image: Image.Image, colour: Colour, share: float) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, colour), share)


def _rain(canvas: Canvas, colour: Colour = (214, 232, 246)) -> None:
    for _ in range(46):
        x, y = canvas.chance.uniform(0, EDGE), canvas.chance.uniform(-8, EDGE)
        canvas.draw.line((x * _SCALE, y * _SCALE, (x - 4) * _SCALE, (y + 11) * _SCALE), fill=colour, width=_SCALE)


def paint(place: str, weather: str, chance: random.Random) -> Image.Image:
    """One background of 256 × 256 pixels."""
    canvas = Canvas(chance)
    _PAINTERS[place](canvas)
    if weather in ("rain", "storm"):
        tint, share = ((84, 104, 130), 0.5) if weather == "rain" else ((30, 32, 66), 0.66)
        canvas.image = _tinted(canvas.image, tint, share)
        canvas.draw = ImageDraw.Draw(canvas.image)
        canvas.shift = 0
        if weather == "rain":
            _rain(canvas)
        else:
            bolt: list[tuple[float, float]] = [(112, 0), (98, 26), (108, 26), (94, 56), (120, 20), (110, 20), (124, 0)]
            canvas.shape(bolt, (255, 236, 130))
            bolt = [(16, 0), (6, 20), (13, 20), (4, 42), (24, 15), (16, 15), (26, 0)]
            canvas.shape(bolt, (255, 236, 130))
    elif weather == "wind":
        for y in (14, 34, 60, 84):
            x = canvas.chance.uniform(-10, 20)
            while x < EDGE:
                arc = (x * _SCALE, (y - 6) * _SCALE, (x + 30) * _SCALE, (y + 6) * _SCALE)
                canvas.draw.arc(arc, 180, 340, fill=(250, 252, 255), width=2 * _SCALE)
                x += 46
    return canvas.image.resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)


def as_tensor_array(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The picture as channels × rows × columns in −1…1."""
    return np.asarray(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1) / 127.5 - 1.0
