"""A model's directory with random weights in bfloat16, under the names that the published half-precision files have.

It paints noise, at the cost of the real one. Knows nothing of what is measured with it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EDMDPMSolverMultistepScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from benchmarks.architecture import CLIP_BIG_G, CLIP_L, PLAYGROUND_UNET, PLAYGROUND_VAE
from core.generation.loading import quiet_libraries
from tests.tiny_pipeline import build_tiny_tokenizer


@dataclass(frozen=True)
class Shapes:
    """The constructor arguments of a pipeline's parts."""

    unet: Mapping[str, Any]
    autoencoder: Mapping[str, Any]
    text_encoder: Mapping[str, Any]
    text_encoder_2: Mapping[str, Any]
    vocabulary: int


TRUE_SHAPES = Shapes(PLAYGROUND_UNET, PLAYGROUND_VAE, CLIP_L, CLIP_BIG_G, 49408)
"""6.94 GB."""

_SMALL_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL_SHAPES = Shapes(
    PLAYGROUND_UNET
    | {
        "sample_size": 16,
        "block_out_channels": (16, 32, 32),
        "transformer_layers_per_block": (1, 1, 1),
        "attention_head_dim": (2, 4, 4),
        "norm_num_groups": 8,
        "cross_attention_dim": 64,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 80,
    },
    PLAYGROUND_VAE | {"block_out_channels": (16, 16, 16, 16), "norm_num_groups": 4, "sample_size": 128},
    _SMALL_TEXT | {"projection_dim": 32},
    _SMALL_TEXT | {"projection_dim": 32, "hidden_act": "gelu"},
    400,
)
"""The same parts, of a few hundred kilobytes."""


def build(directory: Path, shapes: Shapes, device: torch.device, *, seed: int = 0) -> None:
    """Write the pipeline into `directory`, whole or not at all; the weights are drawn on `device`."""
    quiet_libraries()
    unfinished = directory.with_name(directory.name + ".unfinished")
    rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with TemporaryDirectory() as vocabulary:
        tokenizer = build_tiny_tokenizer(Path(vocabulary))
    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "vocab_size": shapes.vocabulary}
    torch.manual_seed(seed)
    with _made_in(torch.bfloat16), device:
        unet = UNet2DConditionModel(**shapes.unet)
        autoencoder = AutoencoderKL(**shapes.autoencoder)
        text_encoder = CLIPTextModel(CLIPTextConfig(**shapes.text_encoder, **special))
        text_encoder_2 = CLIPTextModelWithProjection(CLIPTextConfig(**shapes.text_encoder_2, **special))
    pipeline = StableDiffusionXLPipeline(
        vae=autoencoder,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=EDMDPMSolverMultistepScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, rho=7.0),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    pipeline.save_pretrained(unfinished, variant="fp16")
    rmtree(directory, ignore_errors=True)
    unfinished.rename(directory)


@contextmanager
def _made_in(dtype: torch.dtype) -> Iterator[None]:
    """Tensors of floats are made in `dtype` within, without the double memory that converting them takes."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
