"""Opens a picture as people see it: any format that Pillow knows by its content, upright, in sRGB, 8 bits a channel.

HEIC needs the extra `heif`. Knows nothing of captions or of training. Of an animation the first frame is taken.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

MAX_PIXELS = 100_000_000
NOT_OPENED = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
"""Known to Pillow but no pictures of pixels, or run another program."""
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
DEPTHS = (8, 10, 12, 14, 16)
"""Bits a channel of cameras and scanners, all of which write them into 16."""


class UnreadablePicture(Exception):
    """`str(error)` is the reason, short enough for a list."""


@dataclass(frozen=True)
class Picture:
    """An RGB image in sRGB, and what was done to it that a person may not expect."""

    image: Image.Image
    note: str = ""


def open_picture(path: Path) -> Picture:
    """Decode fully, turn as EXIF says, bring to sRGB and 8 bits, put transparency on white.

    Raises UnreadablePicture.
    """
    try:
        with Image.open(path, formats=_formats()) as opened:
            if (pixels := opened.width * opened.height) > MAX_PIXELS:
                raise _too_many(pixels)
            frames = int(getattr(opened, "n_frames", 1))
            image, note = _as_seen(ImageOps.exif_transpose(opened))
    except UnreadablePicture:
        raise
    except Image.DecompressionBombError as error:
        told = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_many(int(told[1]) if told else 2 * MAX_PIXELS) from error
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and others
        if needs_heif(path):
            raise UnreadablePicture("a HEIC picture, which needs pip install 'imagine-sound[heif]'") from error
        raise UnreadablePicture(f"cannot be read ({type(error).__name__})") from error
    return Picture(image, "; ".join(part for part in (note, f"the first of {frames} frames" * (frames > 1)) if part))


def open_upright(path: Path) -> Image.Image:
    """Only the image of `open_picture`. Raises UnreadablePicture."""
    return open_picture(path).image


def is_picture(path: Path) -> bool:
    """Whether the file begins as a picture does, whatever it is called; HEIC counts even where it cannot be opened."""
    try:
        with Image.open(path, formats=_formats()):
            return True
    except Image.DecompressionBombError:
        return True
    except Exception:
        return needs_heif(path)


def needs_heif(path: Path) -> bool:
    """Whether the file is one of HEIC's family, by its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS


@contextmanager
def large_ones_too() -> Iterator[None]:
    """While it lasts, Pillow does not warn of more than 89 megapixels; the limit here is another, and is told.

    For whole tasks, not for each picture: Python's filters of warnings are those of all threads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _as_seen(image: Image.Image) -> tuple[Image.Image, str]:
    if image.mode == "F" or image.mode.startswith("I"):
        eight_bits, note = _to_eight_bits(np.asarray(image))
        return Image.fromarray(eight_bits).convert("RGB"), note
    profile: bytes | None = image.info.get("icc_profile")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if not image.has_transparency_data:
        return _in_srgb(image, profile)
    image = image.convert("RGBA")
    colours, note = _in_srgb(image.convert("RGB"), profile)
    white = Image.new("RGB", image.size, "white")
    white.paste(colours, mask=image.getchannel("A"))
    return white, note


def _in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """RGB by the picture's own colour profile; without one it is taken for sRGB."""
    if not profile and image.mode != "LAB":
        return image.convert("RGB"), ""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB"), "its colour profile cannot be used, so it was taken for sRGB"
    assert converted is not None, "only a conversion in place returns nothing"
    return converted, ""


def _to_eight_bits(values: NDArray[np.generic]) -> tuple[NDArray[np.uint8], str]:
    """Grey levels of more than 8 bits or of floating point, [h, w], scaled by the range that their kind has.

    Whole numbers: by the least usual depth that holds them. Others: from 0 to 1 if all are within, else from the least
    to the greatest. Raises UnreadablePicture if any is no number.
    """
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise UnreadablePicture("some of its values are no numbers (NaN or infinite)")
    low, high = float(numbers.min()), float(numbers.max())
    if np.issubdtype(values.dtype, np.integer) and low >= 0 and high < 2 ** DEPTHS[-1]:
        bits = next(depth for depth in DEPTHS if high < 2**depth)
        low, high, note = 0.0, float(2**bits - 1), f"{bits} bits a pixel, brought to 8" if bits > 8 else ""
    elif low >= 0 and high <= 1:
        low, high, note = 0.0, 1.0, "its values from 0 to 1 were brought to 8 bits"
    else:
        note = f"its values from {low:g} to {high:g} were brought to 8 bits"
    scaled = (numbers - low) / max(high - low, np.finfo(np.float64).tiny) * 255
    return np.rint(scaled).astype(np.uint8), note


def _too_many(pixels: int) -> UnreadablePicture:
    return UnreadablePicture(f"too large ({pixels / 1e6:.0f} megapixels, at most {MAX_PIXELS // 1_000_000} are read)")


@cache
def _formats() -> tuple[str, ...]:
    """What Pillow can open here, HEIC with it if its library is installed."""
    try:
        import pillow_heif
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(name for name in Image.OPEN if name not in NOT_OPENED)
