"""Turns openly licensed emoji icons into the sprites that playground-mini learns to draw.

Knows the two icon packages (`@iconify-json/noto`, Apache-2.0, and `@iconify-json/fluent-emoji-flat`, MIT), rasterises
one icon per subject and gives it a pale outline like a sticker's, so that it stands out from every background.
Does not know what a caption is, where a sprite is placed, or what stands behind it.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SUBJECTS_TABLE = Path(__file__).with_name("subjects.csv")
LARGE, SMALL = 104, 64
"""Edge of a sprite that stands alone, and of one that shares the picture, in pixels of a 128-pixel picture."""

OUTLINE_COLOUR = (252, 250, 244)
SUPERSAMPLING = 4


@dataclass(frozen=True)
class SpriteSheet:
    """Every sprite in both sizes, as images with transparency, by icon name."""

    large: dict[str, Image.Image]
    small: dict[str, Image.Image]

    @classmethod
    def load(cls, path: Path) -> SpriteSheet:
        with np.load(path) as stored:
            names = [str(name) for name in stored["names"]]
            large = {name: Image.fromarray(pixels) for name, pixels in zip(names, stored["large"], strict=True)}
            small = {name: Image.fromarray(pixels) for name, pixels in zip(names, stored["small"], strict=True)}
        return cls(large, small)


def icon_of_label() -> dict[str, str]:
    """The icon (`package:name`) for each AudioSet label that has one."""
    with SUBJECTS_TABLE.open(encoding="utf-8", newline="") as table:
        return {row["label"]: row["icon"] for row in csv.DictReader(table)}


def icon_svg(icons: dict[str, object], name: str) -> str:
    """The stand-alone SVG of one icon of an Iconify collection."""
    entries, aliases = icons["icons"], icons.get("aliases", {})
    assert isinstance(entries, dict)
    assert isinstance(aliases, dict)
    if name not in entries:
        name = aliases[name]["parent"]
    icon = entries[name]
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{box}">{icon["body"]}</svg>'
    )


def rasterise(svg: str, edge: int) -> Image.Image:
    """Draws the SVG, cropped to what is visible and centred in a square that it fills."""
    big = edge * SUPERSAMPLING
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=big, height=big, skip_system_fonts=True))
    drawing = Image.open(io.BytesIO(png)).convert("RGBA")
    drawing = drawing.crop(drawing.getchannel("A").getbbox())
    scale = big / max(drawing.size)
    drawing = drawing.resize((round(drawing.width * scale), round(drawing.height * scale)), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (big, big), (*OUTLINE_COLOUR, 0))
    square.paste(drawing, ((big - drawing.width) // 2, (big - drawing.height) // 2))
    return square


def sticker(svg: str, edge: int, outline: float) -> Image.Image:
    """The icon with a pale rim, `outline` pixels wide, `edge` pixels in all."""
    margin = outline + 1
    icon = rasterise(svg, round(edge - 2 * margin))
    big = edge * SUPERSAMPLING
    shape = Image.new("L", (big, big), 0)
    corner = (big - icon.width) // 2
    shape.paste(icon.getchannel("A"), (corner, corner))
    reach = round(outline * SUPERSAMPLING)
    rim = shape.point(lambda alpha: 255 if alpha > 96 else 0).filter(ImageFilter.MaxFilter(2 * (reach // 2) + 1))
    rim = rim.filter(ImageFilter.GaussianBlur(reach / 2)).point(lambda alpha: min(255, max(0, (alpha - 40) * 4)))
    result = Image.new("RGBA", (big, big), (*OUTLINE_COLOUR, 0))
    result.putalpha(rim)
    layer = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    layer.paste(icon, (corner, corner))
    result.alpha_composite(layer)
    return result.resize((edge, edge), Image.Resampling.LANCZOS)


def pixels(images: list[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([np.asarray(image, dtype=np.uint8) for image in images])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noto", type=Path, required=True, help="unpacked npm package @iconify-json/noto")
    parser.add_argument("--fluent", type=Path, required=True, help="unpacked package @iconify-json/fluent-emoji-flat")
    parser.add_argument("--out", type=Path, required=True, help="where the sprites go (.npz)")
    arguments = parser.parse_args()

    packages = {"noto": arguments.noto, "fluent-emoji-flat": arguments.fluent}
    collections = {name: json.loads((path / "icons.json").read_text("utf-8")) for name, path in packages.items()}
    names = sorted(set(icon_of_label().values()))
    drawings = [icon_svg(collections[package], icon) for package, icon in (name.split(":") for name in names)]
    np.savez_compressed(
        arguments.out,
        names=np.array(names),
        large=pixels([sticker(svg, LARGE, outline=2.5) for svg in drawings]),
        small=pixels([sticker(svg, SMALL, outline=2.0) for svg in drawings]),
    )
    print(f"{len(names)} sprites -> {arguments.out}")


if __name__ == "__main__":
    main()
