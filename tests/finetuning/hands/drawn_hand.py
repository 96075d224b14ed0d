"""A hand drawn with Pillow that MediaPipe recognises, and an exact skeleton of one for the arithmetic."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

GROUND = (90, 110, 90)
SKIN, SHADE, NAIL = (224, 172, 138), (179, 137, 110), (245, 210, 190)
FINGERS = ((204, -14, 120), (240, -4, 140), (276, 5, 130), (310, 16, 100))
"""Where each finger starts, its angle in degrees and its length."""


def drawn_hand(side: int = 640, share: float = 0.6) -> Image.Image:
    """An open hand in the middle of a `side` × `side` picture, `share` of it high."""
    hand = Image.new("RGB", (512, 512), GROUND)
    pen = ImageDraw.Draw(hand)
    for colour, extra in ((SHADE, 6), (SKIN, 0)):
        _limb(pen, (256, 500), (256, 400), 90 + extra, colour)
        pen.rounded_rectangle(
            (186 - extra / 2, 270 - extra / 2, 326 + extra / 2, 430 + extra / 2), radius=40, fill=colour
        )
        for start, degrees, length in FINGERS:
            _limb(pen, (start, 300), _along(start, degrees, length + 40), 34 + extra, colour)
        _limb(pen, (196, 390), (120, 310), 40 + extra, colour)
    for start, degrees, length in FINGERS:
        for share_of_finger in (0.55, 0.8):
            x, y = _along(start, degrees, (length + 40) * share_of_finger)
            pen.line((x - 12, y, x + 12, y), fill=SHADE, width=2)
        x, y = _along(start, degrees, length + 40)
        pen.ellipse((x - 9, y - 12, x + 9, y + 6), fill=NAIL)
    picture = Image.new("RGB", (side, side), GROUND)
    size = round(side * share)
    picture.paste(hand.filter(ImageFilter.GaussianBlur(1.2)).resize((size, size)), ((side - size) // 2,) * 2)
    return picture


def skeleton(stretch: float = 1.0, bend: float = 0.0, wobble: float = 0.0, seed: int = 0) -> NDArray[np.float64]:
    """[21, 3]: five straight fingers; `stretch` lengthens the last bones, `bend` folds each joint, in radians."""
    draw = np.random.default_rng(seed)
    points = np.zeros((21, 3))
    for finger in range(5):
        angle = math.radians(-60 + 25 * finger)
        place = np.zeros(3)
        for bone in range(4):
            length = (0.09 if bone == 0 else 0.04 - 0.008 * bone) * (stretch if bone == 3 else 1.0)
            length *= 1 + wobble * draw.standard_normal()
            fold = bend * bone * (1 + wobble * draw.standard_normal()) + 0.1 * bone
            place = place + length * np.array(
                [math.sin(angle) * math.cos(fold), math.cos(angle) * math.cos(fold), math.sin(fold)]
            )
            points[1 + 4 * finger + bone] = place
    return points


def _along(start: float, degrees: float, length: float) -> tuple[float, float]:
    angle = math.radians(degrees)
    return start + math.sin(angle) * length, 300 - math.cos(angle) * length


def _limb(
    pen: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    width: float,
    colour: tuple[int, int, int],
) -> None:
    pen.line((start, end), fill=colour, width=round(width))
    for x, y in (start, end):
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=colour)
