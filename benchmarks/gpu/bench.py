"""What the stages measure with: the model, loaded as the product loads it, requests, pictures, and clocks.

Knows nothing of the stages.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from benchmarks.gpu.directory import TRUE_SHAPES, build
from core.generation.defaults import read_defaults
from core.generation.loading import read_pipeline
from core.generation.placing import arranged, free_bytes, place
from core.generation.playground import (
    NOT_COMPILED,
    ModelIdentity,
    PictureInProgress,
    PlaygroundModel,
    PlaygroundOptions,
)
from core.generation.presets import PRESETS, SpeedPreset
from core.generation.protocol import GenerationRequest
from core.generation.residence import Card, Residence, Wanted, everything
from core.generation.unet import Compilation
from core.located import MINIATURE_PAINTER, LocatedModel, Origin
from core.options import Speed
from core.prompting.prompt import Prompt

RANDOM = "random"
PROMPTS = (
    "a barking dog", "a steam train in the rain", "a singing bird", "a piano", "rain on a window", "a violin",
    "a rooster at sunrise", "waves on a beach", "a fire engine", "a cat", "a thunderstorm", "a church bell",
)  # fmt: skip
EXACT = PRESETS[Speed.EXACT]
GIB = 2**30
CONTEXT = 600_000_000
"""What CUDA itself takes of a card, in bytes."""
TO_DRAW_BYTES = 9_000_000_000
"""What drawing the true size's weights takes at most."""


def sold_as(gibibytes: int) -> Card:
    """A card as it is sold, with nothing else on it."""
    return Card(gibibytes * GIB - CONTEXT, gibibytes * GIB)


@dataclass(frozen=True)
class Scale:
    """How much is measured. `steps`: of a picture that is timed, `compared_steps`: of one that is compared,
    `few_steps`: of one that only has to come to its end. `compared`: pictures that are compared in each way.
    `batches`: pictures side by side, ascending; `compiled`: those of them that are compiled for. `cards`: which are
    simulated, by name, and `on_a_card` pictures painted on each. `arrivals`: requests in each crowd, of `crowd_steps`
    each.
    """

    steps: int
    compared_steps: int
    few_steps: int
    compared: int
    batches: tuple[int, ...]
    compiled: tuple[int, ...]
    repeats: int
    cards: tuple[tuple[str, Card], ...]
    on_a_card: int
    arrivals: int
    crowd_steps: int


TRUE = Scale(
    steps=50,
    compared_steps=50,
    few_steps=3,
    compared=4,
    batches=(1, 2, 4, 8),
    compiled=(1, 4),
    repeats=2,
    cards=tuple((f"{size} GB", sold_as(size)) for size in (24, 16, 12, 10, 8, 6)),
    on_a_card=20,
    arrivals=40,
    crowd_steps=20,
)
MINIATURE = Scale(
    steps=2,
    compared_steps=12,
    few_steps=3,
    compared=2,
    batches=(1, 2),
    compiled=(1,),
    repeats=1,
    cards=(  # each gets another plan
        ("everything", Card(10**10, 10**10)),
        ("decoded one by one", Card(755_000_000, 10**9)),
        ("text encoders parked", Card(735_000_000, 10**9)),
        ("stored in FP8", Card(722_000_000, 10**9)),
    ),
    on_a_card=3,
    arrivals=8,
    crowd_steps=2,
)


@dataclass(frozen=True)
class Bench:
    """One run. `model`: a directory, or RANDOM; empty for the bundled miniature. `work`: where files may be kept."""

    model: str
    work: Path
    scale: Scale
    device_type: str

    @property
    def device(self) -> torch.device:
        """What paints."""
        return torch.device(self.device_type)

    @property
    def on_gpu(self) -> bool:
        """Whether that is a GPU."""
        return self.device_type == "cuda"

    @property
    def directory(self) -> Path:
        """Where the model lies, or will."""
        if self.model == RANDOM:
            return self.work / "playground-random"
        bundled = Path(str(resources.files("core"))) / "miniatures" / MINIATURE_PAINTER
        return Path(self.model) if self.model else bundled

    def located(self) -> LocatedModel:
        """The model, which is built where it isn't there yet."""
        if not self.directory.exists() and self.model == RANDOM:
            self.build()
        origin = Origin.SETTING if self.model else Origin.BUNDLED
        return LocatedModel(self.directory.name, str(self.directory), origin, "the benchmark names it")

    def build(self) -> None:
        """The directory with random weights, anew; they are drawn on the GPU where it has room for them."""
        roomy = self.on_gpu and free_bytes(self.device) > TO_DRAW_BYTES
        build(self.directory, TRUE_SHAPES, self.device if roomy else torch.device("cpu"))

    def read(self) -> StableDiffusionXLPipeline:
        """The pipeline in main memory, as the product reads it."""
        return read_pipeline(self.located(), self.device, offline=True)

    def whole(self, dtype: torch.dtype | None = None) -> StableDiffusionXLPipeline:
        """The pipeline on the device with nothing spared, in `dtype` if that is not None."""
        pipeline = self.read().to(self.device)
        return pipeline if dtype is None else pipeline.to(dtype)

    def placed(self, *, deep_cache: bool = False) -> tuple[StableDiffusionXLPipeline, Residence]:
        """The pipeline on the device as the product plans it, and the plan. Raises ModelUnusable."""
        pipeline = self.read()
        side = pipeline.default_sample_size * pipeline.vae_scale_factor
        wanted = Wanted(self.scale.batches[-1], (side, side), deep_cache=deep_cache)
        residence = arranged(pipeline, self.device, wanted)
        residence = residence if self.on_gpu else everything(self.scale.batches[-1])
        place(pipeline, self.device, residence)
        return pipeline, residence

    def engine(
        self,
        pipeline: StableDiffusionXLPipeline,
        residence: Residence,
        *,
        speed: SpeedPreset = EXACT,
        compilation: Compilation = NOT_COMPILED,
        preview_every: int = 0,
    ) -> PlaygroundModel:
        """The product's engine over `pipeline`."""
        options = PlaygroundOptions(
            defaults=read_defaults(self.directory),
            speed=speed,
            adapters_dir=self.work / "no-adapters",
            preview_every=preview_every,
            compilation=compilation,
            residence=residence,
        )
        return PlaygroundModel(pipeline, ModelIdentity(self.directory.name, "", is_miniature=False), options)

    def requests(self, count: int, steps: int) -> list[GenerationRequest]:
        """So many, each with a seed of its own."""
        guidance = read_defaults(self.directory).guidance
        return [
            GenerationRequest(Prompt(PROMPTS[seed % len(PROMPTS)], ""), seed, steps, guidance) for seed in range(count)
        ]


def stepped(engine: PlaygroundModel, requests: Sequence[GenerationRequest]) -> list[PictureInProgress]:
    """`requests`, which want equally many steps, painted side by side, as many as the engine's plan allows, but not
    decoded yet."""
    states = [engine.prepare(request) for request in requests]
    at_once = engine.step_limit(engine.size_of(states[0]))
    finished: list[PictureInProgress] = []
    for start in range(0, len(states), at_once):
        going = states[start : start + at_once]
        while not engine.is_finished(going[0]):
            going = engine.step(going)
        finished += going
    return finished


def decoded(engine: PlaygroundModel, states: Sequence[PictureInProgress]) -> list[Image.Image]:
    """The pictures, as many at once as the engine's plan allows."""
    most = engine.decode_limit(engine.size_of(states[0]))
    at_once = max(1, most)
    return [
        image
        for start in range(0, len(states), at_once)
        for image in engine.decode(states[start : start + at_once], tiled=most == 0)
    ]


def stock(pipeline: StableDiffusionXLPipeline, requests: Sequence[GenerationRequest], **options: Any) -> Any:
    """What the stock pipeline makes of `requests`, which want equally many steps and have no negative prompts."""
    return pipeline(
        [request.prompt.text for request in requests],
        num_inference_steps=requests[0].steps,
        guidance_scale=requests[0].guidance,
        generator=[torch.Generator().manual_seed(request.seed) for request in requests],
        **options,
    ).images


def seconds(work: Callable[[], object], *, repeats: int) -> float:
    """The median of `repeats` runs after one to warm up, the device's work included."""
    return statistics.median([once(work) for _ in range(repeats + 1)][1:])


def once(work: Callable[[], object]) -> float:
    """Seconds of one run, the device's work included."""
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def wait() -> None:
    """Until the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def clear() -> None:
    """Give the device back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def decibels(pictures: Sequence[Image.Image], exact: Sequence[Image.Image]) -> float:
    """PSNR of 8-bit pictures, from the mean square error over all of them."""
    errors = [
        float(np.mean((np.asarray(one, np.float64) - np.asarray(other, np.float64)) ** 2))
        for one, other in zip(pictures, exact, strict=True)
    ]
    mean = statistics.fmean(errors)
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def relative(one: torch.Tensor, other: torch.Tensor) -> float:
    """How far `one` is from `other`, of the latter's length."""
    one, other = one.float().cpu(), other.float().cpu()
    return float((one - other).norm() / other.norm())


def check(value: float, *, at_most: float | None = None, at_least: float | None = None) -> dict[str, Any]:
    """A figure that has a limit, and whether it keeps it."""
    is_kept = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    limits = {"at most": at_most, "at least": at_least}
    return {"is": value} | {name: limit for name, limit in limits.items() if limit is not None} | {"ok": is_kept}
