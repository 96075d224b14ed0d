"""What Z-Image and FLUX.2 klein take of a GPU's memory, counted at their true shapes, and the plan by it."""

from functools import cache

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, Flux2Transformer2DModel, ZImageTransformer2DModel

from core.generation.flow_families import MOST_TOKENS, FlowFamily, Klein, ZImage
from core.generation.residence import DECODING_BYTES, Card, Home, Storage, Wanted, Weights, plan
from tests.generation.meta_memory import LATENT, peak_of, weights_of

GIB = 2**30
CONTEXT = 600_000_000
QWEN3_4B = 8_044_936_192
"""Bytes of the text encoder of both, in two-byte floats, as published."""
AUTOENCODER = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}


@cache
def z_image() -> ZImageTransformer2DModel:
    with torch.device("meta"):
        return ZImageTransformer2DModel(axes_lens=[1536, 512, 512]).bfloat16()


@cache
def klein() -> Flux2Transformer2DModel:
    with torch.device("meta"):
        return Flux2Transformer2DModel(
            num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False
        ).bfloat16()


@cache
def autoencoder(family: type[FlowFamily]) -> AutoencoderKL | AutoencoderKLFlux2:
    with torch.device("meta"):
        if family is ZImage:
            return AutoencoderKL(
                **AUTOENCODER, latent_channels=16, use_quant_conv=False, use_post_quant_conv=False
            ).bfloat16()
        return AutoencoderKLFlux2().bfloat16()


def z_image_step(rows: int, side: int) -> int:
    with torch.device("meta"):
        images = [torch.empty(16, 1, side // LATENT, side // LATENT).bfloat16() for _ in range(rows)]
        texts = [torch.empty(128, 2560).bfloat16() for _ in range(rows)]
        network, time = z_image(), torch.empty(rows)
    return peak_of(lambda: network(images, time, texts, return_dict=False))


def klein_step(rows: int, side: int) -> int:
    tokens = (side // LATENT // 2) ** 2
    with torch.device("meta"):
        words, images = torch.empty(rows, MOST_TOKENS, 7680).bfloat16(), torch.empty(rows, tokens, 128).bfloat16()
        places = torch.empty(MOST_TOKENS, 4), torch.empty(tokens, 4)
        network, time = klein(), torch.empty(rows)
    return peak_of(lambda: network(images, words, time, txt_ids=places[0], img_ids=places[1], return_dict=False))


@pytest.mark.parametrize("rows", [1, 4])
def test_need_of_a_row_is_counted_on_the_true_shapes(rows: int) -> None:
    assert ZImage.step_bytes * rows * 1024**2 == pytest.approx(z_image_step(rows, 1024), rel=0.02)
    assert Klein.step_bytes * rows * 1024**2 == pytest.approx(klein_step(rows, 1024), rel=0.02)


@pytest.mark.parametrize(("family", "channels"), [(ZImage, 16), (Klein, 32)])
def test_decoding_needs_what_sdxls_decoder_needs(family: type[FlowFamily], channels: int) -> None:
    latent = torch.empty(1, channels, 128, 128, dtype=torch.bfloat16, device="meta")
    decoder = autoencoder(family)
    assert peak_of(lambda: decoder.decode(latent)) == pytest.approx(DECODING_BYTES * 1024**2, rel=0.02)


PARKED_WHOLE, PARKED_FP8 = (Home.PARKED, Storage.WHOLE), (Home.PARKED, Storage.FP8)


@pytest.mark.parametrize(
    ("family", "gigabytes", "parts", "batch"),
    [
        (ZImage, 80, (Home.DEVICE, Storage.WHOLE), 8),
        (ZImage, 24, PARKED_WHOLE, 8),
        (ZImage, 16, PARKED_WHOLE, 4),
        (ZImage, 12, PARKED_FP8, 8),
        (ZImage, 8, PARKED_FP8, 2),
        (Klein, 24, (Home.DEVICE, Storage.WHOLE), 8),
        (Klein, 16, PARKED_WHOLE, 8),
        (Klein, 12, PARKED_WHOLE, 4),
        (Klein, 8, PARKED_FP8, 4),
        (Klein, 6, PARKED_FP8, 1),
    ],
)
def test_the_plan_for_a_card_with_distilled_weights(
    family: type[FlowFamily], gigabytes: int, parts: tuple[Home, Storage], batch: int
) -> None:
    network = weights_of(z_image() if family is ZImage else klein())
    weights = Weights(network, QWEN3_4B, weights_of(autoencoder(family)))
    card = Card(gigabytes * GIB - CONTEXT, gigabytes * GIB)
    wanted = Wanted(8, (1024, 1024), whole_step_bytes=family.step_bytes, network="transformer")
    made = plan(card, weights, wanted)
    assert ((made.text_encoders, made.unet), made.max_batch) == (parts, batch)
    assert "transformer " in made.says
