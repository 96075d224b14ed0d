"""What of SDXL's parts lies where in a GPU's memory, and how many pictures fit beside it. Pure: numbers in, a plan out.

The needs are counted by tests/generation/test_residence.py, on the true shapes of Playground v2.5.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from core.errors import ModelUnusable
from core.options import Memory

STEP_BYTES = 315
"""What a guided step (two rows) takes for each pixel of a picture, in bytes, beside the weights; in two-byte floats."""
DEEP_STEP_BYTES = 50
"""What a step takes beside that where the deep part of the UNet runs at some steps only (`deepcache.py`), with what is
kept of it."""
DEEP_KEPT_BYTES = 80
"""What a picture keeps of the deep part between such steps, for each pixel, while others are decoded, in bytes."""
DECODING_BYTES = 1536
"""What decoding a picture whole takes for each pixel, in bytes; in two-byte floats, twice as much in float32."""
TILE_SIDE = 512
"""Pixels of a tile's side, where a picture is not decoded whole."""
TILED_BYTES = 10
"""What decoding in tiles takes for each pixel of the picture beside the tile itself; in two-byte floats."""

ENCODING_SHARE = 0.04
"""What encoding a prompt takes beside the text encoders, as a share of their weights; where both are not free on the
GPU, parked text encoders encode on the processor."""

RESERVE = 600_000_000
"""Bytes left free: for libraries' workspaces, adapters, and what cannot be used because it lies in pieces."""
SMALL_BATCH = 4
"""The most pictures at once where memory is to be left to others."""


class Home(StrEnum):
    """Where the text encoders are while no prompt is encoded."""

    DEVICE = "device"
    PARKED = "parked"


class Storage(StrEnum):
    """How the UNet's weights are kept; they are computed with in two-byte floats either way."""

    WHOLE = "bf16"
    FP8 = "fp8_stored"


class Decoding(StrEnum):
    """How finished pictures of the planned size are decoded."""

    TOGETHER = "together"
    SINGLE = "single"
    TILES = "tiles"


@dataclass(frozen=True)
class Card:
    """A GPU's memory in bytes: all of it, and what is `free` before the model is there; and whether it has bfloat16."""

    free: int
    total: int
    has_bf16: bool = True


@dataclass(frozen=True)
class Weights:
    """Bytes of a model's weights in two-byte floats."""

    unet: int
    text_encoders: int
    autoencoder: int


PLAYGROUND_WEIGHTS = Weights(unet=5_134_927_368, text_encoders=1_635_440_640, autoencoder=167_307_726)

PLAYGROUND_SIZE = (1024, 1024)


@dataclass(frozen=True)
class Wanted:
    """At most `batch` pictures at once, mostly of `size`, in pixels; `memory`: whether others need the card, too;
    `deep_cache`: whether the deep part of the UNet runs at some steps only, and is kept for the others.
    `whole_step_bytes`: what another step takes for each pixel of a picture; `network`: what takes the steps."""

    batch: int
    size: tuple[int, int]
    memory: Memory = Memory.AUTO
    deep_cache: bool = False
    whole_step_bytes: int = STEP_BYTES
    network: str = "UNet"

    @property
    def step_bytes(self) -> int:
        """What a step takes for each pixel of a picture."""
        return self.whole_step_bytes + (DEEP_STEP_BYTES if self.deep_cache else 0)

    @property
    def kept_bytes(self) -> int:
        """What a picture keeps between steps, for each of its pixels, beside its latent."""
        return DEEP_KEPT_BYTES if self.deep_cache else 0


@dataclass(frozen=True)
class Residence:
    """A plan. `max_batch`: pictures of the wanted size that are stepped at once. `spare`: bytes for steps and decoding,
    one after the other; infinite where nothing has to be spared. `says`: the plan in a sentence. `step_bytes` and
    `decoding_bytes`: what the two take for each pixel of a picture; `kept_bytes`: what those that are not decoded yet
    keep meanwhile.
    """

    text_encoders: Home
    unet: Storage
    decode: Decoding
    max_batch: int
    spare: float
    says: str
    step_bytes: float = STEP_BYTES
    decoding_bytes: float = DECODING_BYTES
    kept_bytes: float = 0.0

    def step_limit(self, size: tuple[int, int]) -> int:
        """How many pictures of `size`, width and height in pixels, are to fit into a step; one is always tried."""
        return max(1, min(self.max_batch, _how_many(self.spare, self.step_bytes, size)))

    def decode_limit(self, size: tuple[int, int]) -> int:
        """How many pictures of `size`, width and height in pixels, are to be decoded at once; 0: one, in tiles."""
        spare = self.spare - _kept(self.max_batch, self.kept_bytes, size)
        return min(self.max_batch, _how_many(spare, self.decoding_bytes, size))

    def corrected(self, step_bytes: float | None, decoding_bytes: float | None) -> "Residence":
        """The same with what was measured, None for what was not; never more pictures than were planned."""
        return replace(
            self, step_bytes=step_bytes or self.step_bytes, decoding_bytes=decoding_bytes or self.decoding_bytes
        )


def everything(max_batch: int) -> Residence:
    """The plan where memory is no matter, as on a processor."""
    says = f"all in main memory, up to {max_batch} pictures at once"
    return Residence(Home.DEVICE, Storage.WHOLE, Decoding.TOGETHER, max_batch, math.inf, says)


def plan(card: Card, weights: Weights, wanted: Wanted) -> Residence:
    """The first arrangement with whole weights that holds the most pictures, or else with the UNet stored in FP8.

    Raises ModelUnusable, naming what fits, where not even that has room.
    """
    rows = [(Home.DEVICE, Storage.WHOLE), (Home.PARKED, Storage.WHOLE)]
    if wanted.memory is Memory.AUTO:
        plans = [made for home, unet in rows if (made := _arranged(card, weights, wanted, home, unet)) is not None]
        if plans:
            return max(plans, key=lambda made: made.max_batch)  # the first of equals
    smallest = _arranged(card, weights, wanted, Home.PARKED, Storage.FP8)
    if smallest is None:
        raise ModelUnusable(
            f"This model does not fit into the {_gigabytes(card.free)} that are free of this GPU's "
            f"{_gigabytes(card.total)}; free some, set IMAGE_MODEL to a smaller one (stabilityai/sd-turbo needs 4 GB), "
            "or DEVICE to cpu for the bundled miniature."
        )
    return smallest


def _arranged(card: Card, weights: Weights, wanted: Wanted, home: Home, unet: Storage) -> Residence | None:
    """The plan with the text encoders and the UNet so, None if not one picture fits."""
    floats = 1 if card.has_bf16 else 2  # SDXL's decoder overflows in float16, so that it is float32 without bfloat16
    spare = card.free - RESERVE - weights.autoencoder * floats
    spare -= weights.text_encoders if home is Home.DEVICE else 0
    spare -= weights.unet if unet is Storage.WHOLE else weights.unet // 2
    pixels = math.prod(wanted.size)
    if spare < max(
        wanted.step_bytes * pixels, floats * (DECODING_BYTES * min(pixels, TILE_SIDE**2) + TILED_BYTES * pixels)
    ):
        return None
    if wanted.memory is Memory.SMALL:
        spare = min(spare, SMALL_BATCH * wanted.step_bytes * pixels)
    batch = _bucket(min(wanted.batch, _how_many(spare, wanted.step_bytes, wanted.size)))
    decoding_bytes = floats * DECODING_BYTES
    decoded = _how_many(spare - _kept(batch, wanted.kept_bytes, wanted.size), decoding_bytes, wanted.size)
    how = Decoding.TOGETHER if decoded > 1 else Decoding.SINGLE if decoded else Decoding.TILES
    stored = f"{wanted.network} {_STORAGE_SAYS[unet]}"
    says = f"{_HOME_SAYS[home]}, {stored}, up to {batch} pictures at once, {_DECODING_SAYS[how]}"
    return Residence(home, unet, how, batch, spare, says, wanted.step_bytes, decoding_bytes, wanted.kept_bytes)


_HOME_SAYS = {Home.DEVICE: "text encoders on the GPU", Home.PARKED: "text encoders in main memory"}
_STORAGE_SAYS = {Storage.WHOLE: "in two-byte floats", Storage.FP8: "stored in one-byte floats"}
_DECODING_SAYS = {
    Decoding.TOGETHER: "decoded together",
    Decoding.SINGLE: "decoded one by one",
    Decoding.TILES: "decoded in tiles, whose seams may show",
}


def lacking(card: Card, weights: Weights, wanted: Wanted) -> int:
    """How many more free bytes would let all lie on the GPU, and the wanted batch be stepped and decoded one by one."""
    floats = 1 if card.has_bf16 else 2
    decoding = floats * DECODING_BYTES + (wanted.batch - 1) * wanted.kept_bytes
    work = max(wanted.batch * wanted.step_bytes, decoding) * math.prod(wanted.size)
    return max(0, RESERVE + weights.unet + weights.text_encoders + floats * weights.autoencoder + work - card.free)


def said(card: Card, weights: Weights, wanted: Wanted) -> str:
    """The card's memory, the plan for it, and what would lift that. Raises ModelUnusable."""
    missing = lacking(card, weights, wanted)
    lifted = f"; with {_gigabytes(missing)} more free nothing would be spared" if missing else ""
    made = plan(card, weights, wanted)
    return f"{_gigabytes(card.total)}, {_gigabytes(card.free)} free: {made.says}{lifted}"


def _how_many(spare: float, bytes_a_pixel: float, size: tuple[int, int]) -> int:
    """Pictures of `size` that fit into `spare` bytes; more than anybody wants where that is infinite."""
    return int(min(max(0.0, spare) / (bytes_a_pixel * math.prod(size)), 1 << 16))


def _kept(batch: int, bytes_a_pixel: float, size: tuple[int, int]) -> float:
    """What all of `batch` pictures of `size` but the one that is decoded keep, in bytes."""
    return (batch - 1) * bytes_a_pixel * math.prod(size)


def _bucket(batch: int) -> int:
    """The largest power of two that is not above `batch`: the batches that are made are of these sizes."""
    return 1 << (batch.bit_length() - 1)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
