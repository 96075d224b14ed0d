"""How much of a card's memory fine-tuning takes, stage by stage. Pure: numbers in and out.

A training step keeps what its backward pass reads again: that is reckoned here layer by layer, by what each keeps where
the base is frozen and attention is fused (it keeps queries, keys, values, its output and one number for each row and
head). tests/finetuning/model/test_memory.py counts the same on the true network. What lives for a moment only is in
OVERHEAD. Knows no library; weights are counted by whoever has the network.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.finetuning.hyperparameters import BaseWeights, Precision, Targets
from core.generation.residence import DECODING_BYTES, STEP_BYTES, TILE_SIDE, TILED_BYTES

GIB = 2**30
OVERHEAD = 1.0
"""GiB for libraries' workspaces, what lives for a moment, the VAE beside a step, and what lies in useless pieces."""
TEXT_TOKENS = 77
FEED_FORWARD = 4
"""Width of the feed-forward layers' inside over the block's."""
LOSS_BATCHES = 4
"""Batches of pictures whose losses a look reckons at once, one row each instead of a guided step's two."""
ENCODING_BYTES = 2560
"""What the VAE takes in fp32 to encode a picture, for each pixel, beside its weights."""
ADAPTER_BYTES: dict[str, int] = {"adamw": 20, "adamw8bit": 14}
"""Of each of its weights: itself, its gradient and its average in fp32, and two moments in fp32 or 8 bits."""
LINEAR_BYTES: dict[BaseWeights, float] = {"whole": 2.0, "int8": 1.0, "nf4": 0.5 + 4 / 64}
"""Of each weight of a linear layer in half precision; NF4 has a scale for 64 weights, int8 one for each row."""


@dataclass(frozen=True)
class Architecture:
    """The shape of a network of SDXL's kind; sequences go from the finest level to the coarsest."""

    channels: tuple[int, ...]
    layers: int
    """Residual blocks of a level, on the way down; one more on the way up."""
    depths: tuple[int, ...]
    """Transformer blocks of each of a level's attention layers; 0 where it has none."""
    head_widths: tuple[int, ...]
    text_width: int
    latent_scale: int = 8
    """Pixels of a latent's cell."""

    @classmethod
    def from_config(cls, config: Mapping[str, object], latent_scale: int = 8) -> "Architecture":
        """From a UNet's configuration, as diffusers writes it."""
        channels: Sequence[int] = config["block_out_channels"]  # type: ignore[assignment]
        kinds: Sequence[str] = config["down_block_types"]  # type: ignore[assignment]
        depths = _each(config["transformer_layers_per_block"], len(channels))
        heads = _each(config["attention_head_dim"], len(channels))  # diffusers' name for their number
        return cls(
            tuple(channels),
            int(config["layers_per_block"]),  # type: ignore[call-overload]
            tuple(depth if "CrossAttn" in kind else 0 for depth, kind in zip(depths, kinds, strict=True)),
            tuple(width // number for width, number in zip(channels, heads, strict=True)),
            int(config["cross_attention_dim"]),  # type: ignore[call-overload]
            latent_scale,
        )


@dataclass(frozen=True)
class Weights:
    """How many weights each part has."""

    linear: int
    """Of the network's linear layers, which can be quantised."""
    other: int
    """Of the network's other layers."""
    adapter: int
    text_encoders: int
    vae: int


@dataclass(frozen=True)
class MemorySettings:
    """What of a run's settings shapes its memory; `side` in pixels."""

    targets: Targets
    rank: int
    side: int
    batch_size: int
    accumulation: int = 1
    gradient_checkpointing: bool = False
    base_weights: BaseWeights = "whole"
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    precision: Precision = "bf16"
    is_mixed: bool = True
    """Whether norms are computed in fp32 and adapters in half precision, as torch's autocast has it."""
    is_tiled: bool = False
    """Whether pictures are decoded in tiles."""


@dataclass(frozen=True)
class Need:
    """The peak of each stage in GiB."""

    encode: float
    paint: float
    train: float
    look: float

    @property
    def peak(self) -> float:
        """Of all."""
        return max(self.encode, self.paint, self.train, self.look)


def need(architecture: Architecture, weights: Weights, settings: MemorySettings) -> Need:
    """What a run needs with the text encoders gone before the network comes, and pictures decoded one by one."""
    half = 4 if settings.precision == "fp32" else 2
    pixels = settings.side**2
    network = (weights.linear * LINEAR_BYTES[settings.base_weights] + weights.other * 2) * half / 2
    adapter = weights.adapter * ADAPTER_BYTES[settings.optimizer]
    vae = weights.vae * half
    step = STEP_BYTES * half / 2 * pixels * settings.batch_size
    decoding = decoding_bytes(settings.side, half, tiled=settings.is_tiled)
    training = settings.batch_size * activation_bytes(architecture, settings)
    stages = (
        max(weights.text_encoders * half, weights.vae * 4 + ENCODING_BYTES * pixels),
        network + vae + max(step, decoding),
        network + adapter + training,
        network + adapter + vae + max(step, LOSS_BATCHES * step / 2, decoding),
    )
    return Need(*(stage / GIB + OVERHEAD for stage in stages))


def decoding_bytes(side: int, half: int, *, tiled: bool) -> float:
    """What the VAE takes to decode one picture, whole or in tiles."""
    whole = DECODING_BYTES * half / 2
    return whole * min(side, TILE_SIDE) ** 2 + TILED_BYTES * side**2 if tiled else whole * side**2


def activation_bytes(architecture: Architecture, settings: MemorySettings) -> float:
    """What a step keeps of a picture for the backward pass, with checkpointing the largest block's part too."""
    if not settings.gradient_checkpointing:
        return sum(_kept(layer, architecture, settings) for layer in _layers_with_gradients(architecture, settings))
    layers = _layers(architecture, settings.side)
    largest = max(_kept(layer, architecture, settings) for layer in layers if layer.is_checkpointed)
    return border_bytes(architecture, settings) + largest


def border_bytes(architecture: Architecture, settings: MemorySettings) -> float:
    """What a picture keeps between the blocks, where these are computed again in the backward pass."""
    return sum(_border(layer, architecture, settings) for layer in _layers(architecture, settings.side))


@dataclass(frozen=True)
class _Layer:
    """A part of the network that keeps something: `cells` of the picture in it, `width` and `output` their channels."""

    kind: Literal["residual", "norm", "block", "convolution"]
    width: int
    output: int
    cells: float
    head_width: int = 1
    is_first: bool = False
    """The first transformer block, before which nothing needs gradients."""
    is_checkpointed: bool = False


def _layers(architecture: Architecture, side: int) -> Iterator[_Layer]:
    """In the order of the forward pass, as diffusers' UNet2DConditionModel has them."""
    cells = [(side / architecture.latent_scale) ** 2 / 4**level for level in range(len(architecture.channels))]
    skips = [architecture.channels[0]]
    width, is_first = architecture.channels[0], True
    for level, output in enumerate(architecture.channels):
        for _ in range(architecture.layers):
            yield _Layer("residual", width, output, cells[level], is_checkpointed=True)
            for layer in _transformer(architecture, level, cells[level]):
                yield replace(layer, is_first=is_first)
                is_first = is_first and layer.kind != "block"
            width = output
            skips.append(width)
        if level < len(architecture.channels) - 1:
            yield _Layer("convolution", width, width, cells[level])
            skips.append(width)
    yield _Layer("residual", width, width, cells[-1])
    yield from _transformer(architecture, len(cells) - 1, cells[-1])
    yield _Layer("residual", width, width, cells[-1], is_checkpointed=True)
    for level, output in reversed(list(enumerate(architecture.channels))):
        for _ in range(architecture.layers + 1):
            yield _Layer("residual", width + skips.pop(), output, cells[level], is_checkpointed=True)
            yield from _transformer(architecture, level, cells[level])
            width = output
        if level > 0:
            yield _Layer("convolution", width, width, cells[level - 1])
    yield _Layer("norm", 2 * width, width, cells[0])  # the last norm and what follows it
    yield _Layer("convolution", width, width, cells[0])


def _transformer(architecture: Architecture, level: int, cells: float) -> Iterator[_Layer]:
    width, depth = architecture.channels[level], architecture.depths[level]
    if depth:
        yield _Layer("norm", width, width, cells)
    for _ in range(depth):
        yield _Layer("block", width, width, cells, architecture.head_widths[level], is_checkpointed=True)


def _layers_with_gradients(architecture: Architecture, settings: MemorySettings) -> Iterator[_Layer]:
    """From the first adapted layer on."""
    seen = False
    for layer in _layers(architecture, settings.side):
        seen = seen or settings.targets == "attention+ff+conv" or (layer.is_first and layer.kind == "block")
        if seen:
            yield layer


def _kept(layer: _Layer, architecture: Architecture, settings: MemorySettings) -> float:
    """Bytes that a layer keeps of one picture."""
    base, norm, _ = _bytes(settings)
    if layer.kind == "convolution":
        return layer.cells * layer.width * base + _adapted(layer.cells, settings, layer.width)
    if layer.kind == "norm":
        return layer.cells * layer.width * norm + 2 * _adapted(layer.cells, settings, layer.width)  # and projections
    if layer.kind == "residual":
        # two norms, two activations, two convolutions; the shortcut keeps the input itself where the norm keeps a copy
        is_cut = layer.width != layer.output
        shortcut = layer.width * base if norm != base and is_cut else 0
        kept = layer.cells * ((layer.width + layer.output) * (2 * norm + base) + shortcut)
        adapted = (layer.width, layer.output, layer.width) if is_cut else (layer.width, layer.output)
        return kept + _adapted(layer.cells, settings, *adapted)
    return _block(layer, architecture, settings)


def _adapted(cells: float, settings: MemorySettings, *inputs: int) -> float:
    """What adapters of convolutions and projections keep: what is between their halves, and each its input in its own
    precision, but in fp32."""
    if settings.targets != "attention+ff+conv":
        return 0.0
    copy = _bytes(settings)[2]
    own = sum(inputs) if settings.precision != "fp32" else 0
    return cells * copy * (own + len(inputs) * settings.rank)


def _block(layer: _Layer, architecture: Architecture, settings: MemorySettings) -> float:
    """A transformer block: attention to the picture, to the text, and the feed-forward part."""
    base, norm, copy = _bytes(settings)
    cells, width, text = layer.cells, layer.width, TEXT_TOKENS * architecture.text_width
    is_half = settings.precision != "fp32"
    statistics = cells * width / layer.head_width * 4
    to_picture = cells * 4 * width * base + statistics
    to_text = (cells * 2 + TEXT_TOKENS * 2) * width * base + statistics
    inside = FEED_FORWARD * width
    kept = cells * width * norm + to_text + 3 * cells * inside * base  # third norm
    if settings.targets == "captions":
        before = 0 if layer.is_first else 2 * cells * width * norm + to_picture
        return kept + before + (2 * text * copy if is_half else 0)
    down = cells * settings.rank * copy
    inputs = 6 if is_half else 2  # each adapter has a copy in its own precision, but in fp32 there are none
    kept += (0 if layer.is_first else cells * width * norm) + cells * width * norm + to_picture
    kept += inputs * cells * width * copy + 6 * down + (2 * text * copy if is_half else 0)
    if settings.targets in ("attention+ff", "attention+ff+conv"):
        kept += cells * (width + inside) * copy + 2 * down
    return kept


def _border(layer: _Layer, architecture: Architecture, settings: MemorySettings) -> float:
    """What stays of a layer where blocks are computed again: their inputs."""
    if layer.is_checkpointed:
        return layer.cells * layer.width * _bytes(settings)[0]
    return _kept(layer, architecture, settings)


def _bytes(settings: MemorySettings) -> tuple[int, int, int]:
    """Of a number in the base's layers, of one that a norm keeps, and of one that an adapter keeps."""
    if settings.precision == "fp32":
        return 4, 4, 4
    return (2, 4, 2) if settings.is_mixed else (2, 2, 4)


def _each(value: object, count: int) -> list[int]:
    return [int(part) for part in value] if isinstance(value, Sequence) else [int(value)] * count  # type: ignore[call-overload]
