"""Painting on a processor: in which floats, with which decoder, and how long a picture will take.

The time is told before the first picture: the operations that a picture takes, at the speed at which this processor
runs blocks of the same kind. It knows nothing of requests.
"""

import logging
import math
import os
import sys
import threading
import time

import torch
from diffusers import AutoencoderTiny, DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.models.unets.unet_2d_blocks import CrossAttnDownBlock2D
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from core import catalogue
from core.catalogue import KnownModel
from core.errors import ModelMissing
from core.generation.protocol import about
from core.generation.watch import USUAL_PATIENCE, within
from core.models import ModelStore
from core.official import PLAYGROUND

log = logging.getLogger(__name__)

BF16_UNITS = ("amx_bf16", "avx512_bf16", "bf16")
"""What has instructions for bfloat16; the last is ARM's. Elsewhere it is slower than float32."""
PLAYGROUND_OPERATIONS = 687e12
"""Of a picture with 1024 pixels a side by Playground v2.5: 50 guided steps of 6.76e12 an evaluation, and decoding."""
SD_TURBO_OPERATIONS = 0.945e12
"""Of one with 512 by SD-Turbo, which takes one unguided step, and the tiny decoder; with its own decoder 3.32e12."""
LARGE = 100_000_000
"""Weights of a network that is worth measuring; smaller ones paint at once."""
BLOCKS = ((320, 64), (640, 32), (1280, 16))
"""Channels, and cells of a latent's side, of Stable Diffusion's three levels with attention."""
PAINTING_NICENESS = 10
"""A painting thread on a processor gets what hearing and talking leave."""
MEASURED_S = 0.5
"""A block is run again until so much time has gone by."""


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


def has_bf16() -> bool:
    """Whether this processor has instructions for bfloat16."""
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(unit, False) for unit in BF16_UNITS)


def quickest_dtype() -> torch.dtype:
    """bfloat16 where this processor has it, else float32."""
    return torch.bfloat16 if has_bf16() else torch.float32


def use_tiny_decoder(pipeline: DiffusionPipeline, known: KnownModel | None, store: ModelStore) -> str:
    """Decode with the small autoencoder that the catalogue names, if it was fetched and is whole; returns its name.

    If not, it is empty, and the log says what lacks.
    """
    if known is None or not known.tiny_decoder:
        return ""
    try:
        decoder = AutoencoderTiny.from_pretrained(
            store.tiny_decoder(known).source, torch_dtype=pipeline.dtype, local_files_only=True, use_safetensors=True
        )
    except ModelMissing as error:
        log.warning("%s", error)
        return ""
    except (OSError, ValueError):
        log.warning("cannot load %s; pictures are decoded more slowly", known.tiny_decoder, exc_info=True)
        return ""
    pipeline.vae = decoder.to(pipeline.device, memory_format=torch.channels_last)  # four times as quick in bfloat16
    return known.tiny_decoder


def forewarn() -> None:
    """Say in the log how long Playground v2.5 will take on this processor. Raises PainterLost."""
    log.warning(
        "Playground v2.5 is meant for a GPU: on this processor a picture will take %s; SD-Turbo takes a 700th of that: "
        "`imagine-sound models pull sd-turbo`, then IMAGE_MODEL=sd-turbo",
        about(_seconds(PLAYGROUND_OPERATIONS, torch.float32)),
    )


def seconds_of(name: str) -> float | None:
    """How long a picture by the painter with this name on the hub will take; None where that is not known.

    To be called before there is a painting thread. Raises PainterLost.
    """
    known = catalogue.named(name)
    if name == PLAYGROUND:
        return _seconds(PLAYGROUND_OPERATIONS, torch.float32)
    if known is not None and known.short_name == catalogue.WITHOUT_GPU:
        return _seconds(SD_TURBO_OPERATIONS, quickest_dtype())
    return None


def _seconds(operations: float, dtype: torch.dtype) -> float:
    """For so many operations, measured as they would be done in the painting thread."""

    def measure() -> float:
        give_way(torch.device("cpu"))
        return operations / operations_a_second(dtype)

    return within(USUAL_PATIENCE.loading_s, measure)


def picture_seconds(pipeline: DiffusionPipeline, size: tuple[int, int], *, steps: int, guided: bool) -> float | None:
    """How long a picture will take, see `operations_of_picture`; to be called in the painting thread."""
    operations = operations_of_picture(pipeline, size, steps=steps, guided=guided)
    if operations is None:
        return None
    speed = operations_a_second(pipeline.unet.dtype)
    log.info(
        "a picture of %dx%d will take %s: %.2f TFLOP at %.2f a second in %s",
        *(*size, about(operations / speed), operations / 1e12, speed / 1e12, pipeline.unet.dtype),
    )
    return float(operations / speed)


def operations_of_picture(
    pipeline: DiffusionPipeline, size: tuple[int, int], *, steps: int, guided: bool
) -> float | None:
    """The floating-point operations, two a multiply-add, of a picture of `size`, width and height in pixels.

    None for a small network, and where the pipeline is none of Stable Diffusion's kind. Encoding the prompt is little.
    """
    if not isinstance(pipeline, StableDiffusionPipeline | StableDiffusionXLPipeline):
        return None
    if sum(weight.numel() for weight in pipeline.unet.parameters()) < LARGE:
        return None
    width, height = (side // pipeline.vae_scale_factor for side in size)
    config = pipeline.unet.config
    latent = torch.empty(1, config.in_channels, height, width, device="meta", dtype=pipeline.unet.dtype)
    text = latent.new_empty(1, pipeline.tokenizer.model_max_length, config.cross_attention_dim)
    added = None
    if isinstance(pipeline, StableDiffusionXLPipeline):
        pooled = latent.new_empty(1, pipeline.text_encoder_2.config.projection_dim)
        added = {"text_embeds": pooled, "time_ids": latent.new_empty(1, 6)}
    noise = torch.empty((), device="meta")
    evaluation = _operations(pipeline.unet, latent, noise, text, added_cond_kwargs=added)
    decoding = _operations(pipeline.vae.decoder, latent.to(pipeline.vae.dtype))
    return steps * (2 if guided else 1) * evaluation + decoding


def _operations(network: nn.Module, *inputs: Tensor, **more: object) -> float:
    """Those of one run, counted without running it: `inputs` are on the meta device, and its weights are taken there.

    A processor's own attention is not counted where it is run.
    """
    weights = {name: tensor.to("meta") for name, tensor in network.state_dict().items()}
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        functional_call(network, weights, inputs, more)
    return float(counter.get_total_flops())


def operations_a_second(dtype: torch.dtype) -> float:
    """What this processor does of a UNet's blocks with the calling thread's team; takes a few seconds."""
    rates = [_rate(channels, side, dtype) for channels, side in BLOCKS]
    return len(rates) / sum(1 / rate for rate in rates)


@torch.inference_mode()
def _rate(channels: int, side: int, dtype: torch.dtype) -> float:
    """Operations in a second of the calling thread's processor time, in the quickest of a few runs.

    What else the machine does while it starts counts little so; of a team, the calling thread works as long as each.
    """
    block = CrossAttnDownBlock2D(
        in_channels=channels,
        out_channels=channels,
        temb_channels=1280,
        num_layers=1,
        num_attention_heads=channels // 64,
        cross_attention_dim=1024,
        use_linear_projection=True,
        add_downsample=False,
    ).to(dtype)
    inputs = [torch.randn(shape).to(dtype) for shape in ((1, channels, side, side), (1, 1280), (1, 77, 1024))]
    block(*inputs)
    ends, quickest = time.monotonic() + MEASURED_S, math.inf
    while quickest == math.inf or time.monotonic() < ends:
        began = time.thread_time()
        block(*inputs)
        quickest = min(quickest, time.thread_time() - began)
    return _operations(block, *(tensor.to("meta") for tensor in inputs)) / quickest
