"""An example for docs/finetuning.md: teach the bundled miniature a subject that it has never seen, in minutes on a CPU.

    python docs/finetuning_example.py WORK_FOLDER

Draws 48 snowmen with captions, fine-tunes, and writes `before-after.png`: the same prompts and seeds, base above.
"""

import argparse
import json
import random
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from core.finetuning.command import add_finetune_arguments, run_finetune

MINIATURE = Path(__file__).parents[1] / "core" / "miniatures" / "playground-mini"
SCARVES = {"red": (214, 40, 40), "blue": (40, 90, 214), "green": (40, 160, 70), "purple": (150, 60, 190)}
PROMPTS = ("a snowman with a red scarf", "a snowman with a blue scarf", "a dog on a beach", "a blue bird")
SIDE = 256


def draw_snowman(scarf: tuple[int, int, int], draw: random.Random) -> Image.Image:
    """Three white balls, a hat, a carrot and a scarf, on pale blue; a little different each time."""
    image = Image.new("RGB", (SIDE, SIDE), (158, 203, 219))
    pen = ImageDraw.Draw(image)
    middle, size = SIDE / 2 + draw.uniform(-14, 14), draw.uniform(0.9, 1.1)
    ground = SIDE - 28 + draw.uniform(-6, 6)

    def ball(height: float, radius: float) -> float:
        y = ground - height * size
        r = radius * size
        pen.ellipse((middle - r - 4, y - r - 4, middle + r + 4, y + r + 4), fill=(120, 150, 175))
        pen.ellipse((middle - r, y - r, middle + r, y + r), fill=(250, 252, 255))
        return y

    ball(52, 52)
    belly = ball(118, 38)
    head = ball(172, 28)
    for offset in (-16, 0, 16):
        pen.ellipse((middle - 4, belly + offset - 4, middle + 4, belly + offset + 4), fill=(30, 30, 40))
    for side in (-1, 1):
        x = middle + side * 10 * size
        pen.ellipse((x - 4, head - 10, x + 4, head - 2), fill=(20, 20, 30))
    pen.polygon([(middle, head), (middle, head + 9), (middle + 30 * size, head + 8)], fill=(240, 130, 30))
    neck = head + 24 * size
    pen.rounded_rectangle((middle - 30 * size, neck - 7, middle + 30 * size, neck + 8), radius=7, fill=scarf)
    pen.rectangle((middle + 8, neck, middle + 24, neck + 40 * size), fill=scarf)
    brim = head - 22 * size
    pen.rectangle((middle - 34 * size, brim - 4, middle + 34 * size, brim + 5), fill=(35, 35, 45))
    pen.rectangle((middle - 21 * size, brim - 36 * size, middle + 21 * size, brim), fill=(35, 35, 45))
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


def before_after(samples: Path, target: Path) -> None:
    """The guard's own pictures: the base's in the upper row, the last look's in the lower."""
    last = sorted(folder for folder in samples.iterdir() if folder.name != "base")[-1]
    sheet = Image.new("RGB", (4 * 136 - 8, 2 * 136 - 8), "white")
    for row, folder in enumerate((samples / "base", last)):
        for column in range(4):
            with Image.open(folder / f"{column}.png") as picture:
                sheet.paste(picture.convert("RGB"), (column * 136, row * 136))
    sheet.save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Teach the miniature what a snowman is.")
    parser.add_argument("work", type=Path, help="folder for images, adapter and before-after.png")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--prior", type=float, default=0.5)
    parser.add_argument("--targets", default="captions")
    parser.add_argument("--alarm-ratio", type=float, default=2.0)
    own = parser.parse_args()
    torch.set_num_threads(1)
    write_images(own.work / "snowmen")
    out = own.work / "adapters" / "snowman"
    finetuning = argparse.ArgumentParser()
    add_finetune_arguments(finetuning)
    words = ["--images", own.work / "snowmen", "--out", out, "--base", MINIATURE, "--cpu", "--restart"]
    words += ["--steps", own.steps, "--learning-rate", own.rate, "--prior-share", own.prior, "--alarm-ratio", own.alarm_ratio, "--rank", 16, "--targets", own.targets]
    words += ["--batch-size", 8, "--warmup-steps", 20, "--check-every", 50, "--sample-steps", 14, "--ema-decay", 0.98]
    for prompt in PROMPTS:
        words += ["--prompt", prompt]
    run_finetune(finetuning.parse_args([str(word) for word in words]))
    before_after(out / "training" / "samples", own.work / "before-after.png")


if __name__ == "__main__":
    main()
