"""Tiny pipelines of Z-Image and FLUX.2 klein with random weights. Their pictures are noise."""

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

HIDDEN = 16
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if not enable_thinking %}<think></think>{% endif %}"
    "{% endif %}"
)
AUTOENCODER = {
    "block_out_channels": (8, 8, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "sample_size": 32,
}


def tiny_z_image(directory: Path, *, shift: float = 3.0, dynamic: bool = False) -> ZImagePipeline:
    """Like Z-Image-Turbo, in 64 kB; its tokenizer's files lie in `directory`."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer(directory)
    return quiet(
        ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=shift, use_dynamic_shifting=dynamic),
            vae=AutoencoderKL(**AUTOENCODER, scaling_factor=0.36, shift_factor=0.12),
            text_encoder=Qwen3Model(text_config(len(tokenizer), layers=2)).eval(),
            tokenizer=tokenizer,
            transformer=ZImageTransformer2DModel(
                in_channels=4,
                dim=32,
                n_layers=2,
                n_refiner_layers=1,
                n_heads=2,
                n_kv_heads=2,
                cap_feat_dim=HIDDEN,
                axes_dims=[8, 4, 4],
                axes_lens=[1024, 64, 64],
            ).eval(),
        )
    )


def tiny_klein(directory: Path, *, is_distilled: bool = False) -> Flux2KleinPipeline:
    """Like FLUX.2 klein, or its base; its text encoder has the layers that are looked at, of the real one's 36."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer(directory)
    autoencoder = AutoencoderKLFlux2(**AUTOENCODER)
    autoencoder.bn.running_mean.normal_(std=0.1)
    autoencoder.bn.running_var.uniform_(0.5, 2.0)
    return quiet(
        Flux2KleinPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
            vae=autoencoder.eval(),
            text_encoder=Qwen3ForCausalLM(text_config(len(tokenizer), layers=28)).eval(),
            tokenizer=tokenizer,
            transformer=Flux2Transformer2DModel(
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=3 * HIDDEN,
                timestep_guidance_channels=32,
                axes_dims_rope=(4, 4, 4, 4),
                guidance_embeds=False,
            ).eval(),
            is_distilled=is_distilled,
        )
    )


def tiny_tokenizer(directory: Path) -> Qwen2Tokenizer:
    """A token for each letter, and a chat template."""
    directory.mkdir(parents=True, exist_ok=True)
    letters = [*(chr(code) for code in range(ord("!"), ord("~") + 1)), "Ġ", "Ċ"]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = {token: number for number, token in enumerate([*letters, *special])}
    (directory / "vocab.json").write_text(json.dumps(tokens))
    (directory / "merges.txt").write_text("#version: 0.2\n")
    return Qwen2Tokenizer.from_pretrained(
        directory, pad_token="<|endoftext|>", additional_special_tokens=special[1:], chat_template=TEMPLATE
    )


def text_config(vocabulary: int, *, layers: int) -> Qwen3Config:
    """A language model of a few thousand weights."""
    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=1024,
    )


def quiet(pipeline: ZImagePipeline | Flux2KleinPipeline) -> ZImagePipeline | Flux2KleinPipeline:
    """Without its bar."""
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
