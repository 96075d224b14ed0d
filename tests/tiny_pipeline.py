"""A tiny SDXL pipeline with EDM scheduler and random weights, written to disk: Playground's architecture in small.

Its pictures are noise; it is for running the real loading and sampling code in seconds.
"""

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    EDMDPMSolverMultistepScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HIDDEN = 32


def build_tiny_pipeline(directory: Path, *, seed: int = 0) -> Path:
    """Write the pipeline into `directory` (about 2 MB, fp32) and return it."""
    torch.manual_seed(seed)
    tokenizer = build_tiny_tokenizer(directory / "vocabulary")
    pipeline = StableDiffusionXLPipeline(
        vae=AutoencoderKL(
            block_out_channels=(16, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=32,
            scaling_factor=0.5,
            latents_mean=[-1.6574, 1.886, -1.383, 2.5155],
            latents_std=[8.4927, 5.9022, 6.5498, 5.2299],
        ),
        text_encoder=CLIPTextModel(text_config(len(tokenizer))),
        text_encoder_2=CLIPTextModelWithProjection(text_config(len(tokenizer))),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(16, 32),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            transformer_layers_per_block=(1, 1),
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            norm_num_groups=8,
            cross_attention_dim=2 * HIDDEN,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + HIDDEN,
        ),
        scheduler=EDMDPMSolverMultistepScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, rho=7.0),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    pipeline.save_pretrained(directory)
    return directory


def build_tiny_tokenizer(directory: Path) -> CLIPTokenizer:
    """A CLIP tokenizer over single letters, 77 tokens long."""
    directory.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (directory / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (directory / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(directory, model_max_length=77)


def text_config(vocabulary: int) -> CLIPTextConfig:
    """A text encoder of two small layers."""
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=HIDDEN,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
