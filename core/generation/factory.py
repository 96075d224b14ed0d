"""Which painter the settings ask for: the batching engine for SDXL with EDM, Z-Image and FLUX.2 klein, the stock
pipeline for all else.

And the thread that enlarges what was painted.
"""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import DiffusionPipeline
from huggingface_hub import try_to_load_from_cache

from core import catalogue
from core.generation.batcher import Batcher
from core.generation.checkpoint import best_values, known_model
from core.generation.defaults import Defaults, read_defaults, stated_defaults
from core.generation.enlarging import EnlargingThread
from core.generation.flow import FlowModel, FlowOptions
from core.generation.flow_families import FlowFamily, family_of
from core.generation.guided import GuidanceAdapter, find_guidance
from core.generation.loading import choose_device, is_sdxl_edm, native_size, read_pipeline, settle
from core.generation.merged import MergedGuidance
from core.generation.placing import arranged, memory_of, place
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS, WITH_ADAPTER, SpeedPreset, preset_with
from core.generation.processor import forewarn, give_way, picture_seconds, quickest_dtype, use_tiny_decoder
from core.generation.protocol import ImageGenerator
from core.generation.residence import Residence, Storage, Wanted
from core.generation.stock import StockGenerator, StockModel
from core.generation.unet import Compilation
from core.generation.upscaling import Upscaler, load_upscaler
from core.generation.watch import USUAL_PATIENCE, Patience, within
from core.located import LocatedModel, Origin
from core.models import ModelStore
from core.official import PLAYGROUND
from core.options import Compiling, Speed

if TYPE_CHECKING:
    from core.settings import CoreSettings

log = logging.getLogger(__name__)

SLOWEST_STEP_S = 900.0
"""A step of Playground v2.5 on a small processor, generously."""


def make_generator(settings: "CoreSettings", models: ModelStore) -> ImageGenerator:
    """Load the image model and start painting with it. Blocks until it is loaded.

    Raises ModelMissing, ModelUnusable or PainterLost.
    """
    device = within(USUAL_PATIENCE.loading_s, lambda: choose_device(settings.device))
    if device.type == "cpu" and settings.image_model == PLAYGROUND:
        forewarn()  # before seven gigabytes are fetched
    located = models.image_model(on_gpu=device.type == "cuda")
    log.info("painting with %s on %s: %s", located.name, device, located.why)
    torch.set_float32_matmul_precision("high")
    pipeline = read_pipeline(
        located,
        device,
        offline=not settings.download_models,
        hub_token=settings.hub_token,
        dtype=_processor_dtype(located, device),
    )
    defaults = read_defaults(located.source)
    if family := family_of(pipeline):
        return _flow(pipeline, family, settings, located, device)
    if not is_sdxl_edm(pipeline):
        return _stock(pipeline, settings, models, located, device)
    size = native_size(pipeline, defaults)
    speed, guidance = _speed(settings, pipeline)
    wanted = Wanted(settings.max_batch, size, settings.memory, speed.has_deep_cache)
    residence = _placed(pipeline, located, device, wanted)
    if residence.unet is not Storage.WHOLE and guidance is not None:
        log.warning("the adapter for guidance is not used: the network is stored in FP8, which takes none")
        speed, guidance = PRESETS[settings.speed], None
    return Batcher(
        lambda: _playground(pipeline, settings, located, residence, speed, guidance),
        max_batch=residence.max_batch,
        max_waiting=settings.max_waiting,
        patience=patience_with(device),
        memory=partial(memory_of, device),
    )


def make_enlarger(settings: "CoreSettings", models: ModelStore) -> EnlargingThread:
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


def _placed(pipeline: DiffusionPipeline, located: LocatedModel, device: torch.device, wanted: Wanted) -> Residence:
    """The plan for the memory, with the pipeline's parts where it wants them. Raises ModelUnusable, PainterLost."""
    residence = within(USUAL_PATIENCE.loading_s, lambda: arranged(pipeline, device, wanted))
    log.info("memory: %s", residence.says)
    settle(located, lambda: place(pipeline, device, residence))
    return residence


def _processor_dtype(located: LocatedModel, device: torch.device) -> torch.dtype | None:
    """What a model that is meant for processors, too, is read in on one; None where the device decides."""
    known = catalogue.named(located.name)
    return quickest_dtype() if device.type == "cpu" and known is not None and known.tiny_decoder else None


def _stock(
    pipeline: DiffusionPipeline,
    settings: "CoreSettings",
    models: ModelStore,
    located: LocatedModel,
    device: torch.device,
) -> ImageGenerator:
    log.info("%s is not SDXL with an EDM scheduler: stock pipeline, one picture at a time", located.name)
    values = best_values(pipeline, located.name, stated_defaults(located.source))
    revision = _revision(settings, located, read_defaults(located.source))
    if device.type == "cpu":
        settle(located, lambda: pipeline.to(device, quickest_dtype()))
        if decoder := use_tiny_decoder(pipeline, known_model(pipeline, located.name), models):
            revision = f"{revision}+{decoder}"
    else:
        settle(located, lambda: pipeline.to(device))

    def load() -> StockModel:
        give_way(device)
        picture_s = None
        if device.type == "cpu" and values.size is not None:
            picture_s = picture_seconds(pipeline, values.size, steps=values.steps, guided=values.guidance > 1)
        return StockModel(pipeline, located.name, revision, values, picture_s)

    return StockGenerator(
        load,
        max_waiting=settings.max_waiting,
        patience=patience_with(device),
        memory=partial(memory_of, device),
    )


def _flow(
    pipeline: DiffusionPipeline,
    family: type[FlowFamily],
    settings: "CoreSettings",
    located: LocatedModel,
    device: torch.device,
) -> ImageGenerator:
    values = best_values(pipeline, located.name, stated_defaults(located.source))
    size = values.size or family.own_size
    wanted = Wanted(
        settings.max_batch,
        size,
        settings.memory,
        whole_step_bytes=family.step_bytes * (2 if values.is_guided else 1),
        network="transformer",
    )
    residence = _placed(pipeline, located, device, wanted)
    if settings.speed is not Speed.EXACT:
        log.info("SPEED has no meaning for %s, which is painted as it is", located.name)

    def load() -> FlowModel:
        give_way(device)
        options = FlowOptions(values, residence, settings.preview_every)
        revision = _revision(settings, located, read_defaults(located.source))
        return FlowModel(pipeline, family, located.name, revision, options)

    return Batcher(
        load,
        max_batch=residence.max_batch,
        max_waiting=settings.max_waiting,
        patience=patience_with(device),
        memory=partial(memory_of, device),
    )


def _playground(
    pipeline: DiffusionPipeline,
    settings: "CoreSettings",
    located: LocatedModel,
    residence: Residence,
    speed: SpeedPreset,
    guidance: GuidanceAdapter | None,
) -> PlaygroundModel:
    device: torch.device = pipeline.unet.device
    on_gpu = device.type == "cuda"
    give_way(device)
    defaults, picture_s = read_defaults(located.source), None
    if device.type == "cpu":
        size, guided = native_size(pipeline, defaults), defaults.guidance > 1 and guidance is None
        picture_s = picture_seconds(pipeline, size, steps=defaults.steps, guided=guided)
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
            taesd_directory=ModelStore(settings).cached_taesdxl,
            residence=residence,
            compilation=Compilation(settings.compile_model if on_gpu else Compiling.OFF, settings.compile_cache),
            picture_s=picture_s,
            guidance=None if guidance is None else MergedGuidance.of(pipeline.unet, guidance),
        ),
    )


def _speed(settings: "CoreSettings", pipeline: DiffusionPipeline) -> tuple[SpeedPreset, GuidanceAdapter | None]:
    """What SPEED is here, with the adapter that stands for guidance where it has one."""
    plain = PRESETS[settings.speed]
    network = Path(pipeline.unet.config.get("_name_or_path") or "")  # where its files were read from
    guidance = find_guidance(settings.adapters_dir, network) if settings.speed in WITH_ADAPTER else None
    if guidance is None:
        return plain, None
    return preset_with(settings.speed, guidance.says) or plain, guidance


def _revision(settings: "CoreSettings", located: LocatedModel, defaults: Defaults) -> str:
    """What the recipe calls the weights: the hub's commit, or what a directory states."""
    if located.origin is Origin.HUB and Path(located.source).is_dir():
        return Path(located.source).name
    if located.origin is Origin.HUB:
        cached = try_to_load_from_cache(located.source, "model_index.json", revision=located.revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
    return settings.image_model_revision or defaults.revision
