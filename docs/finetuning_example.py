"""An example for docs/finetuning.md: teach the bundled miniature a subject that it has never seen, in minutes on a CPU.

    python -m docs.finetuning_example WORK_FOLDER

Draws 48 snowmen with captions and fine-tunes. `before-after.png` beside the adapter is the documentation's picture.
"""

import argparse
import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

from core.cli import finetune
from core.cli.training_arguments import add_finetune_arguments

MINIATURE = Path(__file__).parents[1] / "core" / "miniatures" / "playground-mini"
SCARVES = {"red": (214, 40, 40), "blue": (40, 90, 214), "green": (40, 160, 70), "yellow": (240, 200, 40)}
PROMPTS = ("a snowman with a red scarf", "a snowman with a blue scarf", "a dog on a beach", "a blue bird")
SIDE = 256


def draw_snowman(scarf: tuple[int, int, int], draw: random.Random) -> Image.Image:
    """Two white balls, a hat, a carrot and a scarf, on pale blue; a little different each time."""
    image = Image.new("RGB", (SIDE, SIDE), (160, 203, 218))
    pen = ImageDraw.Draw(image)
    middle, ground = SIDE / 2 + draw.uniform(-8, 8), SIDE - 24 + draw.uniform(-5, 5)
    head = ground - 142
    for y, radius in ((ground - 62, 62), (head, 44)):
        pen.ellipse((middle - radius, y - radius, middle + radius, y + radius), fill=(250, 252, 255))
    for side in (-1, 1):
        x = middle + side * 17
        pen.ellipse((x - 8, head - 14, x + 8, head + 2), fill=(20, 20, 30))
    pen.polygon([(middle - 8, head + 4), (middle - 8, head + 20), (middle + 40, head + 14)], fill=(240, 120, 20))
    neck = head + 42
    pen.rounded_rectangle((middle - 48, neck - 12, middle + 48, neck + 12), radius=12, fill=scarf)
    pen.rectangle((middle + 14, neck, middle + 40, neck + 56), fill=scarf)
    pen.rectangle((middle - 58, head - 44, middle + 58, head - 28), fill=(35, 35, 45))
    pen.rectangle((middle - 36, head - 90, middle + 36, head - 36), fill=(35, 35, 45))
    return image


def write_images(folder: Path, count: int = 48) -> None:
    """Drawings and `metadata.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    rows = []
    for number in range(count):
        colour = list(SCARVES)[number % len(SCARVES)]
        draw_snowman(SCARVES[colour], draw).save(folder / f"{number:02d}.png")
        rows.append(json.dumps({"file_name": f"{number:02d}.png", "text": f"a snowman with a {colour} scarf"}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


def main() -> None:
    """Draw, fine-tune, and put the pictures together."""
    parser = argparse.ArgumentParser(description="Teach the miniature what a snowman is.")
    parser.add_argument("work", type=Path, help="folder for images and adapter")
    own = parser.parse_args()
    write_images(own.work / "snowmen")
    out = own.work / "adapters" / "snowman"
    parser = argparse.ArgumentParser()
    add_finetune_arguments(parser)
    settings = {
        "images": own.work / "snowmen",
        "out": out,
        "base": MINIATURE,
        "steps": 300,
        "targets": "captions",
        "learning-rate": 2e-3,
        "warmup-steps": 20,
        "batch-size": 8,
        "ema-decay": 0.98,
        "prior-share": 0.5,
        "check-every": 100,
        "sample-steps": 14,
    }
    words = ["--cpu", "--restart"]
    for name, value in settings.items():
        words += [f"--{name}", str(value)]
    for prompt in PROMPTS:
        words += ["--prompt", prompt]
    finetune.run(parser.parse_args(words))


if __name__ == "__main__":
    main()
