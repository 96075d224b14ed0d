"""The last step: an adapter gets its name only after a fresh pipeline has painted with it what the guard judged."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.training_utils import cast_training_params
from PIL import Image

from core.errors import AdapterRefused
from core.finetuning.model.adapter_file import ADAPTER_FILE, save_adapter
from core.finetuning.model.network import Base
from core.finetuning.model.objective import Objective
from core.finetuning.model.painting import EncodedPrompts, SampledPictures, SamplingSettings
from core.finetuning.training.disk import TEMPORARY, remove_leftovers, room_needed
from core.finetuning.training.evidence import NOISE_BOUND
from core.finetuning.training.guard import STD_BOUNDS
from core.finetuning.training.readings import paint_samples
from core.finetuning.training.spectrum import SampleStatistics, statistics_of, white_noise_share
from core.generation.fingerprint import variant_of

SAME = 40.0
"""dB of peak signal to noise from which two pictures count as the same; 8 bits alone cost 59."""

BESIDE_BASE = 1.05
"""Nor may an adapter's samples have more high frequencies than so many times the base's own."""


@dataclass(frozen=True)
class Judged:
    """What the guard saw of the checkpoint that is to be published."""

    pictures: Path
    """The folder of its look."""
    prompts: EncodedPrompts
    settings: SamplingSettings
    base: tuple[SampleStatistics, ...] = ()
    """The base's samples of the same prompts and guidance, where they may be beyond the usual bounds themselves: strong
    guidance on the miniature's small grid has 68 % of white noise's high frequencies."""


def publish(base: Base, objective: Objective, judged: Judged, metadata: Mapping[str, str], out: Path) -> Path:
    """Write the network's adapter into `out`, which gets it whole, tried, or not at all.

    The base's own network leaves the device. Raises AdapterRefused, and DiskFull.
    """
    trial = out / f"{TEMPORARY}{os.getpid()}-adapter"
    remove_leftovers(out)
    try:
        with room_needed("the adapter could not be written"):
            written = save_adapter(base.pipeline.unet, trial, metadata)
        base.pipeline.unet.to("cpu")
        check(_paint(base, objective, written, judged), judged, objective.candidate().deviation)
        os.replace(written, out / ADAPTER_FILE)
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    return out / ADAPTER_FILE


def _paint(base: Base, objective: Objective, adapter: Path, judged: Judged) -> SampledPictures:
    """With nothing of the training's but the file: network and VAE are read from the model's directory again."""
    device, dtype = base.pipeline.vae.device, base.pipeline.unet.dtype
    parts = {}
    for name, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        variant = variant_of(base.directory / name)
        part = kind.from_pretrained(base.directory / name, variant=variant, dtype=dtype, use_safetensors=True)
        parts[name] = part.eval().to(device)
    pipeline = StableDiffusionXLPipeline(
        **parts,
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        scheduler=objective.sampler(),
        force_zeros_for_empty_prompt=base.pipeline.config.force_zeros_for_empty_prompt,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(adapter.parent, weight_name=adapter.name)
    cast_training_params(pipeline.unet.requires_grad_(False))
    return paint_samples(pipeline, judged.prompts, judged.settings)


def check(painted: SampledPictures, judged: Judged, deviation: float) -> None:
    """Whether `painted` is what was judged, and pictures. `deviation`: that of clean latents. Raises AdapterRefused."""
    likeness = min(_psnr(image, judged.pictures / f"{number}.png") for number, image in enumerate(painted.images))
    if likeness < SAME:
        raise AdapterRefused(
            f"The adapter was not saved: loaded anew it does not paint what was judged ({likeness:.0f} dB, "
            f"at least {SAME:g} wanted). --resume tries again."
        )
    statistics = statistics_of(painted.latents)
    white = white_noise_share(*painted.latents.shape[2:])
    base = mean(item.high_frequency for item in judged.base) / white if judged.base else 0.0
    most = max(NOISE_BOUND, BESIDE_BASE * base)
    std = mean(item.std for item in statistics) * 0.5 / deviation
    share = mean(item.high_frequency for item in statistics) / white
    if not (STD_BOUNDS[0] <= std <= STD_BOUNDS[1] and share <= most):
        raise AdapterRefused(
            f"The adapter was not saved: what it paints is no picture (standard deviation {std:.2f}, {share:.0%} of "
            "white noise's high frequencies). Try a tenth of the learning rate."
        )


def _psnr(image: Image.Image, file: Path) -> float:
    with Image.open(file) as opened:
        seen = np.asarray(opened.convert("RGB"), dtype=np.float64)
    error = float(np.mean((np.asarray(image.convert("RGB"), dtype=np.float64) - seen) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
