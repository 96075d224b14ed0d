"""How much memory Playground v2.5 takes, counted at its true shapes without any: on meta tensors."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import patch

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from benchmarks.architecture import CLIP_BIG_G, CLIP_L, PLAYGROUND_UNET, PLAYGROUND_VAE
from core.generation import deepcache

LATENT = 8
"""Pixels of a latent's cell."""


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that are made within it while they live; `peak` is the most."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._now = 0
        self._live: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._live:
            self._live.add(key)
            self._now += size
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._live.remove(key)
        self._now -= size


def peak_of(work: Callable[[], object]) -> int:
    """Bytes. Attention is taken to be fused, as it is on GPUs: it keeps no scores."""

    def fused(query: Tensor, *_: Tensor, **__: object) -> Tensor:
        return torch.empty_like(query)

    attention = patch("torch.nn.functional.scaled_dot_product_attention", fused)
    with torch.inference_mode(), attention, PeakMemory() as memory:
        work()
    return int(memory.peak)


def weights_of(*modules: torch.nn.Module) -> int:
    """Bytes of their parameters."""
    weights: Iterable[Tensor] = (weight for module in modules for weight in module.parameters())
    return sum(int(weight.numel()) * int(weight.element_size()) for weight in weights)


def playground_unet() -> UNet2DConditionModel:
    """SDXL's, in bfloat16."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**PLAYGROUND_UNET)
    return unet.bfloat16()


def playground_autoencoder(dtype: torch.dtype) -> AutoencoderKL:
    """SDXL's."""
    with torch.device("meta"):
        autoencoder = AutoencoderKL(**PLAYGROUND_VAE)
    return autoencoder.to(dtype)


def playground_text_encoders() -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    """CLIP's ViT-L and OpenCLIP's ViT-bigG, in bfloat16."""
    small, large = CLIPTextConfig(**CLIP_L), CLIPTextConfig(**CLIP_BIG_G)
    with torch.device("meta"):
        return CLIPTextModel(small).bfloat16(), CLIPTextModelWithProjection(large).bfloat16()


def step(unet: UNet2DConditionModel, pictures: int, side: int) -> int:
    """Bytes that a guided step takes."""
    latents, noise, texts, added = _inputs(pictures, side)
    return peak_of(lambda: unet(latents, noise, encoder_hidden_states=texts, added_cond_kwargs=added))


def features(unet: UNet2DConditionModel, pictures: int, side: int) -> list[Tensor]:
    """What one step leaves of the deep part, for both rows of each picture, without any memory."""
    channels, cells = unet.config.block_out_channels[1], side // LATENT
    return [torch.empty(channels, cells, cells, dtype=unet.dtype, device="meta") for _ in range(2 * pictures)]


def full_step(unet: UNet2DConditionModel, pictures: int, side: int) -> int:
    """Bytes that it takes with the deep part handed out, beside the features of the step before."""
    inputs = _inputs(pictures, side)

    def work() -> object:
        kept = features(unet, pictures, side)
        output, deep = deepcache.full(unet, *inputs)
        return output, kept, [row.clone() for row in deep]

    return peak_of(work)


def shallow_step(unet: UNet2DConditionModel, pictures: int, side: int) -> int:
    """Bytes that it takes with the features of two steps before."""
    inputs = _inputs(pictures, side)

    def work() -> object:
        before, last = features(unet, pictures, side), features(unet, pictures, side)
        deep = torch.stack([torch.lerp(start, end, 0.5) for start, end in zip(before, last, strict=True)])
        return deepcache.shallow(unet, *inputs, deep)

    return peak_of(work)


def _inputs(pictures: int, side: int) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """Latents, noise, texts and added conditions for two rows a picture."""
    rows = 2 * pictures
    with torch.device("meta"):
        latents = torch.empty(rows, 4, side // LATENT, side // LATENT, dtype=torch.bfloat16)
        texts = torch.empty(rows, 77, 2048, dtype=torch.bfloat16)
        added = {"text_embeds": torch.empty(rows, 1280).bfloat16(), "time_ids": torch.empty(rows, 6).bfloat16()}
        noise = torch.empty(rows)
    return latents, noise, texts, added


def decode(autoencoder: AutoencoderKL, pictures: int, side: int) -> int:
    """Bytes that decoding takes."""
    latents = torch.empty(pictures, 4, side // LATENT, side // LATENT, dtype=autoencoder.dtype, device="meta")
    return peak_of(lambda: autoencoder.decode(latents))
