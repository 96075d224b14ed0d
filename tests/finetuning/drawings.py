"""Small made pictures with captions: coloured shapes on coloured grounds."""

import json
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square", "star")


def draw(shape: str, colour: str, size: tuple[int, int], offset: int = 0) -> Image.Image:
    """One shape on white, moved by `offset` pixels."""
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    side = min(size) // 2
    left, top = (size[0] - side) // 2 + offset, (size[1] - side) // 2
    box = (left, top, left + side, top + side)
    if shape == "circle":
        pen.ellipse(box, fill=colour)
    elif shape == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.regular_polygon((left + side // 2, top + side // 2, side // 2), 3, fill=colour)
    return image


def write_imagefolder(directory: Path, count: int = 12, size: tuple[int, int] = (40, 40)) -> Path:
    """`count` different drawings with metadata.jsonl; three drawings for each subject."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        shape, colour = SHAPES[number % 3], COLOURS[number // 3 % 4]
        name = f"{number:02d}.png"
        draw(shape, colour, size, offset=number // 12 - 1).save(directory / name)
        row = {"file_name": name, "text": f"a {colour} {shape}", "subject": f"s{number // 3}", "stratum": shape}
        lines.append(json.dumps(row))
    (directory / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory
