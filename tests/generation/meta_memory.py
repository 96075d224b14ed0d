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
        unet = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            use_linear_projection=True,
        )
    return unet.bfloat16()


def playground_autoencoder(dtype: torch.dtype) -> AutoencoderKL:
    """SDXL's."""
    with torch.device("meta"):
        autoencoder = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            sample_size=1024,
        )
    return autoencoder.to(dtype)


def playground_text_encoders() -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    """CLIP's ViT-L and OpenCLIP's ViT-bigG, in bfloat16."""
    small = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768
    )
    large = CLIPTextConfig(
        hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280
    )
    with torch.device("meta"):
        return CLIPTextModel(small).bfloat16(), CLIPTextModelWithProjection(large).bfloat16()


def step(unet: UNet2DConditionModel, pictures: int, side: int) -> int:
    """Bytes that a guided step takes."""
    rows = 2 * pictures
    with torch.device("meta"):
        latents = torch.empty(rows, 4, side // LATENT, side // LATENT, dtype=torch.bfloat16)
        texts = torch.empty(rows, 77, 2048, dtype=torch.bfloat16)
        added = {"text_embeds": torch.empty(rows, 1280).bfloat16(), "time_ids": torch.empty(rows, 6).bfloat16()}
        noise = torch.empty(rows)
    return peak_of(lambda: unet(latents, noise, encoder_hidden_states=texts, added_cond_kwargs=added))


def decode(autoencoder: AutoencoderKL, pictures: int, side: int) -> int:
    """Bytes that decoding takes."""
    latents = torch.empty(pictures, 4, side // LATENT, side // LATENT, dtype=autoencoder.dtype, device="meta")
    return peak_of(lambda: autoencoder.decode(latents))
