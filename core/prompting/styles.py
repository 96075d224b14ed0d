"""The styles a picture can be painted in: words around the scene, and what the picture must not show.

A style knows nothing of what was heard; `prompt.py` puts the two together.
"""

from dataclasses import dataclass
from enum import StrEnum

UNWANTED = "text, watermark, signature, blurry, deformed"
"""What no picture should show, whatever its style."""


class Style(StrEnum):
    """The styles by the names that settings and commands use."""

    NONE = "none"
    PHOTOGRAPH = "photograph"
    OIL_PAINTING = "oil-painting"
    WATERCOLOUR = "watercolour"
    COMIC = "comic"
    PIXEL_ART = "pixel-art"
    NIGHT_NEON = "night-neon"
    CHILDRENS_BOOK = "childrens-book"


@dataclass(frozen=True)
class StyleTemplate:
    """`words` follow the scene, `unwanted` joins the negative prompt."""

    words: str
    unwanted: str


TEMPLATES: dict[Style, StyleTemplate] = {
    Style.NONE: StyleTemplate("", ""),
    Style.PHOTOGRAPH: StyleTemplate("photograph, natural light, sharp focus", "painting, drawing, cartoon"),
    Style.OIL_PAINTING: StyleTemplate("oil painting, rich brush strokes", "photograph, 3d render"),
    Style.WATERCOLOUR: StyleTemplate("watercolour, soft washes on white paper", "photograph, harsh lines"),
    Style.COMIC: StyleTemplate("comic book panel, bold ink lines, flat colours", "photograph, speech bubble"),
    Style.PIXEL_ART: StyleTemplate("pixel art, 16-bit game", "photograph, smooth gradients"),
    Style.NIGHT_NEON: StyleTemplate("at night, glowing neon light", "daylight, overexposed"),
    Style.CHILDRENS_BOOK: StyleTemplate("children's book illustration, warm and gentle", "photograph, scary"),
}
