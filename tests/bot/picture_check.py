"""A picture check for tests, in place of a classifier with weights."""

from PIL import Image


def takes_red_for_unfit(image: Image.Image) -> float:
    """Fulfils core.generation.picture_check.Look."""
    red, green, _ = image.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    return 0.9 if red > green else 0.1
