"""Step 1: pictures to learn from, painted by the bundled painter from random labels, in the product's own words.

Every eighth subject is never learnt from: what is measured is measured on pictures of these. Pictures are taken as the
painter leaves them, 256 pixels wide; the product shows the square ones enlarged to 512.
"""

from __future__ import annotations

import argparse
import csv
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from core.generation.defaults import read_defaults
from core.generation.loading import quiet_libraries
from core.hearing.categories import TopCategory
from core.models import ModelStore
from core.prompting.phrasebook import Role, load_phrasebook
from core.prompting.prompt import Prompt, build_prompt
from core.prompting.styles import Style
from core.settings import CoreSettings

SUBJECTS_TABLE = Path(__file__).parents[1] / "playground_mini" / "subjects.csv"
HELD_OUT_EVERY = 8
AT_ONCE = 4


@dataclass(frozen=True)
class Labels:
    """AudioSet labels to draw from: subjects by the icon that they share, and places."""

    subjects: tuple[tuple[str, ...], ...]
    places: tuple[str, ...]

    def draw(self, chance: random.Random) -> Prompt:
        """The product's prompt for one to three subjects, often somewhere, sometimes in a style."""
        chosen = chance.sample(self.subjects, chance.choices((1, 2, 3), (60, 27, 13))[0])
        names = [chance.choice(labels) for labels in chosen]
        if chance.random() < 0.7:
            names.append(chance.choice(self.places))
        heard = [TopCategory(name, 0.9 - 0.15 * place, 1.0, 0) for place, name in enumerate(dict.fromkeys(names))]
        return build_prompt(heard, style=Style.NONE if chance.random() < 0.65 else chance.choice(list(Style)))


def labels_to_learn() -> Labels:
    """What the network learns from."""
    subjects, places = _labels()
    return Labels(tuple(one for n, one in enumerate(subjects) if n % HELD_OUT_EVERY), places)


def held_out_labels() -> Labels:
    """What it is measured on."""
    subjects, places = _labels()
    return Labels(subjects[::HELD_OUT_EVERY], places)


def _labels() -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    book = load_phrasebook()
    of_icon: dict[str, list[str]] = {}
    with SUBJECTS_TABLE.open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            if row["label"] in book and book[row["label"]].role is Role.SUBJECT:
                of_icon.setdefault(row["icon"], []).append(row["label"])
    places = tuple(entry.label for entry in book.entries.values() if entry.role is Role.PLACE)
    return tuple(tuple(of_icon[icon]) for icon in sorted(of_icon)), places


def painted(labels: Labels, count: int, seed: int) -> Iterator[Image.Image]:
    """So many pictures of random `labels`, as the bundled painter leaves them."""
    quiet_libraries()
    model = ModelStore(CoreSettings(image_model="auto", allow_miniatures=True)).image_model(on_gpu=False)
    defaults = read_defaults(model.source)
    pipeline = StableDiffusionXLPipeline.from_pretrained(model.source, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    chance = random.Random(seed)
    prompts = [labels.draw(chance) for _ in range(count)]
    for first in range(0, count, AT_ONCE):
        part = prompts[first : first + AT_ONCE]
        yield from pipeline(
            prompt=[prompt.text for prompt in part],
            negative_prompt=[prompt.negative_text for prompt in part],
            num_inference_steps=defaults.steps,
            guidance_scale=defaults.guidance,
            width=256,
            height=256,
            generator=[torch.Generator().manual_seed(seed + first + n) for n in range(len(part))],
        ).images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--out", type=Path, required=True, help="where the pictures go (.npy)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    began = time.monotonic()
    images = list(painted(labels_to_learn(), arguments.pictures, arguments.seed))
    np.save(arguments.out, np.stack([np.asarray(image.convert("RGB"), np.uint8) for image in images]))
    print(f"{len(images)} pictures, {time.monotonic() - began:.0f} s -> {arguments.out}")


if __name__ == "__main__":
    main()
