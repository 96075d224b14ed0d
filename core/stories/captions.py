"""A scene's title, written into the lower part of its picture, readable on any: white on a dark plate.

It knows nothing of when it is seen.
"""

import math
import unicodedata

from PIL import Image, ImageDraw, ImageFont

_LETTERS = 0.042
"""A letter's height, as a share of the film's shorter side."""
_MOST_LINES = 2
_MARGIN = 0.05
"""What is left free at each side."""
_DASHES = {ord(dash): "-" for dash in "–—"}
_MARKS = "‘’“”…"
_PLATE = 150
"""How dark the plate is, of 255."""


def plate(title: str, size: tuple[int, int]) -> Image.Image | None:
    """The title on its plate, RGBA, for a film of `size`; None where there is nothing to say.

    Two lines at most; what is longer is cut, and ends in an ellipsis.
    """
    words = _drawable(title).split()
    if not words:
        return None
    font = ImageFont.load_default(max(10, round(min(size) * _LETTERS)))
    padding = math.ceil(min(size) * _LETTERS / 2)
    text = "\n".join(_lines(words, font, int(size[0] * (1 - 2 * _MARGIN)) - 2 * padding))
    measure = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = measure.multiline_textbbox((0, 0), text, font, align="center")
    shown = Image.new("RGBA", (math.ceil(right - left) + 2 * padding, math.ceil(bottom - top) + 2 * padding))
    draw = ImageDraw.Draw(shown)
    draw.rounded_rectangle((0, 0, shown.width - 1, shown.height - 1), padding, fill=(0, 0, 0, _PLATE))
    draw.multiline_text((padding - left, padding - top), text, "white", font, align="center")
    return shown


def write(shown: Image.Image, picture: Image.Image) -> None:
    """Put a plate into the lower part of `picture`, in the middle."""
    below = round(min(picture.size) * _MARGIN)
    picture.paste(shown, ((picture.width - shown.width) // 2, picture.height - shown.height - below), shown)


def _drawable(title: str) -> str:
    """What Pillow's own font has letters for: ASCII, and a few marks."""
    plain = unicodedata.normalize("NFKD", title.translate(_DASHES))
    return "".join(letter for letter in plain if " " <= letter <= "~" or letter in _MARKS or letter.isspace())


def _lines(words: list[str], font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", width: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in words:
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    lines.append(line)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"{lines[_MOST_LINES - 1]}…"]
    return [_shortened(line, font, width) for line in lines]


def _shortened(line: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", width: int) -> str:
    if font.getlength(line) <= width:
        return line
    line = line.removesuffix("…")
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line.rstrip()}…"
