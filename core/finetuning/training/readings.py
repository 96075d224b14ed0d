"""What the guard judges by: losses at fixed noise levels with fixed noise, and pictures from fixed seeds.

Everything is the same at each look but the weights, so two readings differ only by what training has done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from diffusers import StableDiffusionXLPipeline

from core.errors import UnusableData
from core.finetuning.data.encoding import CachedImage, read_caption, read_encoded
from core.finetuning.data.prepare import PreparedData
from core.finetuning.model.latents import RawLatents
from core.finetuning.model.network import Caption, TextConditioning, bind
from core.finetuning.model.objective import Objective
from core.finetuning.model.painting import EncodedPrompts, SampledPictures, SamplingSettings, paint
from core.finetuning.training.evidence import blind_loss
from core.finetuning.training.guard import Draw, Losses, Reading, Yardstick
from core.finetuning.training.references import references
from core.finetuning.training.spectrum import statistics_of, white_noise_share

FIRST_SEED = 1_000
SAMPLES = 8
NO_GRADIENT_BATCHES = 4
"""Without gradients so many times more pictures fit into the same memory."""


@dataclass(frozen=True)
class Probe:
    """Pictures of one size to measure the loss on, [B, 4, h, w] and their conditioning."""

    latents: RawLatents
    conditioning: TextConditioning


@dataclass(frozen=True)
class Look:
    """A reading with the pictures that belong to it; those of the page are the first."""

    reading: Reading
    painted: SampledPictures


@dataclass(frozen=True)
class Probes:
    """What the losses are measured on."""

    held_out: Sequence[Probe]
    generic: Sequence[Probe]


class Validator:
    """Measures the network as it is."""

    def __init__(
        self,
        pipeline: StableDiffusionXLPipeline,
        objective: Objective,
        probes: Probes,
        samples: EncodedPrompts,
        settings: SamplingSettings,
    ) -> None:
        """`objective` is the one that belongs to the model, whatever the trainer does."""
        self._pipeline, self._objective, self._probes = pipeline, objective, probes
        self._samples, self._settings = samples, settings

    def look(self) -> Look:
        """Losses on the first draw of noise, and the samples."""
        painted = paint_samples(self._pipeline, self._samples, self._settings)
        return Look(Reading(self.losses(0), statistics_of(painted.latents)), painted)

    def losses(self, draw: int) -> Draw:
        """The losses on a draw of noise: 0 at each look, 1 to make sure."""
        return Draw(
            *(self._losses(probes, draw, blind=False) for probes in (self._probes.held_out, self._probes.generic))
        )

    def yardstick(self) -> tuple[Yardstick, Look]:
        """The network, which must be the untouched base, as what everything is measured against."""
        look = self.look()
        blind = [
            Draw(*(self._losses(probes, draw, blind=True) for probes in (self._probes.held_out, self._probes.generic)))
            for draw in (0, 1)
        ]
        height, width = look.painted.latents.shape[2:]
        return Yardstick(
            (look.reading.losses, self.losses(1)),
            (blind[0], blind[1]),
            look.reading.samples,
            white_noise_share(height, width),
            self._objective.candidate().deviation,
        ), look

    @torch.no_grad()
    def _losses(self, probes: Sequence[Probe], draw: int, *, blind: bool) -> Losses:
        """Of each picture at each level; `blind`: of knowing nothing, without asking the network."""
        unet, objective = self._pipeline.unet, self._objective
        device, dtype = unet.device, unet.dtype  # asking takes a while
        chunk = NO_GRADIENT_BATCHES * self._settings.batch_size
        levels = objective.validation_levels
        rows: list[tuple[float, ...]] = []
        for probe in probes:
            pairs = [(picture, level) for picture in range(len(probe.latents)) for level in range(len(levels))]
            found: list[float] = []
            for start in range(0, len(pairs), chunk):
                part = pairs[start : start + chunk]
                pictures = [picture for picture, _ in part]
                latents = RawLatents(probe.latents[pictures])
                noise = torch.stack([_noise(probe.latents[n], len(rows) + n, level, draw) for n, level in part])
                asked = torch.tensor([levels[level] for _, level in part], device=device)
                latents, noise = RawLatents(latents.to(device)), noise.to(device)
                if blind:
                    seen, _, target = objective.question(latents, asked, noise)
                    found += blind_loss(seen, target).tolist()
                else:
                    network = bind(unet, probe.conditioning.of_pictures(pictures).to(device, dtype), dtype)
                    found += objective.loss(network, latents, asked, noise).tolist()
            rows += [tuple(found[at : at + len(levels)]) for at in range(0, len(found), len(levels))]
        return tuple(rows)


def paint_samples(
    pipeline: StableDiffusionXLPipeline, prompts: EncodedPrompts, settings: SamplingSettings
) -> SampledPictures:
    """Eight samples, or one for each prompt if these are more: the prompts in turn, each with a seed of its own."""
    count = max(SAMPLES, len(prompts.captions))
    captions = tuple(prompts.captions[number % len(prompts.captions)] for number in range(count))
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    return paint(pipeline, EncodedPrompts(captions, prompts.no_caption), seeds, settings)


def generic_probes(
    pipeline: StableDiffusionXLPipeline, objective: Objective, prompts: EncodedPrompts, settings: SamplingSettings
) -> list[Probe]:
    """What the base paints for generic captions, to measure later whether it still would; and made pictures.

    Unguided: that is the distribution which the base has learnt. On the miniature its loss is 0.1 of knowing nothing's
    on such pictures, and 0.5 to 1.1 on guided ones.
    """
    painted = paint(pipeline, prompts, range(len(prompts.captions)), replace(settings, guidance=1.0))
    vae, nothing = pipeline.vae, prompts.no_caption
    pictures = [torch.from_numpy(pixels).permute(2, 0, 1)[None] for pixels in references(settings.height)]
    with torch.no_grad():
        means = [vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mean.float().cpu() for pixels in pictures]
    return [
        _square(objective.raw_from_samples(painted.latents), prompts.captions, settings),
        _square(RawLatents(torch.cat(means)), [nothing] * len(means), settings),
    ]


def held_out_probes(data: PreparedData) -> list[Probe]:
    """The held-out images that are finite, those of one size together; the VAE's mean, not a draw.

    Raises UnusableData if there are none.
    """
    by_size: dict[object, list[CachedImage]] = {}
    for image in data.held_out:
        if bool(read_encoded(image.latents).mean.isfinite().all()):
            by_size.setdefault(image.fitting.bucket, []).append(image)
    if not by_size:
        names = ", ".join(image.image.example.path.name for image in data.held_out)
        raise UnusableData(
            f"No held-out image can be encoded to finite numbers ({names}); take them out of the folder."
        )
    return [_probe(images, data) for images in by_size.values()]


def _square(latents: RawLatents, captions: Sequence[Caption], settings: SamplingSettings) -> Probe:
    height, width = float(settings.height), float(settings.width)
    sizes = [(height, width, 0.0, 0.0, height, width)] * len(captions)
    return Probe(latents, TextConditioning.of(captions, sizes))


def _probe(images: Sequence[CachedImage], data: PreparedData) -> Probe:
    captions = [read_caption(data.captions[image.image.example.caption]) for image in images]
    return Probe(
        RawLatents(torch.cat([read_encoded(image.latents).mean for image in images])),
        TextConditioning.of(captions, [image.fitting.time_ids for image in images]),
    )


def _noise(like: torch.Tensor, picture: int, level: int, draw: int) -> torch.Tensor:
    """Fixed for each picture, level and draw, however many go through the network at once; [4, h, w] on the CPU."""
    generator = torch.Generator().manual_seed(((draw * 1_009 + picture) * 101 + level) * 7 + FIRST_SEED)
    return torch.randn(like.shape, generator=generator)
