"""The plan for a GPU's memory: its figures are those of the real network, and no plan takes more than is there."""

import itertools

import pytest
import torch

from core.errors import ModelUnusable
from core.generation.residence import (
    DECODING_BYTES,
    DEEP_KEPT_BYTES,
    DEEP_STEP_BYTES,
    PLAYGROUND_WEIGHTS,
    RESERVE,
    STEP_BYTES,
    TILE_SIDE,
    TILED_BYTES,
    Card,
    Decoding,
    Home,
    Residence,
    Storage,
    Wanted,
    Weights,
    everything,
    lacking,
    plan,
    said,
)
from core.options import Memory
from tests.generation.meta_memory import (
    decode,
    features,
    full_step,
    playground_autoencoder,
    playground_text_encoders,
    playground_unet,
    shallow_step,
    step,
    weights_of,
)

GIB = 2**30
SQUARE = (1024, 1024)
CONTEXT = 600_000_000
"""What CUDA itself takes of a card, in bytes."""
EIGHT = Wanted(8, SQUARE)


def card(gigabytes: float, *, others: int = 0, has_bf16: bool = True) -> Card:
    """A card as it is sold, with `others` bytes in use by other programs."""
    return Card(int(gigabytes * GIB) - CONTEXT - others, int(gigabytes * GIB), has_bf16)


def test_weights_are_counted_on_the_true_shapes() -> None:
    counted = Weights(
        weights_of(playground_unet()),
        weights_of(*playground_text_encoders()),
        weights_of(playground_autoencoder(torch.bfloat16)),
    )
    assert counted == PLAYGROUND_WEIGHTS


@pytest.mark.parametrize(("pictures", "side"), [(1, 1024), (4, 1024), (1, 2048), (1, 512)])
def test_need_of_a_step_is_counted_on_the_true_shapes(pictures: int, side: int) -> None:
    assert STEP_BYTES * pictures * side**2 == pytest.approx(step(playground_unet(), pictures, side), rel=0.02)


@pytest.mark.parametrize(("pictures", "side"), [(1, 1024), (4, 512)])
def test_need_of_a_deep_cache_is_counted_on_the_true_shapes(pictures: int, side: int) -> None:
    unet, pixels = playground_unet(), pictures * side**2
    need = (STEP_BYTES + DEEP_STEP_BYTES) * pixels
    assert need == pytest.approx(shallow_step(unet, pictures, side), rel=0.02)
    assert need == pytest.approx(full_step(unet, pictures, side), rel=0.02)
    of_two_steps = 2 * sum(row.nbytes for row in features(unet, pictures, side))
    assert of_two_steps == DEEP_KEPT_BYTES * pixels


@pytest.mark.parametrize(("pictures", "side"), [(1, 1024), (4, 1024), (1, 2048)])
@pytest.mark.parametrize(("dtype", "floats"), [(torch.bfloat16, 1), (torch.float32, 2)])
def test_need_of_decoding_is_counted_on_the_true_shapes(
    pictures: int, side: int, dtype: torch.dtype, floats: int
) -> None:
    counted = decode(playground_autoencoder(dtype), pictures, side)
    assert floats * DECODING_BYTES * pictures * side**2 == pytest.approx(counted, rel=0.02)


@pytest.mark.parametrize(
    ("side", "dtype", "floats"), [(1024, torch.bfloat16, 1), (1536, torch.bfloat16, 1), (1024, torch.float32, 2)]
)
def test_need_of_tiles_is_counted_on_the_true_shapes(side: int, dtype: torch.dtype, floats: int) -> None:
    autoencoder = playground_autoencoder(dtype)
    autoencoder.enable_tiling()
    autoencoder.tile_sample_min_size, autoencoder.tile_latent_min_size = TILE_SIDE, TILE_SIDE // 8
    need = floats * (DECODING_BYTES * TILE_SIDE**2 + TILED_BYTES * side**2)
    assert need == pytest.approx(decode(autoencoder, 1, side), rel=0.02)


ON, PARKED, WHOLE, FP8 = Home.DEVICE, Home.PARKED, Storage.WHOLE, Storage.FP8
TOGETHER, SINGLE, TILES = Decoding.TOGETHER, Decoding.SINGLE, Decoding.TILES


@pytest.mark.parametrize(
    ("gigabytes", "text_encoders", "unet", "batch", "in_float32", "in_bf16"),
    [
        (80, ON, WHOLE, 8, TOGETHER, TOGETHER),
        (24, ON, WHOLE, 8, TOGETHER, TOGETHER),
        (16, ON, WHOLE, 8, TOGETHER, TOGETHER),
        (12, ON, WHOLE, 8, SINGLE, TOGETHER),
        (11, ON, WHOLE, 8, SINGLE, TOGETHER),
        (10, PARKED, WHOLE, 8, SINGLE, TOGETHER),
        (8, PARKED, WHOLE, 4, TILES, SINGLE),
        (6, PARKED, FP8, 4, TILES, SINGLE),
    ],
)
def test_plan_by_card(
    gigabytes: int, text_encoders: Home, unet: Storage, batch: int, in_float32: Decoding, in_bf16: Decoding
) -> None:
    """Cards without bfloat16 decode in float32, with twice the memory; nothing else is on the card."""
    for has_bf16, decoding in ((False, in_float32), (True, in_bf16)):
        made = plan(card(gigabytes, has_bf16=has_bf16), PLAYGROUND_WEIGHTS, EIGHT)
        assert (made.text_encoders, made.unet, made.max_batch, made.decode) == (text_encoders, unet, batch, decoding)


def test_who_shares_a_card_of_8_gb_has_the_network_in_fp8() -> None:
    made = plan(card(8, others=2 * GIB), PLAYGROUND_WEIGHTS, EIGHT)
    assert (made.text_encoders, made.unet) == (PARKED, FP8)


@pytest.mark.parametrize("gigabytes", [2, 4])
def test_card_that_is_too_small_is_told_with_a_model_that_fits(gigabytes: int) -> None:
    with pytest.raises(ModelUnusable, match="sd-turbo"):
        plan(card(gigabytes), PLAYGROUND_WEIGHTS, EIGHT)


@pytest.mark.parametrize("gigabytes", [6, 12, 24])
def test_small_takes_as_little_as_can_be_on_any_card(gigabytes: int) -> None:
    made = plan(card(gigabytes), PLAYGROUND_WEIGHTS, Wanted(8, SQUARE, Memory.SMALL))
    assert (made.text_encoders, made.unet, made.decode, made.max_batch) == (PARKED, FP8, TILES, 4)


def resident(made: Residence, has_bf16: bool) -> int:
    """Bytes of weights that are on the card."""
    unet = PLAYGROUND_WEIGHTS.unet // (2 if made.unet is FP8 else 1)
    encoders = PLAYGROUND_WEIGHTS.text_encoders if made.text_encoders is ON else 0
    return unet + encoders + PLAYGROUND_WEIGHTS.autoencoder * (1 if has_bf16 else 2)


@pytest.mark.parametrize("deep_cache", [False, True])
@pytest.mark.parametrize("has_bf16", [True, False])
@pytest.mark.parametrize("memory", list(Memory))
def test_no_plan_takes_more_than_is_there(deep_cache: bool, has_bf16: bool, memory: Memory) -> None:
    step_bytes, kept_bytes = (STEP_BYTES + DEEP_STEP_BYTES, DEEP_KEPT_BYTES) if deep_cache else (STEP_BYTES, 0)
    sizes = [SQUARE, (832, 1216), (2048, 2048), (512, 512), (256, 256)]
    for tenths, batch, size in itertools.product(range(40, 260, 3), (1, 3, 8, 32), sizes):
        there = card(tenths / 10, has_bf16=has_bf16)
        try:
            made = plan(there, PLAYGROUND_WEIGHTS, Wanted(batch, size, memory, deep_cache))
        except ModelUnusable:
            continue
        left = there.free - RESERVE - resident(made, has_bf16)
        floats = 1 if has_bf16 else 2
        assert 1 <= made.max_batch <= batch
        assert made.max_batch * step_bytes * size[0] * size[1] <= left
        for other in sizes:
            pixels = other[0] * other[1]
            steps, decoded = made.step_limit(other), made.decode_limit(other)
            assert steps == 1 or steps * step_bytes * pixels <= left
            others = (made.max_batch - 1) * kept_bytes * pixels
            assert decoded == 0 or decoded * floats * DECODING_BYTES * pixels + others <= left
        assert (made.decode is TILES) == (made.decode_limit(size) == 0)


@pytest.mark.parametrize(("gigabytes", "usually"), [(16, TOGETHER), (11, TOGETHER), (9.5, TOGETHER), (6, SINGLE)])
def test_what_is_kept_of_the_deep_part_is_missing_where_pictures_are_decoded(
    gigabytes: float, usually: Decoding
) -> None:
    deep = plan(card(gigabytes), PLAYGROUND_WEIGHTS, Wanted(8, SQUARE, deep_cache=True))
    usual = plan(card(gigabytes), PLAYGROUND_WEIGHTS, EIGHT)
    assert (usual.decode, deep.decode) == (usually, TOGETHER if gigabytes == 16 else SINGLE)
    assert deep.max_batch == usual.max_batch


def test_limits_go_by_pixels() -> None:
    made = plan(card(12), PLAYGROUND_WEIGHTS, EIGHT)
    assert [made.step_limit((side, side)) for side in (256, 1024, 2048)] == [8, 8, 3]
    assert [made.decode_limit((side, side)) for side in (256, 1024, 2048)] == [8, 2, 0]


def test_where_memory_is_no_matter_all_go_together() -> None:
    made = everything(2)
    assert (made.step_limit((4096, 4096)), made.decode_limit((4096, 4096))) == (2, 2)


def test_what_would_lift_a_plan_lifts_it() -> None:
    small = card(8)
    missing = lacking(small, PLAYGROUND_WEIGHTS, EIGHT)
    more = Card(small.free + missing, small.total + missing)
    made = plan(more, PLAYGROUND_WEIGHTS, EIGHT)
    assert (made.text_encoders, made.unet, made.max_batch) == (ON, WHOLE, 8)
    assert made.decode is not TILES
    assert lacking(more, PLAYGROUND_WEIGHTS, EIGHT) == 0


@pytest.mark.parametrize(
    ("gigabytes", "sentence"),
    [
        (24, "25.8 GB, 25.2 GB free: text encoders on the GPU, UNet in two-byte floats, up to 8 pictures at once, decoded together"),  # noqa: E501
        (6, "6.4 GB, 5.8 GB free: text encoders in main memory, UNet stored in one-byte floats, up to 4 pictures at once, decoded one by one; with 4.3 GB more free nothing would be spared"),  # noqa: E501
    ],
)  # fmt: skip
def test_card_and_plan_are_said_with_what_would_lift_it(gigabytes: int, sentence: str) -> None:
    assert said(card(gigabytes), PLAYGROUND_WEIGHTS, EIGHT) == sentence


def test_plan_is_said_in_a_sentence() -> None:
    said = "text encoders in main memory, UNet in two-byte floats, up to 4 pictures at once, decoded one by one"
    assert plan(card(8), PLAYGROUND_WEIGHTS, EIGHT).says == said
