"""Gives a finished composition the look of a style: colours and coarse texture, which survive the latents.

A latent stands for 16 × 16 pixels, so brush strokes and paper are beyond it: each style is mostly a palette of its own
(pixel art has the four greens of an old handheld console).
Knows pictures and styles, but neither captions nor subjects.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from core.prompting.styles import Style

Colour = tuple[int, int, int]


@cache
def _corners(size: tuple[int, int]) -> Image.Image:
    """A mask that is 0 in the middle and rises to 255 in the corners."""
    return Image.radial_gradient("L").resize(size).point(lambda level: max(0, min(255, (level - 110) * 255 // 145)))


def _blended(image: Image.Image, colour: Colour, share: float) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, colour), share)


def _framed(image: Image.Image, colour: Colour) -> Image.Image:
    """The picture with corners that fade into a colour."""
    return Image.composite(Image.new("RGB", image.size, colour), image, _corners(image.size))


def _photograph(image: Image.Image) -> Image.Image:
    return _framed(ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(0.6)).enhance(1.15), (40, 40, 44))


def _oil_painting(image: Image.Image) -> Image.Image:
    strokes = ImageEnhance.Color(image).enhance(1.3).filter(ImageFilter.ModeFilter(7))
    return _blended(ImageChops.multiply(strokes, Image.new("RGB", image.size, (255, 226, 176))), (110, 66, 24), 0.22)


def _watercolour(image: Image.Image) -> Image.Image:
    return _framed(_blended(image, (255, 255, 255), 0.42), (255, 255, 255))


def _comic(image: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Color(ImageOps.posterize(image, 3)).enhance(1.9)).enhance(1.25)


def _pixel_art(image: Image.Image) -> Image.Image:
    small = image.resize((image.width // 8, image.height // 8), Image.Resampling.BOX).convert("L")
    levels = ImageOps.posterize(ImageOps.autocontrast(small, cutoff=2), 2)
    tinted = ImageOps.colorize(levels, (15, 56, 15), (202, 220, 130), (96, 144, 48), whitepoint=192)
    return tinted.resize(image.size, Image.Resampling.NEAREST)


def _night_neon(image: Image.Image) -> Image.Image:
    dark = ImageChops.multiply(ImageEnhance.Color(image).enhance(1.8), Image.new("RGB", image.size, (150, 96, 220)))
    return _framed(dark, (16, 6, 44))


def _childrens_book(image: Image.Image) -> Image.Image:
    return _framed(_blended(image, (255, 232, 190), 0.3), (255, 244, 218))


_FINISHES: dict[Style, Callable[[Image.Image], Image.Image]] = {
    Style.PHOTOGRAPH: _photograph,
    Style.OIL_PAINTING: _oil_painting,
    Style.WATERCOLOUR: _watercolour,
    Style.COMIC: _comic,
    Style.PIXEL_ART: _pixel_art,
    Style.NIGHT_NEON: _night_neon,
    Style.CHILDRENS_BOOK: _childrens_book,
}


def finished(image: Image.Image, style: Style) -> Image.Image:
    """The picture in the style's look; unchanged where no style is asked for."""
    finish = _FINISHES.get(style)
    return image if finish is None else finish(image)
