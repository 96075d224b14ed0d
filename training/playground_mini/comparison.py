"""Two exported pipelines side by side: what they paint, to be judged, and how long they take.

paint    the pictures of one set, by one pipeline, into a folder: every subject, 30 pairs, 15 trios, four seeds of six
         subjects, or one subject in every style
blind    the same set by two pipelines on one sheet: in each cell one to the left, one to the right, by lot; which is
         which goes into a file of its own, to be opened when every cell has been judged
spread   how far the seeds' pictures are from each other: mean absolute difference of pairs, in grey levels
time     seconds for one picture through the product's model, on one thread, in turns
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from core.generation.defaults import read_defaults
from core.generation.loading import load_pipeline
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS
from core.generation.protocol import GenerationRequest
from core.hearing.categories import TopCategory
from core.models import ModelStore
from core.options import Speed
from core.prompting.prompt import Prompt
from core.prompting.scene import compose_scene
from core.prompting.styles import Style
from core.settings import CoreSettings

from .captions import composition_of, product_prompt
from .contact_sheet import one_label_an_icon, paint_all, sheet

Wish = tuple[str, int]
"""A prompt and its seed."""
SEEDED = ("Dog", "Cat", "Bird", "Train", "Acoustic guitar", "Car")
FIRST_SEED = 7


def groups(size: int, count: int) -> list[Wish]:
    """Prompts of `size` different subjects, drawn by lot but always the same."""
    chance = random.Random(size)
    labels = [label for scene in one_label_an_icon() for label in scene]
    wishes: list[Wish] = []
    while len(wishes) < count:
        scores = {label: round(0.9 - 0.1 * place, 1) for place, label in enumerate(chance.sample(labels, size))}
        heard = [TopCategory(label, score, 1.0, 0) for label, score in scores.items()]
        if len(composition_of(compose_scene(heard)).icons) == size:
            wishes.append((product_prompt(scores), FIRST_SEED + len(wishes)))
    return wishes


SETS: dict[str, Callable[[], list[Wish]]] = {
    "subjects": lambda: [
        (product_prompt(scene), FIRST_SEED + number) for number, scene in enumerate(one_label_an_icon())
    ],
    "pairs": lambda: groups(2, 30),
    "trios": lambda: groups(3, 15),
    "seeds": lambda: [(product_prompt({label: 0.9}), seed) for label in SEEDED for seed in range(1, 5)],
    "styles": lambda: [(product_prompt({"Cat": 0.9}, style), FIRST_SEED) for style in Style],
}


def paint(model: Path, wishes: list[Wish], out: Path) -> None:
    """Pictures by number, and a sheet of them with their prompts."""
    out.mkdir(parents=True, exist_ok=True)
    pictures = paint_all(model, wishes)
    for number, picture in enumerate(pictures):
        picture.save(out / f"{number:03d}.png")
    columns = 4 if len(pictures) == 4 * len(SEEDED) else 8
    sheet(pictures, [text for text, _ in wishes], columns, 192).save(out / "sheet.webp", quality=85)


def blind(first: Path, second: Path, out: Path, edge: int, columns: int, seed: int) -> None:
    """The sheet, and beside it `.json` with the letter of the left one of each cell: A is `first`, B is `second`."""
    names = sorted(path.name for path in first.glob("*.png"))
    lot = random.Random(seed)
    lefts = [lot.choice("AB") for _ in names]
    cells = []
    for name, left in zip(names, lefts, strict=True):
        folders = (first, second) if left == "A" else (second, first)
        cell = Image.new("RGB", (2 * edge + 2, edge), "white")
        for place, folder in enumerate(folders):
            with Image.open(folder / name) as picture:
                cell.paste(picture.resize((edge, edge), Image.Resampling.LANCZOS), (place * (edge + 2), 0))
        cells.append(cell)
    width, height = 2 * edge + 8, edge + 6
    result = Image.new("RGB", (columns * width, -(-len(cells) // columns) * height), "white")
    for number, cell in enumerate(cells):
        result.paste(cell, (number % columns * width, number // columns * height))
    result.save(out)
    out.with_suffix(".json").write_text(json.dumps(lefts) + "\n", encoding="utf-8")


def spread(folder: Path) -> float:
    """Mean absolute difference of every two seeds of a subject, averaged over the subjects of a painted seed set."""
    paths = sorted(folder.glob("*.png"))
    pictures = [np.asarray(Image.open(path).convert("RGB"), np.float64) for path in paths]
    per_subject = [pictures[start : start + 4] for start in range(0, len(pictures), 4)]
    return statistics.mean(
        float(np.abs(one - other).mean()) for seeds in per_subject for one, other in itertools.combinations(seeds, 2)
    )


def product_model(directory: Path) -> PlaygroundModel:
    """The pipeline in a folder as the product paints with it, on the processor."""
    located = ModelStore(CoreSettings(image_model=str(directory))).image_model(on_gpu=False)
    pipeline = load_pipeline(located, torch.device("cpu"), offline=True)
    options = PlaygroundOptions(
        defaults=read_defaults(directory),
        speed=PRESETS[Speed.EXACT],
        adapters_dir=Path("no-adapters"),
        preview_every=0,
    )
    return PlaygroundModel(pipeline, ModelIdentity("playground-mini", "", is_miniature=True), options)


def seconds_for_one(model: PlaygroundModel, seed: int) -> float:
    """From the request to the picture, by the model's own steps and guidance."""
    start = time.process_time()
    state = model.prepare(GenerationRequest(Prompt("a barking dog in a small room", ""), seed=seed))
    while not model.is_finished(state):
        (state,) = model.step([state])
    model.picture(state, model.decode([state])[0], 0.0)
    return time.process_time() - start


def compare_times(first: Path, second: Path, rounds: int) -> None:
    """Medians of the processor's seconds, so that other work on the machine counts little, and their ratio."""
    models = [product_model(directory) for directory in (first, second)]
    for model in models:
        seconds_for_one(model, 0)
    taken = [[seconds_for_one(model, number) for model in models] for number in range(rounds)]
    one, other = (statistics.median(column) for column in zip(*taken, strict=True))
    print(f"{one:.3f} s and {other:.3f} s a picture, {other / one:.3f} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("paint", "blind", "spread", "time"))
    parser.add_argument("first", type=Path, help="pipeline (paint, time) or folder of pictures (blind, spread)")
    parser.add_argument("second", type=Path, nargs="?", help="the other one (blind, time)")
    parser.add_argument("--set", choices=sorted(SETS), default="subjects")
    parser.add_argument("--out", type=Path, help="folder (paint) or sheet (blind)")
    parser.add_argument("--edge", type=int, default=80)
    parser.add_argument("--columns", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--seed", type=int, default=0, help="of the lot")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    match arguments.task:
        case "paint":
            paint(arguments.first, SETS[arguments.set](), arguments.out)
        case "blind":
            blind(arguments.first, arguments.second, arguments.out, arguments.edge, arguments.columns, arguments.seed)
        case "spread":
            print(f"{spread(arguments.first):.1f} grey levels of 255")
        case "time":
            compare_times(arguments.first, arguments.second, arguments.rounds)


if __name__ == "__main__":
    main()
