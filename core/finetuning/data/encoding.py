"""Images and captions, encoded once and kept on disk: training then needs neither the VAE nor the text encoders.

An image is scaled to the nearest of a few sizes of about the same area (aspect buckets), so that a tall one need not be
cut square. Entries are named by the hash of all that they depend on (pixels or words, bucket, encoder weights), so a
cache can be shared by runs and never goes stale. Of an image the VAE's mean and standard deviation are kept (fp16), and
each use draws anew. At 1024 px that is 256 kB an image, and 0.3 MB for each different caption.
"""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.finetuning.data.selection import GoodImage, open_upright
from core.finetuning.model.network import Caption
from core.finetuning.model.objective import RawLatents

MAX_ASPECT = 2.0
"""Longer images than 2 : 1 are cut."""

OnProgress = Callable[[int], None]


@dataclass(frozen=True, order=True)
class Bucket:
    """A picture size in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Fitting:
    """How an image was brought to its bucket: SDXL's micro-conditions, in pixels (arXiv 2307.01952, section 2.2)."""

    original: tuple[int, int]
    """Height and width before scaling."""
    crop: tuple[int, int]
    """Top and left of what was kept, after scaling."""
    bucket: Bucket

    @property
    def time_ids(self) -> tuple[float, ...]:
        """The six numbers that the network is given."""
        return (*self.original, *self.crop, self.bucket.height, self.bucket.width)


def make_buckets(resolution: int, step: int) -> tuple[Bucket, ...]:
    """All sizes in multiples of `step` with at most `resolution`² pixels and an aspect of at most 2 : 1."""
    area = resolution * resolution
    found = {Bucket(resolution, resolution)}
    for short in range(step, resolution + 1, step):
        long = area // short // step * step
        if long / short <= MAX_ASPECT and long >= resolution:
            found |= {Bucket(short, long), Bucket(long, short)}
    return tuple(sorted(found))


def nearest_bucket(width: int, height: int, buckets: Sequence[Bucket]) -> Bucket:
    """The bucket of the most similar aspect."""
    return min(buckets, key=lambda bucket: abs(math.log(width / height) - math.log(bucket.width / bucket.height)))


def fitting_for(width: int, height: int, bucket: Bucket) -> Fitting:
    """How an image of `width` × `height` covers the bucket: scaled as little as possible, cut in the middle."""
    scaled_width, scaled_height = _covering_size(width, height, bucket)
    return Fitting((height, width), ((scaled_height - bucket.height) // 2, (scaled_width - bucket.width) // 2), bucket)


def fit(image: Image.Image, bucket: Bucket) -> Image.Image:
    """Scale and cut as `fitting_for` says."""
    scaled = image.resize(_covering_size(*image.size, bucket), Image.Resampling.LANCZOS)
    top, left = fitting_for(*image.size, bucket).crop
    return scaled.crop((left, top, left + bucket.width, top + bucket.height))


@dataclass(frozen=True)
class CachedImage:
    """An image that is ready for training."""

    image: GoodImage
    latents: Path
    fitting: Fitting


@dataclass(frozen=True)
class Encoded:
    """The VAE's answer for one image: `mean` and `std`, [1, 4, h, w] fp32, raw scale."""

    mean: RawLatents
    std: Tensor

    def sample(self, generator: torch.Generator) -> RawLatents:
        """One draw."""
        return RawLatents(self.mean + self.std * torch.randn(self.mean.shape, generator=generator))


def cache_images(
    images: Sequence[GoodImage],
    buckets: Sequence[Bucket],
    vae: AutoencoderKL,
    vae_key: str,
    directory: Path,
    on_progress: OnProgress = lambda done: None,
) -> list[CachedImage]:
    """Encode what is not in `directory` yet, on the VAE's device; it should be fp32, for half loses detail."""
    directory.mkdir(parents=True, exist_ok=True)
    cached: list[CachedImage] = []
    for done, image in enumerate(images, start=1):
        bucket = nearest_bucket(image.width, image.height, buckets)
        path = directory / f"{_key(image.pixels_sha256, str(bucket.height), str(bucket.width), vae_key)}.safetensors"
        if not path.is_file():
            encoded = _encode(fit(open_upright(image.example.path), bucket), vae)
            _write({"mean": encoded.mean.half(), "std": encoded.std.half()}, path)
        cached.append(CachedImage(image, path, fitting_for(image.width, image.height, bucket)))
        on_progress(done)
    return cached


def read_encoded(path: Path) -> Encoded:
    """Read one image's entry."""
    entry = load_file(path)
    return Encoded(RawLatents(entry["mean"].float()), entry["std"].float())


def cache_captions(
    captions: Sequence[str],
    pipeline: StableDiffusionXLPipeline,
    text_key: str,
    directory: Path,
    on_progress: OnProgress = lambda done: None,
) -> dict[str, Path]:
    """Encode each different caption once, with the pipeline's own code."""
    directory.mkdir(parents=True, exist_ok=True)
    paths: dict[str, Path] = {}
    for done, caption in enumerate(dict.fromkeys(captions), start=1):
        paths[caption] = directory / f"{_key(caption, text_key)}.safetensors"
        if not paths[caption].is_file():
            encoded = encode_caption(pipeline, caption)
            _write({"text": encoded.text, "pooled": encoded.pooled}, paths[caption])
        on_progress(done)
    return paths


def read_caption(path: Path) -> Caption:
    """Read one caption's entry."""
    entry = load_file(path)
    return Caption(entry["text"], entry["pooled"])


@torch.no_grad()
def encode_caption(pipeline: StableDiffusionXLPipeline, caption: str) -> Caption:
    """What the stock pipeline would give the network for this prompt."""
    text, _, pooled, _ = pipeline.encode_prompt(
        caption, device=pipeline.text_encoder.device, do_classifier_free_guidance=False
    )
    return Caption(text.cpu().contiguous(), pooled.cpu().contiguous())


@torch.no_grad()
def encode_no_caption(pipeline: StableDiffusionXLPipeline) -> Caption:
    """What the stock pipeline guides away from when there is no negative prompt; zeros in Playground."""
    _, text, _, pooled = pipeline.encode_prompt(
        "", device=pipeline.text_encoder.device, do_classifier_free_guidance=True
    )
    return Caption(text.cpu().contiguous(), pooled.cpu().contiguous())


def _covering_size(width: int, height: int, bucket: Bucket) -> tuple[int, int]:
    scale = max(bucket.width / width, bucket.height / height)
    return max(bucket.width, round(width * scale)), max(bucket.height, round(height * scale))


@torch.no_grad()
def _encode(pixels: Image.Image, vae: AutoencoderKL) -> Encoded:
    values = torch.from_numpy(np.asarray(pixels, dtype=np.float32).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    posterior = vae.encode(values.to(vae.device, vae.dtype)).latent_dist
    return Encoded(RawLatents(posterior.mean.float().cpu().contiguous()), posterior.std.float().cpu().contiguous())


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    """Whole or not at all, so that an interrupted run leaves no half entry."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, temporary)
    os.replace(temporary, path)
