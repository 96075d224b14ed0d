"""Taking the guard's readings: losses at fixed noise levels with fixed noise, and pictures from fixed seeds.

Everything is the same at each look but the weights, so two readings differ only by what training has done.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from core.finetuning.guard import Reading, statistics_of
from core.finetuning.network import Caption, Conditions, bind
from core.finetuning.objective import Config, Objective, RawLatents, is_edm

GENERIC_PROMPTS = (
    "a red apple on a wooden table",
    "a mountain lake at sunrise",
    "a dog running on a beach",
    "a busy street in the rain at night",
    "a steam train crossing a bridge",
    "a cat sleeping on a windowsill",
    "a lighthouse in a storm",
    "a bowl of soup, studio photograph",
)
"""Captions that no training set is about; the base model paints them once, and must still know them later."""

PLAYGROUND_GUIDANCE = 3.0
"""Playground v2.5's recommended guidance."""
SDXL_GUIDANCE = 5.0
"""The stock SDXL pipeline's default."""

FIRST_SEED = 1_000

NO_GRADIENT_BATCHES = 4
"""Without gradients so many times more pictures fit into the same memory."""


@dataclass(frozen=True)
class Probe:
    """Pictures of one size to measure the loss on, [B, 4, h, w] and their conditions."""

    latents: RawLatents
    conditions: Conditions


@dataclass(frozen=True)
class Painted:
    """Pictures and the latents they came from ([B, 4, h, w], the network's space, CPU)."""

    images: tuple[Image.Image, ...]
    latents: Tensor


@dataclass(frozen=True)
class SamplingSettings:
    """How pictures are painted for comparison."""

    steps: int
    guidance: float
    height: int
    width: int
    batch_size: int = 4


def usual_guidance(scheduler: Config) -> float:
    """The guidance that the model is usually sampled with."""
    return PLAYGROUND_GUIDANCE if is_edm(scheduler) else SDXL_GUIDANCE


def paint(
    pipeline: StableDiffusionXLPipeline,
    captions: Sequence[Caption],
    no_caption: Caption,
    seeds: Sequence[int],
    settings: SamplingSettings,
) -> Painted:
    """Paint one picture for each caption with the stock pipeline."""
    images: list[Image.Image] = []
    latents: list[Tensor] = []
    device, dtype = pipeline.unet.device, pipeline.unet.dtype
    for start in range(0, len(captions), settings.batch_size):
        chunk = captions[start : start + settings.batch_size]
        last: dict[str, Tensor] = {}

        def keep(
            _pipeline: object, _step: int, _time: object, values: dict[str, Tensor], last: dict[str, Tensor] = last
        ) -> dict[str, Tensor]:
            last.update(values)
            return values

        decoded: Tensor = pipeline(
            prompt_embeds=torch.cat([caption.text for caption in chunk]).to(device, dtype),
            pooled_prompt_embeds=torch.cat([caption.pooled for caption in chunk]).to(device, dtype),
            negative_prompt_embeds=no_caption.text.expand(len(chunk), -1, -1).to(device, dtype),
            negative_pooled_prompt_embeds=no_caption.pooled.expand(len(chunk), -1).to(device, dtype),
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            height=settings.height,
            width=settings.width,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[start : start + len(chunk)]],
            callback_on_step_end=keep,
            output_type="pt",
        ).images
        latents.append(last["latents"].float().cpu())
        images += pipeline.image_processor.numpy_to_pil(
            pipeline.image_processor.pt_to_numpy(decoded.float().nan_to_num(0.5).clamp(0, 1))
        )
    return Painted(tuple(images), torch.cat(latents))


@torch.no_grad()
def fixed_losses(
    unet: torch.nn.Module,
    dtype: torch.dtype,
    objective: Objective,
    probes: Sequence[Probe],
    batch_size: int,
) -> tuple[float, ...]:
    """The mean loss over all probes at each of the objective's fixed noise levels."""
    device = next(unet.parameters()).device
    sums = [0.0] * len(objective.validation_levels)
    count = 0
    for number, probe in enumerate(probes):
        conditions = probe.conditions.to(device, dtype)
        encoded = probe.latents.to(device)
        for start in range(0, len(encoded), batch_size):
            part = slice(start, start + batch_size)
            latents = RawLatents(encoded[part])
            network = bind(
                unet, Conditions(conditions.text[part], conditions.pooled[part], conditions.time_ids[part]), dtype
            )
            count += len(latents)
            for index, level in enumerate(objective.validation_levels):
                generator = torch.Generator().manual_seed((FIRST_SEED + number) * 10_007 + start * 31 + index)
                noise = torch.randn(latents.shape, generator=generator).to(device)
                levels = torch.full((len(latents),), level, device=device)
                sums[index] += float(objective.loss(network, latents, levels, noise).sum())
    return tuple(total / count for total in sums)


class Examiner:
    """Takes readings of the network as it is at the moment."""

    def __init__(
        self,
        pipeline: StableDiffusionXLPipeline,
        objective: Objective,
        held_out: Sequence[Probe],
        generic: Sequence[Probe],
        sample_captions: Sequence[Caption],
        no_caption: Caption,
        settings: SamplingSettings,
    ) -> None:
        """`objective` is the one that belongs to the model, whatever the trainer does."""
        self._pipeline, self._objective = pipeline, objective
        self._held_out, self._generic = held_out, generic
        self._captions, self._no_caption, self._settings = sample_captions, no_caption, settings

    def look(self) -> tuple[Reading, Painted]:
        """One reading, and the pictures that belong to it."""
        painted = paint(
            self._pipeline,
            self._captions,
            self._no_caption,
            range(FIRST_SEED, FIRST_SEED + len(self._captions)),
            self._settings,
        )
        return Reading(
            self._losses(self._held_out), self._losses(self._generic), statistics_of(painted.latents)
        ), painted

    def _losses(self, probes: Sequence[Probe]) -> tuple[float, ...]:
        unet = self._pipeline.unet
        return fixed_losses(unet, unet.dtype, self._objective, probes, NO_GRADIENT_BATCHES * self._settings.batch_size)


def generic_probe(
    pipeline: StableDiffusionXLPipeline,
    objective: Objective,
    captions: Sequence[Caption],
    no_caption: Caption,
    settings: SamplingSettings,
) -> Probe:
    """What the base model paints for generic captions, to measure later whether it still would."""
    painted = paint(pipeline, captions, no_caption, range(len(captions)), settings)
    height, width = float(settings.height), float(settings.width)
    return Probe(
        objective.raw_from_samples(painted.latents),
        Conditions.of(captions, [(height, width, 0.0, 0.0, height, width)] * len(captions)),
    )
