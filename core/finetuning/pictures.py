"""Pictures inside a page, so that the page needs no other file."""

import base64
import io
from pathlib import Path

from PIL import Image


def inline_picture(path: Path, longest_side: int) -> str:
    """A `data:` address with a JPEG, made smaller where it is larger than `longest_side` pixels."""
    with Image.open(path) as image:
        image.thumbnail((longest_side, longest_side * 8))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
