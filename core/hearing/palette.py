"""Three colours out of a picture, for silence, the middle and the loudest: what its sound's strip is woven in.

Pure functions. Colours are compared in Oklab (Björn Ottosson, https://bottosson.github.io/posts/oklab), where equal
distances look alike. It knows nothing of sounds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Colour = tuple[int, int, int]
"""sRGB, 0 to 255."""

Colours = npt.NDArray[np.float64]
"""Shape (n, 3)."""

SIDE = 64
"""Pixels to which a picture is made smaller before its colours are counted."""
COUNTED = 10
"""Colours that are told apart in it."""
FOOT = 3
"""Rows of those pixels at the lower edge, where the picture meets its strip."""
LEAST_SHARE = 0.01
"""Colours that cover less are specks."""
LEAST_CONTRAST = 3.0
"""Between the loudest and the ground; WCAG 2.2 asks for so much of graphics (1.4.11)."""

_TO_CONE = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Palette:
    """What silence, the middle and the loudest moments look like."""

    ground: Colour
    middle: Colour
    loud: Colour


def palette_of(picture: Image.Image) -> Palette:
    """The colours of `picture`, of any mode and size: its ground at the lower edge, what stands out most from that, and
    a colour between the two, the picture's own if it has one."""
    small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=1.0)
    ground = np.median(np.asarray(small)[-FOOT:].reshape(-1, 3).astype(float), axis=0)
    colours = _main_colours(small)
    lab, ground_lab = _oklab(colours), _oklab(ground[None])[0]
    away = np.linalg.norm(lab - ground_lab, axis=1)
    chroma = np.linalg.norm(lab[:, 1:], axis=1)
    loudest = int(np.argmax(away + 2 * chroma))
    loud = _made_readable(colours[loudest], ground)
    middle = _between(colours, lab, ground_lab, lab[loudest], chroma)
    return Palette(_rounded(ground), _rounded((ground + loud) / 2 if middle is None else middle), _rounded(loud))


def _main_colours(small: Image.Image) -> Colours:
    few = small.quantize(COUNTED, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    counted = np.bincount(np.asarray(few).ravel())
    palette = np.array(few.getpalette(), dtype=float).reshape(-1, 3)[: len(counted)]
    return palette[counted >= LEAST_SHARE * SIDE * SIDE]


def _between(colours: Colours, lab: Colours, ground: Colours, loud: Colours, chroma: Colours) -> Colours | None:
    """The most colourful one whose lightness is between the two, and that neither of them could be taken for."""
    darker, lighter = sorted((float(ground[0]), float(loud[0])))
    is_between = (lab[:, 0] > darker) & (lab[:, 0] < lighter)
    nearest = np.minimum(np.linalg.norm(lab - ground, axis=1), np.linalg.norm(lab - loud, axis=1))
    fits = is_between & (nearest > 0.25 * np.linalg.norm(loud - ground))
    return colours[int(np.argmax(np.where(fits, chroma, -1.0)))] if fits.any() else None


def _made_readable(colour: Colours, ground: Colours) -> Colours:
    """`colour`, mixed with as much black or white as it needs against `ground`, and no more."""
    end = np.full(3, 0.0 if _contrast(np.zeros(3), ground) > _contrast(np.full(3, 255.0), ground) else 255.0)
    mixed = (colour + (end - colour) * share for share in np.linspace(0, 1, 21))
    return next(one for one in mixed if _contrast(one, ground) >= LEAST_CONTRAST)


def _contrast(one: Colours, other: Colours) -> float:
    """WCAG's contrast ratio, 1 to 21."""
    lighter, darker = sorted((float(_linear(colour) @ _LUMINANCE) for colour in (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _oklab(colours: Colours) -> Colours:
    lab: Colours = np.cbrt(_linear(colours) @ _TO_CONE.T) @ _TO_LAB.T
    return lab


def _linear(colours: Colours) -> Colours:
    """Light, 0 to 1, of sRGB values (IEC 61966-2-1)."""
    share = colours / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _rounded(colour: Colours) -> Colour:
    red, green, blue = (round(float(part)) for part in colour)
    return red, green, blue
