"""Paints contact sheets with the stock pipeline from prompts that the product's own code makes from labels.

One fixed seed for everything, nothing chosen afterwards. `--subjects` shows every icon of the table once; the default
sheet shows a sample of single subjects, pairs, trios and settings.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image, ImageDraw

from .art import icon_of_label
from .captions import product_prompt

SCENES: tuple[dict[str, float], ...] = (
    {"Dog": 0.9, "Bark": 0.8, "Inside, small room": 0.4},
    {"Cat": 0.9, "Meow": 0.7},
    {"Acoustic guitar": 0.9, "Outside, rural or natural": 0.4},
    {"Train": 0.9, "Train horn": 0.6, "Outside, rural or natural": 0.3},
    {"Helicopter": 0.8, "Outside, urban or manmade": 0.4},
    {"Ambulance (siren)": 0.8, "Traffic noise, roadway noise": 0.5},
    {"Owl": 0.8, "Wind": 0.4},
    {"Sailboat, sailing ship": 0.8, "Ocean": 0.5},
    {"Alarm clock": 0.9, "Inside, small room": 0.5},
    {"Violin, fiddle": 0.9, "Inside, large room or hall": 0.4},
    {"Frog": 0.9, "Stream": 0.5},
    {"Baby cry, infant cry": 0.9, "Inside, small room": 0.3},
    {"Car": 0.8, "Rain": 0.5},
    {"Fire": 0.8, "Outside, rural or natural": 0.3},
    {"Drum": 0.9, "Rock music": 0.5},
    {"Sheep": 0.9, "Thunderstorm": 0.4},
    {"Dog": 0.9, "Cat": 0.7},
    {"Piano": 0.9, "Saxophone": 0.8, "Jazz": 0.4},
    {"Speech": 0.8, "Telephone": 0.7, "Inside, small room": 0.4},
    {"Bird": 0.8, "Bicycle": 0.6, "Outside, rural or natural": 0.4},
    {"Motorcycle": 0.8, "Police car (siren)": 0.7, "Outside, urban or manmade": 0.4},
    {"Duck": 0.8, "Frog": 0.7, "Stream": 0.4},
    {"Horse": 0.8, "Rooster": 0.5, "Cattle, bovinae": 0.6, "Outside, rural or natural": 0.3},
    {"Trumpet": 0.9, "Drum": 0.8, "Accordion": 0.6, "Inside, large room or hall": 0.4},
    {"Ocean": 0.9},
    {"Rain": 0.9},
    {"Thunderstorm": 0.9},
    {"Inside, large room or hall": 0.8},
    {"Outside, urban or manmade": 0.8},
    {"Outside, rural or natural": 0.8},
    {"Fireworks": 0.9, "Crowd": 0.5},
    {"Laughter": 0.9, "Applause": 0.6},
)


def one_label_an_icon() -> list[dict[str, float]]:
    """The first label of each icon in the table."""
    first: dict[str, str] = {}
    for label, icon in icon_of_label().items():
        first.setdefault(icon, label)
    return [{label: 0.9} for label in first.values()]


def sheet(pictures: list[Image.Image], titles: list[str], columns: int, edge: int) -> Image.Image:
    """Pictures in rows, each with its prompt below."""
    rows = -(-len(pictures) // columns)
    result = Image.new("RGB", (columns * (edge + 4), rows * (edge + 30)), "white")
    draw = ImageDraw.Draw(result)
    for number, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        x, y = number % columns * (edge + 4), number // columns * (edge + 30)
        result.paste(picture.resize((edge, edge), Image.Resampling.LANCZOS), (x, y))
        width = edge // 5
        draw.text((x + 1, y + edge + 1), title[:width], fill="black", font_size=9)
        draw.text((x + 1, y + edge + 12), title[width : 2 * width], fill="black", font_size=9)
    return result


def paint_all(
    model: Path,
    wishes: list[tuple[str, int]],
    *,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str | None = None,
) -> list[Image.Image]:
    """A picture for each prompt and seed, eight at once; None stands for the model's own values."""
    defaults = json.loads((model / "imagine_sound.json").read_text("utf-8"))
    pipeline = StableDiffusionXLPipeline.from_pretrained(model, torch_dtype=torch.float32)
    pipeline.vae.to(memory_format=torch.channels_last)
    pipeline.set_progress_bar_config(disable=True)
    pictures: list[Image.Image] = []
    start = time.monotonic()
    for first in range(0, len(wishes), 8):
        part = wishes[first : first + 8]
        pictures += pipeline(
            [text for text, _ in part],
            negative_prompt=None if negative is None else [negative] * len(part),
            num_inference_steps=steps or defaults["default_steps"],
            guidance_scale=defaults["default_guidance"] if guidance is None else guidance,
            generator=[torch.Generator().manual_seed(seed) for _, seed in part],
        ).images
    print(f"{(time.monotonic() - start) / len(pictures):.2f} s a picture in batches of 8")
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--subjects", action="store_true", help="every subject once instead of the scenes")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--negative", default=None, help="a negative prompt")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--edge", type=int, default=128)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    scenes = one_label_an_icon() if arguments.subjects else list(SCENES)
    prompts = [product_prompt(labels) for labels in scenes]
    pictures = paint_all(
        arguments.model,
        [(prompt, arguments.seed + number) for number, prompt in enumerate(prompts)],
        steps=arguments.steps,
        guidance=arguments.guidance,
        negative=arguments.negative,
    )
    image = sheet(pictures, prompts, arguments.columns, arguments.edge)
    image.save(arguments.out, quality=85)


if __name__ == "__main__":
    main()
