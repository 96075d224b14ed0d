"""Images and captions, encoded once and kept on disk: training then needs neither the VAE nor the text encoders.

Entries are named by the hash of all that they depend on (pixels or words, bucket, encoder weights and their precision),
so a cache can be shared by runs and never goes stale. Of an image the VAE's mean and standard deviation are kept
(fp16), and each use draws anew. At 1024 px that is 256 kB an image, and 0.3 MB for each different caption.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from core.finetuning.data.buckets import Bucket, Fitting, fit, fitting_for, nearest_bucket
from core.finetuning.data.cache import entry_name, is_whole, read_entry, write_entry
from core.finetuning.data.pictures import large_ones_too, open_upright
from core.finetuning.data.selection import GoodImage
from core.finetuning.model.latents import RawLatents
from core.finetuning.model.network import Caption
from core.finetuning.progress import Progress

Reading = Callable[[Path], dict[str, Tensor]]
"""How an entry is read: from the disk, or from where it is kept."""


@dataclass(frozen=True)
class CachePlace:
    """Where entries are kept, who is told how far it is, and which entries were damaged and had to be made anew."""

    directory: Path
    progress: Progress
    damaged: list[Path] = field(default_factory=list)

    def wants(self, path: Path) -> bool:
        """Whether an entry is to be made, for there is none, or none that is whole."""
        if not path.is_file():
            return True
        if is_whole(path):
            return False
        self.damaged.append(path)
        return True


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


@large_ones_too()
def cache_images(
    images: Sequence[GoodImage], buckets: Sequence[Bucket], vae: AutoencoderKL, vae_key: str, place: CachePlace
) -> list[CachedImage]:
    """Encode what is not there yet, on the VAE's device; it should be fp32, for half loses detail."""
    cached: list[CachedImage] = []
    with place.progress.task("Encoding images", len(images)) as advance:
        for image in images:
            bucket = nearest_bucket(image.width, image.height, buckets)
            path = (place.directory / "images") / entry_name(
                image.pixels_sha256, str(bucket.height), str(bucket.width), vae_key, str(vae.dtype), str(torch.float16)
            )
            if place.wants(path):
                encoded = _encode(fit(open_upright(image.example.path), bucket), vae)
                write_entry({"mean": encoded.mean.half(), "std": encoded.std.half()}, path)
            cached.append(CachedImage(image, path, fitting_for(image.width, image.height, bucket)))
            advance(len(cached))
    return cached


def read_encoded(path: Path, read: Reading = read_entry) -> Encoded:
    """Read one image's entry."""
    entry = read(path)
    return Encoded(RawLatents(entry["mean"].float()), entry["std"].float())


def cache_captions(
    captions: Sequence[str], pipeline: StableDiffusionXLPipeline, text_key: str, place: CachePlace
) -> dict[str, Path]:
    """Encode each different caption once, with the pipeline's own code."""
    precision = str(pipeline.text_encoder_2.dtype)
    paths: dict[str, Path] = {}
    different = list(dict.fromkeys(captions))
    with place.progress.task("Encoding captions", len(different)) as advance:
        for caption in different:
            path = paths[caption] = (place.directory / "captions") / entry_name(caption, text_key, precision)
            if place.wants(path):
                encoded = encode_caption(pipeline, caption)
                write_entry({"text": encoded.text, "pooled": encoded.pooled}, path)
            advance(len(paths))
    return paths


def read_caption(path: Path, read: Reading = read_entry) -> Caption:
    """Read one caption's entry."""
    entry = read(path)
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


@dataclass(frozen=True)
class CaptionLength:
    """How long a caption is in tokens, without the marks of begin and end, and which end of it is not read."""

    caption: str
    tokens: int
    unread: str


def caption_length(pipeline: StableDiffusionXLPipeline, caption: str) -> CaptionLength:
    """Both text encoders cut at the same length, by the same vocabulary."""
    tokenizer = pipeline.tokenizer
    tokens = tokenizer(caption, add_special_tokens=False, verbose=False).input_ids
    room = tokenizer.model_max_length - 2
    return CaptionLength(caption, len(tokens), tokenizer.decode(tokens[room:]).strip())


@torch.no_grad()
def _encode(pixels: Image.Image, vae: AutoencoderKL) -> Encoded:
    values = torch.from_numpy(np.asarray(pixels, dtype=np.float32).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    posterior = vae.encode(values.to(vae.device, vae.dtype)).latent_dist
    return Encoded(RawLatents(posterior.mean.float().cpu().contiguous()), posterior.std.float().cpu().contiguous())
