"""What fine-tuning is said to need is what the true network keeps, and each card gets the settings that fit it."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.architecture import CLIP_BIG_G, CLIP_L, PLAYGROUND_UNET, PLAYGROUND_VAE
from core.finetuning.hyperparameters import CARDS, BaseWeights, Hyperparameters, Targets
from core.finetuning.model.cards import settings_for
from core.finetuning.model.memory import (
    GIB,
    LOSS_BATCHES,
    Architecture,
    MemorySettings,
    Weights,
    activation_bytes,
    border_bytes,
    need,
)
from core.finetuning.model.network import add_adapter
from core.finetuning.training.readings import NO_GRADIENT_BATCHES
from tests.finetuning.model.saved_tensors import adapted, kept_bytes
from tests.tables import part

PLAYGROUND = Architecture.from_config(PLAYGROUND_UNET)
SMALL: dict[str, Any] = {
    **PLAYGROUND_UNET,
    "block_out_channels": (64, 128),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "transformer_layers_per_block": (1, 3),
    "attention_head_dim": (2, 4),
    "cross_attention_dim": 256,
}
WEIGHTS = Weights(
    linear=2_232_647_680, other=334_816_004, adapter=23_224_320, text_encoders=817_720_320, vae=83_653_863
)
ATTENTION = MemorySettings("attention", 16, 1024, batch_size=1)
TARGETS: tuple[Targets, ...] = ("captions", "attention", "attention+ff", "attention+ff+conv")
TABLE = [(targets, side, mixed) for targets in TARGETS for side in (512, 768, 1024) for mixed in (True, False)]


@pytest.mark.table
@pytest.mark.parametrize(("targets", "side", "is_mixed"), part(TABLE, every=7))
def test_a_step_keeps_what_it_is_said_to(targets: Targets, side: int, is_mixed: bool) -> None:
    settings = MemorySettings(targets, 16, side, batch_size=1, is_mixed=is_mixed)
    counted = kept_bytes(adapted(PLAYGROUND_UNET, settings), settings)
    assert activation_bytes(PLAYGROUND, settings) == pytest.approx(counted, rel=0.05)


@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_another_shape_of_network_is_reckoned_by_its_own_shape(targets: Targets, precision: Any) -> None:
    settings = MemorySettings(targets, 8, 512, batch_size=1, precision=precision)
    counted = kept_bytes(adapted(SMALL, settings), settings)
    assert activation_bytes(Architecture.from_config(SMALL), settings) == pytest.approx(counted, rel=0.05)


def test_a_batch_keeps_so_many_times_what_a_picture_keeps() -> None:
    unet = adapted(SMALL, ATTENTION)
    one, four = (kept_bytes(unet, replace(ATTENTION, side=256, batch_size=size)) for size in (1, 4))
    assert four == pytest.approx(4 * one, rel=0.02)


@pytest.mark.parametrize("is_mixed", [True, False])
def test_with_checkpointing_only_the_borders_of_blocks_are_kept(is_mixed: bool) -> None:
    settings = replace(ATTENTION, gradient_checkpointing=True, is_mixed=is_mixed)
    counted = kept_bytes(adapted(PLAYGROUND_UNET, settings), settings)
    assert border_bytes(PLAYGROUND, settings) == pytest.approx(counted, rel=0.05)
    assert counted / GIB < 0.55
    assert activation_bytes(PLAYGROUND, settings) - border_bytes(PLAYGROUND, settings) < 0.25 * GIB


@pytest.mark.parametrize(
    ("targets", "side", "gib"),
    [
        ("captions", 1024, 4.9),
        ("attention", 1024, 7.3),
        ("attention+ff", 1024, 9.2),
        ("attention", 768, 4.1),
        ("attention", 512, 1.9),
    ],
)
def test_what_a_picture_keeps_without_autocast(targets: Targets, side: int, gib: float) -> None:
    settings = MemorySettings(targets, 16, side, batch_size=1, is_mixed=False)
    assert activation_bytes(PLAYGROUND, settings) / GIB == pytest.approx(gib, abs=0.05)


@pytest.mark.parametrize(("kind", "gib"), [("whole", 4.8), ("int8", 2.7), ("nf4", 1.8)])
def test_weights_take_what_their_kind_takes(kind: BaseWeights, gib: float) -> None:
    settings = replace(ATTENTION, gradient_checkpointing=True, base_weights=kind)
    adapter = WEIGHTS.adapter * 20 / GIB
    network = need(PLAYGROUND, WEIGHTS, settings).train - activation_bytes(PLAYGROUND, settings) / GIB - adapter - 1
    assert network == pytest.approx(gib, abs=0.05)


@pytest.mark.parametrize(
    ("card", "batch", "accumulation", "checkpointing", "kind", "gib"),
    [
        (80, 4, 1, False, "whole", 35.3),
        (48, 4, 1, False, "whole", 35.3),
        (24, 2, 2, False, "whole", 20.8),
        (16, 1, 4, False, "whole", 13.5),
        (12, 4, 1, True, "whole", 8.7),
        (8, 2, 2, True, "nf4", 4.5),
    ],
)
def test_each_card_gets_what_fits_it(
    card: int, batch: int, accumulation: int, checkpointing: bool, kind: BaseWeights, gib: float
) -> None:
    found = settings_for(card, PLAYGROUND, WEIGHTS, ATTENTION, "nf4")
    assert found is not None
    shape = (found.batch_size, found.accumulation, found.gradient_checkpointing, found.base_weights)
    assert shape == (batch, accumulation, checkpointing, kind)
    needed = need(PLAYGROUND, WEIGHTS, found)
    assert need(PLAYGROUND, WEIGHTS, replace(found, is_mixed=False)).train == pytest.approx(gib, rel=0.02)
    assert needed.train == pytest.approx(gib, rel=0.07), "autocast's norms in fp32 make a checkpointed block larger"
    assert needed.peak < card
    assert found.is_tiled == (card < 12)


def test_the_fastest_settings_that_fit_are_taken_at_every_size() -> None:
    peaks = []
    for side in (512, 768, 1024):
        for card in CARDS:
            found = settings_for(card, PLAYGROUND, WEIGHTS, replace(ATTENTION, side=side), "int8")
            assert found is not None
            peaks.append(need(PLAYGROUND, WEIGHTS, found).peak / card)
    assert max(peaks) <= 0.95
    assert settings_for(2, PLAYGROUND, WEIGHTS, ATTENTION, "nf4") is None


def test_small_cards_keep_the_optimisers_moments_in_8_bits() -> None:
    wanted = replace(ATTENTION, optimizer="adamw8bit")
    for card in CARDS:
        found = settings_for(card, PLAYGROUND, WEIGHTS, wanted, "nf4")
        assert found is not None
        assert (found.optimizer == "adamw8bit") == (card <= 16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    "changes", [{}, {"batch_size": 2}, {"side": 512}, {"gradient_checkpointing": True}, {"targets": "captions"}]
)
def test_a_step_on_a_gpu_takes_what_it_is_said_to(changes: dict[str, Any]) -> None:
    """Forward and backward of the true network with random weights; the overhead is what they take for a moment."""
    from diffusers import UNet2DConditionModel

    settings = replace(ATTENTION, **changes)
    with torch.device("cuda"):
        unet = UNet2DConditionModel(**PLAYGROUND_UNET).bfloat16()
        add_adapter(unet, Hyperparameters(targets=settings.targets, rank=settings.rank))
        if settings.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        cells, rows = settings.side // 8, settings.batch_size
        latents = torch.randn(rows, 4, cells, cells, dtype=torch.bfloat16)
        texts = torch.randn(rows, 77, 2048, dtype=torch.bfloat16)
        added = {"text_embeds": torch.randn(rows, 1280).bfloat16(), "time_ids": torch.zeros(rows, 6).bfloat16()}
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        with torch.autocast("cuda", torch.bfloat16):
            output = unet.train()(latents, torch.ones(rows), encoder_hidden_states=texts, added_cond_kwargs=added)[0]
        output.float().square().mean().backward()
    taken = (torch.cuda.max_memory_allocated() - before) / GIB
    said = settings.batch_size * activation_bytes(PLAYGROUND, settings) / GIB
    assert said * 0.9 <= taken <= 1.1 * (said + 1)


def test_a_look_reckons_as_many_losses_at_once_as_is_said() -> None:
    assert LOSS_BATCHES == NO_GRADIENT_BATCHES


def test_the_counts_of_weights_are_the_true_ones() -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        unet, vae = UNet2DConditionModel(**PLAYGROUND_UNET), AutoencoderKL(**PLAYGROUND_VAE)
        encoders = CLIPTextModel(CLIPTextConfig(**CLIP_L)), CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_BIG_G))
    linear = sum(module.weight.numel() for module in unet.modules() if isinstance(module, torch.nn.Linear))
    counted = [sum(weight.numel() for weight in part.parameters()) for part in (unet, vae, *encoders)]
    assert (linear, counted[0] - linear, counted[1]) == (WEIGHTS.linear, WEIGHTS.other, WEIGHTS.vae)
    assert sum(counted[2:]) == WEIGHTS.text_encoders
