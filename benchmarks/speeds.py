"""What each SPEED preset costs and gains, against `exact`: `python -m benchmarks.speeds`, with the bundled miniature.

For each preset and number of steps: how close its pictures come to exact ones of the same prompts and seeds (PSNR in
dB, from the mean square error over all pictures as they leave the decoder), its share of the network's operations
(counted on the real network) and of the time (in turns with exact, so that whatever else the machine does falls on
both; median of the ratios). Half the steps are the line to compare with. FP8 needs a GPU, where
`benchmarks.gpu` measures it; here nothing is in FP8.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.bench import MINIATURE, PROMPTS, Bench, decibels, decoded, stepped
from core.generation.loading import quiet_libraries
from core.generation.playground import PlaygroundModel
from core.generation.presets import PRESETS, SpeedPreset
from core.generation.protocol import GenerationRequest
from core.options import Speed
from core.prompting.prompt import Prompt


def painter(model: str, speed: SpeedPreset) -> PlaygroundModel:
    """The directory `model`, or if that is empty the bundled miniature, at `speed` on the processor."""
    bench = Bench(model, Path(), MINIATURE, "cpu")
    return bench.engine(*bench.placed(), speed=speed)


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
    pictures: dict[str, list[Image.Image]] = {name: [] for name in ways}
    shares: dict[str, list[float]] = {name: [] for name in ways}
    for request in requests:
        times: dict[str, float] = {}
        for name, (model, count) in ways.items():
            began = time.perf_counter()
            pictures[name] += decoded(model, stepped(model, [replace(request, steps=count)]))
            times[name] = time.perf_counter() - began
        for name in ways:
            shares[name].append(times[name] / times["exact"])
    work = {name: operations(model, replace(requests[0], steps=count)) for name, (model, count) in ways.items()}
    return [
        (
            name,
            str(steps),
            f"{decibels(pictures[name], pictures['exact']):.1f}",
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
    parser.add_argument("--model", default="", help="a directory, such as an earlier revision of the miniature")
    options = parser.parse_args()
    quiet_libraries()
    models = {PRESETS[speed].name: painter(options.model, PRESETS[speed]) for speed in Speed}
    for model in models.values():
        stepped(model, [GenerationRequest(Prompt(PROMPTS[0], ""), 0, 2)])  # everything is warm
    table = Table("SPEED", "steps", "dB to exact", "operations", "time", title="Against exact")
    for steps in options.steps:
        prompts = [Prompt(PROMPTS[seed % len(PROMPTS)], "") for seed in range(options.pictures)]
        for row in compare(models, [GenerationRequest(prompt, seed, steps) for seed, prompt in enumerate(prompts)]):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
