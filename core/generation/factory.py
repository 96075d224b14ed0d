"""Which painter the settings ask for: the batching engine for SDXL with EDM, the stock pipeline for all else.

And the thread that enlarges what was painted.
"""

import logging
import os
import sys
import threading
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from huggingface_hub import try_to_load_from_cache

from core.generation.batcher import Batcher
from core.generation.enlarging import EnlargingThread
from core.generation.loading import (
    Defaults,
    choose_device,
    is_sdxl_edm,
    native_size,
    read_defaults,
    read_pipeline,
    settle,
)
from core.generation.placing import arranged, place
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS
from core.generation.protocol import ImageGenerator
from core.generation.residence import Residence, Wanted
from core.generation.stock import StockGenerator, StockModel
from core.generation.upscaling import Upscaler, load_upscaler
from core.generation.watch import USUAL_PATIENCE, Patience, within
from core.models import LocatedModel, ModelStore, Origin
from core.settings import CoreSettings, Speed

log = logging.getLogger(__name__)

SLOWEST_STEP_S = 900.0
"""A step of Playground v2.5 on a small processor, generously."""
PAINTING_NICENESS = 10
"""A painting thread on a processor gets what hearing and talking leave."""


def make_generator(settings: CoreSettings, models: ModelStore) -> ImageGenerator:
    """Load the image model and start painting with it. Blocks until it is loaded.

    Raises ModelMissing, ModelUnusable or PainterLost.
    """
    device = within(USUAL_PATIENCE.loading_s, lambda: choose_device(settings.device))
    located = models.image_model(on_gpu=device.type == "cuda")
    log.info("painting with %s on %s: %s", located.name, device, located.why)
    torch.set_float32_matmul_precision("high")
    pipeline = read_pipeline(located, device, offline=not settings.download_models, hub_token=settings.hub_token)
    defaults = read_defaults(located.source)
    if not is_sdxl_edm(pipeline):
        settle(located, lambda: pipeline.to(device))
        log.info("%s is not SDXL with an EDM scheduler: stock pipeline, one picture at a time", located.name)
        return StockGenerator(
            lambda: StockModel(pipeline, located.name, _revision(settings, located, defaults), defaults),
            max_waiting=settings.max_waiting,
            patience=patience_with(device),
        )
    wanted = Wanted(settings.max_batch, native_size(pipeline, defaults), settings.memory)
    residence = within(USUAL_PATIENCE.loading_s, lambda: arranged(pipeline, device, wanted))
    log.info("memory: %s", residence.says)
    settle(located, lambda: place(pipeline, device, residence))
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(settings.model_cache / "compiled"))
    return Batcher(
        lambda: _playground(pipeline, settings, located, defaults, residence),
        max_batch=residence.max_batch,
        max_waiting=settings.max_waiting,
        patience=patience_with(device),
    )


def make_enlarger(settings: CoreSettings, models: ModelStore) -> EnlargingThread:
    """Start the thread that enlarges pictures; it loads its network when the first is to be enlarged.

    Raises ModelUnusable or PainterLost where there is no such device.
    """
    device = within(USUAL_PATIENCE.loading_s, lambda: choose_device(settings.device))

    def load(located: LocatedModel) -> Upscaler:
        give_way(device)
        return load_upscaler(located.path, device)

    return EnlargingThread(models.upscaler, load, max_waiting=settings.max_waiting, patience=patience_with(device))


def patience_with(device: torch.device) -> Patience:
    """A processor has no driver that hangs, and the first step of a large model takes minutes on it."""
    return USUAL_PATIENCE if device.type == "cuda" else Patience(stall_s=SLOWEST_STEP_S)


def give_way(device: torch.device) -> None:
    """To be called in the painting thread: on a processor, leave one core to the rest of the program, and go after it.

    Whoever waits for the first words comes before a picture (`python -m benchmarks.crowd`). On Linux each thread has a
    niceness of its own, which the team that it starts has from it.

    With a team as large as the machine beside the main thread, OpenMP takes the cores for overbooked and lets its
    threads sleep between layers: the miniature then takes 0.43 s a picture on two cores instead of 0.35 s.
    """
    if device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PAINTING_NICENESS)


def _playground(
    pipeline: DiffusionPipeline,
    settings: CoreSettings,
    located: LocatedModel,
    defaults: Defaults,
    residence: Residence,
) -> PlaygroundModel:
    device: torch.device = pipeline.unet.device
    give_way(device)
    speed = PRESETS[settings.speed]
    if settings.speed is not Speed.EXACT:
        log.info("SPEED is %s", speed.says)
    return PlaygroundModel(
        pipeline,
        ModelIdentity(located.name, _revision(settings, located, defaults), located.is_miniature),
        PlaygroundOptions(
            defaults=defaults,
            speed=speed,
            adapters_dir=settings.adapters_dir,
            preview_every=settings.preview_every,
            compile_model=settings.compile_model and device.type == "cuda",
            taesd_directory=ModelStore(settings).cached_taesdxl,
            residence=residence,
        ),
    )


def _revision(settings: CoreSettings, located: LocatedModel, defaults: Defaults) -> str:
    """What the recipe calls the weights: the hub's commit, or what a directory states."""
    if located.origin is Origin.HUB and Path(located.source).is_dir():
        return Path(located.source).name
    if located.origin is Origin.HUB:
        cached = try_to_load_from_cache(located.source, "model_index.json", revision=located.revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
    return settings.image_model_revision or defaults.revision
