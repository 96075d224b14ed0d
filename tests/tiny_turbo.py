"""A tiny pipeline of SD-Turbo's kind and a tiny TAESD, with random weights. Their pictures are noise."""

import shutil
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel

from tests.tiny_pipeline import HIDDEN, build_tiny_tokenizer, text_config

CHANNELS = (8, 8, 8, 8)


def build_tiny_turbo(directory: Path) -> Path:
    """Write what is published of SD-Turbo into `directory`, in half-precision files of 0.5 MB, and return it."""
    torch.manual_seed(0)
    words = directory.with_name("words")
    tokenizer = build_tiny_tokenizer(words)
    StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=CHANNELS,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
        ),
        text_encoder=CLIPTextModel(text_config(len(tokenizer))),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            norm_num_groups=8,
            cross_attention_dim=HIDDEN,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            steps_offset=1,
            timestep_spacing="trailing",
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(directory, variant="fp16")
    (directory / "tokenizer" / "special_tokens_map.json").write_text("{}")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(words / name, directory / "tokenizer")
    return directory


def build_tiny_taesd(directory: Path) -> Path:
    """Write what is published of TAESD into `directory`, in 0.1 MB, and return it."""
    torch.manual_seed(0)
    AutoencoderTiny(
        encoder_block_out_channels=CHANNELS,
        decoder_block_out_channels=CHANNELS,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    ).save_pretrained(directory)
    return directory
