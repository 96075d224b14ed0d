"""What each SPEED preset costs and gains, against `exact`: `python -m benchmarks.speeds`, with the bundled miniature.

For each preset and number of steps: how close its pictures come to exact ones of the same prompts and seeds (PSNR in
dB, from the mean square error over all pictures as they leave the decoder), its share of the network's operations
(counted on the real network) and of the time (in turns with exact, so that whatever else the machine does falls on
both; median of the ratios). Half the steps are the line to compare with. FP8 needs a GPU; here nothing is in FP8.
"""

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from core.generation.loading import load_pipeline, quiet_libraries, read_defaults
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS, SpeedPreset
from core.generation.protocol import GenerationRequest
from core.models import ModelStore
from core.prompting.prompt import Prompt
from core.settings import CoreSettings, Speed

PROMPTS = (
    "a barking dog", "a steam train in the rain", "a singing bird", "a piano", "rain on a window", "a violin",
    "a rooster at sunrise", "waves on a beach", "a fire engine", "a cat", "a thunderstorm", "a church bell",
)  # fmt: skip


def painter(speed: SpeedPreset) -> PlaygroundModel:
    """The bundled miniature at `speed`, on the processor."""
    located = ModelStore(CoreSettings(image_model="auto", download_models=False)).image_model(on_gpu=False)
    options = PlaygroundOptions(read_defaults(located.source), speed, Path("no-adapters"), 0, compile_model=False)
    pipeline = load_pipeline(located, torch.device("cpu"), offline=True)
    return PlaygroundModel(pipeline, ModelIdentity("benchmark", "", is_miniature=True), options)


def paint(model: PlaygroundModel, request: GenerationRequest) -> np.ndarray:
    """The picture as numbers from 0 to 255, shape (height, width, 3)."""
    state = model.prepare(request)
    while not model.is_finished(state):
        [state] = model.step([state])
    return np.asarray(model.decode([state], tiled=False)[0], np.float64)


def decibels(square_errors: Sequence[float]) -> float:
    """PSNR of 8-bit pictures."""
    mean = statistics.fmean(square_errors)
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def operations(model: PlaygroundModel, request: GenerationRequest) -> int:
    """Of all steps of one picture; prompt and decoding are left out."""
    state = model.prepare(request)
    with FlopCounterMode(display=False) as counter:
        while not model.is_finished(state):
            [state] = model.step([state])
    return int(counter.get_total_flops())


def compare(models: dict[str, PlaygroundModel], requests: Sequence[GenerationRequest]) -> list[tuple[str, ...]]:
    """One line for each preset, and one for half the steps."""
    steps = requests[0].steps or 0
    ways = {name: (model, steps) for name, model in models.items()} | {
        "(half the steps)": (models["exact"], steps // 2)
    }
    errors: dict[str, list[float]] = {name: [] for name in ways}
    shares: dict[str, list[float]] = {name: [] for name in ways}
    for request in requests:
        times: dict[str, float] = {}
        pictures: dict[str, np.ndarray] = {}
        for name, (model, count) in ways.items():
            began = time.perf_counter()
            pictures[name] = paint(model, replace(request, steps=count))
            times[name] = time.perf_counter() - began
        for name, picture in pictures.items():
            errors[name].append(float(np.mean((picture - pictures["exact"]) ** 2)))
            shares[name].append(times[name] / times["exact"])
    work = {name: operations(model, replace(requests[0], steps=count)) for name, (model, count) in ways.items()}
    return [
        (
            name,
            str(steps),
            f"{decibels(errors[name]):.1f}",
            f"{work[name] / work['exact']:.2f}",
            f"{statistics.median(shares[name]):.2f}",
        )
        for name in ways
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[12, 24, 50])
    parser.add_argument("--pictures", type=int, default=24)
    options = parser.parse_args()
    quiet_libraries()
    models = {PRESETS[speed].name: painter(PRESETS[speed]) for speed in Speed}
    for model in models.values():
        paint(model, GenerationRequest(Prompt(PROMPTS[0], ""), 0, 2))  # everything is warm
    table = Table("SPEED", "steps", "dB to exact", "operations", "time", title="Against exact, the bundled miniature")
    for steps in options.steps:
        prompts = [Prompt(PROMPTS[seed % len(PROMPTS)], "") for seed in range(options.pictures)]
        for row in compare(models, [GenerationRequest(prompt, seed, steps) for seed, prompt in enumerate(prompts)]):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
