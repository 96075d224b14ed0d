"""The one loop that paints with the stock pipeline: for the guard, against forgetting, and to compare adapters.

Knows nothing of why something is painted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from core.files import written_whole
from core.finetuning.model.network import Base, Caption
from core.finetuning.model.objective import Config, is_edm

PLAYGROUND_GUIDANCE = 3.0
"""Playground v2.5's recommended guidance."""
SDXL_GUIDANCE = 5.0
"""The stock SDXL pipeline's default."""


@dataclass(frozen=True)
class SamplingSettings:
    """How pictures are painted; `height` and `width` in pixels."""

    steps: int
    guidance: float
    height: int
    width: int
    batch_size: int = 4


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts as the network reads them, and what the pipeline guides away from."""

    captions: tuple[Caption, ...]
    no_caption: Caption


@dataclass(frozen=True)
class SampledPictures:
    """Pictures and the latents that they were decoded from ([B, 4, h, w] fp32, the network's space, CPU)."""

    images: tuple[Image.Image, ...]
    latents: Tensor


@dataclass(frozen=True)
class PictureFile:
    """A picture that is wanted on disk."""

    prompt: str
    seed: int
    path: Path


def usual_guidance(scheduler: Config) -> float:
    """The guidance that the model is usually sampled with."""
    return PLAYGROUND_GUIDANCE if is_edm(scheduler) else SDXL_GUIDANCE


def pipeline_without_encoders(base: Base) -> StableDiffusionXLPipeline:
    """The stock pipeline around the same network and VAE; without text encoders it wants encoded prompts."""
    whole = base.pipeline
    pipeline = StableDiffusionXLPipeline(
        vae=whole.vae,
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=whole.unet,
        scheduler=type(whole.scheduler).from_config(whole.scheduler.config),
        force_zeros_for_empty_prompt=whole.config.force_zeros_for_empty_prompt,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def paint(
    pipeline: StableDiffusionXLPipeline, prompts: EncodedPrompts, seeds: Sequence[int], settings: SamplingSettings
) -> SampledPictures:
    """Paint one picture for each caption and its seed."""
    batches = list(_batches(pipeline, prompts, seeds, settings))
    images = tuple(image for batch in batches for image in batch.images)
    return SampledPictures(images, torch.cat([batch.latents for batch in batches]))


def paint_files(
    pipeline: StableDiffusionXLPipeline,
    files: Sequence[PictureFile],
    settings: SamplingSettings,
    on_progress: Callable[[int], None] = lambda done: None,
    encode: Callable[[Sequence[str]], Sequence[str] | EncodedPrompts] = lambda prompts: prompts,
) -> None:
    """Paint what is not there yet; each PNG is written whole or not at all. Files that are there count as done.

    `encode` is for a pipeline without text encoders. Raises WrongSetting if a file cannot be written.
    """
    missing = [file for file in files if not file.path.is_file()]
    waiting, done = iter(missing), len(files) - len(missing)
    on_progress(done)
    prompts = encode([file.prompt for file in missing])
    for batch in _batches(pipeline, prompts, [file.seed for file in missing], settings):
        for image in batch.images:
            with written_whole(next(waiting).path) as temporary:
                image.save(temporary, "PNG")
        done += len(batch.images)
        on_progress(done)


def _batches(
    pipeline: StableDiffusionXLPipeline,
    prompts: Sequence[str] | EncodedPrompts,
    seeds: Sequence[int],
    settings: SamplingSettings,
) -> Iterator[SampledPictures]:
    for start in range(0, len(seeds), settings.batch_size):
        part = slice(start, start + settings.batch_size)
        last: dict[str, Tensor] = {}

        def keep(
            _pipeline: object, _step: int, _time: object, values: dict[str, Tensor], last: dict[str, Tensor] = last
        ) -> dict[str, Tensor]:
            last.update(values)
            return values

        decoded: Tensor = pipeline(
            **prompt_arguments(pipeline, prompts, part),
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            height=settings.height,
            width=settings.width,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
            callback_on_step_end=keep,
            output_type="pt",
        ).images
        pixels = pipeline.image_processor.pt_to_numpy(decoded.float().nan_to_num(0.5).clamp(0, 1))
        yield SampledPictures(tuple(pipeline.image_processor.numpy_to_pil(pixels)), last["latents"].float().cpu())


def prompt_arguments(
    pipeline: StableDiffusionXLPipeline, prompts: Sequence[str] | EncodedPrompts, part: slice
) -> dict[str, object]:
    """The pipeline's arguments for a part of the prompts."""
    if not isinstance(prompts, EncodedPrompts):
        return {"prompt": list(prompts[part])}
    chunk, nothing = prompts.captions[part], prompts.no_caption
    device, dtype = pipeline.unet.device, pipeline.unet.dtype
    return {
        "prompt_embeds": torch.cat([caption.text for caption in chunk]).to(device, dtype),
        "pooled_prompt_embeds": torch.cat([caption.pooled for caption in chunk]).to(device, dtype),
        "negative_prompt_embeds": nothing.text.expand(len(chunk), -1, -1).to(device, dtype),
        "negative_pooled_prompt_embeds": nothing.pooled.expand(len(chunk), -1).to(device, dtype),
    }
