"""Pictures and noise as text, as JSON can hold them. What is read here may be anybody's."""

import base64
import binascii
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

MOST_PIXELS = 64_000_000
"""Of a picture that comes in; more is not painted by any model, and would only fill the memory."""


class Nonsense(ValueError):
    """What came is not what is said between painters."""


def png(image: Image.Image) -> str:
    """Lossless, and compressed little: on a wire between machines that costs less than compressing it more."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return encoded(out.getvalue())


def to_image(text: str) -> Image.Image:
    """Raises Nonsense, also for one that is too large."""
    try:
        image = Image.open(io.BytesIO(decoded(text)))
        if image.width * image.height > MOST_PIXELS:
            raise Nonsense(f"a picture of {image.width}x{image.height}")
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Nonsense("a picture that is none") from error
    return image


def of_array(array: npt.NDArray[np.float32]) -> str:
    """As numpy writes it, with its shape."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return encoded(out.getvalue())


def to_array(text: str) -> npt.NDArray[np.float32]:
    """Three axes. Raises Nonsense."""
    try:
        found = np.load(io.BytesIO(decoded(text)), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Nonsense("noise that is none") from error
    if not isinstance(found, np.ndarray) or found.ndim != 3:
        raise Nonsense("noise that is none")
    return found.astype(np.float32)


def encoded(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode("ascii")


def decoded(text: str) -> bytes:
    """From base64. Raises Nonsense."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Nonsense("what should be base64 is not") from error
