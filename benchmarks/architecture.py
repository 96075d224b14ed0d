"""Playground v2.5's architecture as constructor arguments: SDXL's UNet and autoencoder, EDM's latent statistics."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.tiny_pipeline import build_tiny_tokenizer

PLAYGROUND_UNET: dict[str, Any] = {
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
"""2.57 billion parameters."""

PLAYGROUND_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 1024,
    "scaling_factor": 0.5,
    "latents_mean": [-1.6574, 1.886, -1.383, 2.5155],
    "latents_std": [8.4927, 5.9022, 6.5498, 5.2299],
}


def text_encoders() -> tuple[CLIPTokenizer, CLIPTextModel, CLIPTextModelWithProjection]:
    """One-layer text encoders whose outputs have the true shapes: 768 and 1280 wide, 77 tokens, pooled 1280."""
    with TemporaryDirectory() as directory:
        tokenizer = build_tiny_tokenizer(Path(directory))

    def config(width: int) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=width,
            num_hidden_layers=1,
            num_attention_heads=8,
            projection_dim=1280,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )

    return tokenizer, CLIPTextModel(config(768)), CLIPTextModelWithProjection(config(1280))
