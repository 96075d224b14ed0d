"""What the guard judges by: losses at fixed noise levels with fixed noise, and pictures from fixed seeds.

Everything is the same at each validation but the weights, so two results differ only by what training has done.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import StableDiffusionXLPipeline

from core.finetuning.data.encoding import CachedImage, read_caption, read_encoded
from core.finetuning.data.prepare import PreparedData
from core.finetuning.model.network import TextConditioning, bind
from core.finetuning.model.objective import Objective, RawLatents
from core.finetuning.model.painting import EncodedPrompts, SampledPictures, SamplingSettings, paint
from core.finetuning.training.guard import ValidationResult, statistics_of

FIRST_SEED = 1_000

NO_GRADIENT_BATCHES = 4
"""Without gradients so many times more pictures fit into the same memory."""


@dataclass(frozen=True)
class Probe:
    """Pictures of one size to measure the loss on, [B, 4, h, w] and their conditioning."""

    latents: RawLatents
    conditioning: TextConditioning


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
        conditioning = probe.conditioning.to(device, dtype)
        encoded = probe.latents.to(device)
        for start in range(0, len(encoded), batch_size):
            part = slice(start, start + batch_size)
            latents = RawLatents(encoded[part])
            network = bind(unet, conditioning.part(part), dtype)
            count += len(latents)
            for index, level in enumerate(objective.validation_levels):
                generator = torch.Generator().manual_seed((FIRST_SEED + number) * 10_007 + start * 31 + index)
                noise = torch.randn(latents.shape, generator=generator).to(device)
                levels = torch.full((len(latents),), level, device=device)
                sums[index] += float(objective.loss(network, latents, levels, noise).sum())
    return tuple(total / count for total in sums)


class Validator:
    """Measures the network as it is."""

    def __init__(
        self,
        pipeline: StableDiffusionXLPipeline,
        objective: Objective,
        held_out: Sequence[Probe],
        generic: Sequence[Probe],
        samples: EncodedPrompts,
        settings: SamplingSettings,
    ) -> None:
        """`objective` is the one that belongs to the model, whatever the trainer does."""
        self._pipeline, self._objective = pipeline, objective
        self._held_out, self._generic = held_out, generic
        self._samples, self._settings = samples, settings

    def validate(self) -> tuple[ValidationResult, SampledPictures]:
        """What was found, and the sample pictures that belong to it."""
        seeds = range(FIRST_SEED, FIRST_SEED + len(self._samples.captions))
        painted = paint(self._pipeline, self._samples, seeds, self._settings)
        statistics = statistics_of(painted.latents)
        return ValidationResult(self._losses(self._held_out), self._losses(self._generic), statistics), painted

    def _losses(self, probes: Sequence[Probe]) -> tuple[float, ...]:
        unet = self._pipeline.unet
        return fixed_losses(unet, unet.dtype, self._objective, probes, NO_GRADIENT_BATCHES * self._settings.batch_size)


def generic_probe(
    pipeline: StableDiffusionXLPipeline,
    objective: Objective,
    prompts: EncodedPrompts,
    settings: SamplingSettings,
) -> Probe:
    """What the base model paints for generic captions, to measure later whether it still would."""
    captions = prompts.captions
    painted = paint(pipeline, prompts, range(len(captions)), settings)
    height, width = float(settings.height), float(settings.width)
    return Probe(
        objective.raw_from_samples(painted.latents),
        TextConditioning.of(captions, [(height, width, 0.0, 0.0, height, width)] * len(captions)),
    )


def held_out_probes(data: PreparedData) -> list[Probe]:
    """The held-out images, those of one size together; the VAE's mean, not a draw."""
    by_size: dict[object, list[CachedImage]] = {}
    for image in data.held_out:
        by_size.setdefault(image.fitting.bucket, []).append(image)
    return [_probe(images, data) for images in by_size.values()]


def _probe(images: Sequence[CachedImage], data: PreparedData) -> Probe:
    captions = [read_caption(data.captions[image.image.example.caption]) for image in images]
    return Probe(
        RawLatents(torch.cat([read_encoded(image.latents).mean for image in images])),
        TextConditioning.of(captions, [image.fitting.time_ids for image in images]),
    )
