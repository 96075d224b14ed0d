"""The UNet, as fast as its device allows: memory layout, attention, FP8 and compiling. All but the last only on CUDA.

It knows latents, noise levels and encoded prompts, nothing of samplers or requests.
"""

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from core.generation import deepcache
from core.generation.compile_cache import CompileCache
from core.generation.compiling import (
    AUTOTUNING,
    OPTIONS,
    Make,
    PartCompiler,
    Progress,
    TorchCompiler,
    Variant,
    as_parts,
)
from core.generation.conditioning import TextConditioning
from core.options import Compiling

log = logging.getLogger(__name__)

FASTEST_ATTENTION = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,  # for GPUs that have none of the others
]


PARTS = ("BasicTransformerBlock", "ResnetBlock2D")
"""The blocks that nearly all of the work is done in, compiled one by one: SDXL's 70 and 17 are of 15 kinds."""

Added = dict[str, Tensor]


@dataclass(frozen=True)
class Prediction:
    """The raw output, (n, channels, height, width), and what the deep part left for each of the n rows, for later
    shallow runs; None where there are none."""

    output: Tensor
    deep: Tensor | None


@dataclass(frozen=True)
class Compilation:
    """What of a network is compiled, below which directory that is kept (None: nowhere of ours), and who compiles it,
    None for PyTorch's own compiler."""

    how: Compiling = Compiling.OFF
    cache: Path | None = None
    make: Make | None = None


class AcceleratedUNet:
    """The UNet of `pipeline`, changed in place; `pipeline` may give it adapters afterwards.

    `fp8` asks for FP8 linear layers, `deep_cache` for runs of the shallow part. Whatever is to be compiled runs as it
    is until `compile_next` has compiled it.
    """

    def __init__(
        self, pipeline: StableDiffusionXLPipeline, *, compilation: Compilation, fp8: bool, deep_cache: bool
    ) -> None:
        self._unet: Any = pipeline.unet
        self._on_cuda = pipeline.unet.device.type == "cuda"
        self._layout = torch.channels_last if self._on_cuda else torch.contiguous_format
        if self._on_cuda:
            self._unet.to(memory_format=self._layout)
        self.has_fp8 = fp8 and self._on_cuda and quantise_linears(self._unet)
        self.has_deep_cache = deep_cache and can_run_shallow(self._unet)
        self._compiler = None if compilation.how is Compiling.OFF else self._compiler_for(compilation)
        self._is_whole = compilation.how is Compiling.WHOLE
        self._full: Callable[..., tuple[Tensor, Tensor | None]]
        self._full = self._network(deepcache.full if self.has_deep_cache else _own_forward)
        self._shallow: Callable[..., Tensor] = self._network(deepcache.shallow)
        if self._compiler is not None:
            self._unet.requires_grad_(False)  # loading an adapter does it, and would make another network of it
        if self._compiler is not None and not self._is_whole:
            as_parts(self._unet, PARTS, self._compiler)

    def compile_next(self) -> bool:
        """See PartCompiler."""
        if self._compiler is None:
            return False
        with torch.inference_mode(), self._fast_attention():
            return self._compiler.compile_next()

    def compiled(self) -> Progress:
        """How far compiling is."""
        return Progress(0, 0, 0) if self._compiler is None else self._compiler.progress()

    def predict(
        self,
        inputs: Tensor,
        noise: Tensor,
        texts: Sequence[TextConditioning],
        *,
        size: tuple[int, int],
        rows: int,
        deep: Sequence[Tensor] = (),
        layers: Hashable = None,
    ) -> Prediction:
        """The raw output for `inputs`, shape (n, channels, height, width), at noise levels `noise`, shape (n,).

        `texts`: n encoded prompts. `size`: the pictures' width and height in pixels. Where the network is compiled as
        a whole, the n rows are padded with copies of the last to `rows`, where that is more. With `deep`, what stands
        in for the deep part in each of the n rows, only the shallow part runs. `layers`: see Adapters.
        """
        padding = rows - len(texts) if self._is_whole else 0
        embeds = _pad(torch.stack([text.embeds for text in texts]), padding)
        pooled = _pad(torch.stack([text.pooled for text in texts]), padding)
        width, height = size
        # SDXL's micro-conditioning: original size, crop corner, target size, each (height, width)
        ids = torch.tensor([height, width, 0, 0, height, width], device=inputs.device, dtype=embeds.dtype)
        added = {"text_embeds": pooled, "time_ids": ids.repeat(len(embeds), 1)}
        sample = _pad(inputs, padding).to(embeds.dtype).contiguous(memory_format=self._layout)
        noise = _pad(noise, padding)
        kept: Tensor | None = None
        with self._fast_attention(), self._running(Variant(layers, len(embeds), (size, embeds.shape[1]))):
            if deep:
                below = _pad(torch.stack(list(deep)), padding).contiguous(memory_format=self._layout)
                output = self._shallow(sample, noise, embeds, added, below)
            else:
                output, kept = self._full(sample, noise, embeds, added)
        return Prediction(output[: len(texts)], None if kept is None else kept[: len(texts)])

    def _compiler_for(self, compilation: Compilation) -> PartCompiler:
        is_whole = compilation.how is Compiling.WHOLE
        place = compilation.cache
        cache = None if place is None else CompileCache(place, self._unet.device, self._unet.config)
        autotuning = AUTOTUNING if is_whole and self._on_cuda else {}
        return PartCompiler(compilation.make or TorchCompiler({**OPTIONS, **autotuning}), cache, any_rows=not is_whole)

    def _network(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of the network, as a part of its own where that is compiled as a whole."""
        if self._compiler is not None and self._is_whole:
            return self._compiler.part(function, self._unet)
        return partial(function, self._unet)

    @contextmanager
    def _running(self, variant: Variant) -> Iterator[None]:
        if self._compiler is None:
            yield
            return
        with self._compiler.running(variant):
            yield

    @contextmanager
    def _fast_attention(self) -> Iterator[None]:
        if not self._on_cuda:
            yield
            return
        with sdpa_kernel(FASTEST_ATTENTION, set_priority=True):
            yield


def can_run_shallow(unet: torch.nn.Module) -> bool:
    """Whether `unet` can be run with a deep cache; if not, the log says why."""
    why_not = deepcache.misfit(unet)
    if why_not:
        log.warning("this network cannot be run shallow (%s); every step is a full one, whatever SPEED says", why_not)
    return not why_not


def _own_forward(
    network: Callable[..., tuple[Tensor]], sample: Tensor, noise: Tensor, text: Tensor, added: Added
) -> tuple[Tensor, None]:
    output = network(sample, noise, encoder_hidden_states=text, added_cond_kwargs=added, return_dict=False)[0]
    return output, None


def quantise_linears(unet: torch.nn.Module) -> bool:
    """FP8 for the large linear layers, where torchao is installed and the GPU has FP8; otherwise says so and leaves
    the model as it is. Returns whether it was done."""
    if torch.cuda.get_device_capability() < (8, 9):
        log.warning("this GPU has no FP8; SPEED=fast works without it")
        return False
    try:
        from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_
    except ImportError:
        log.warning("FP8 needs torchao (pip install torchao); SPEED=fast works without it")
        return False

    def is_large(module: torch.nn.Module, name: str) -> bool:
        # keys and values of the prompt have 77 rows only, and time embeddings one: nothing is gained there
        small = "time_" in name or "add_embedding" in name or "attn2.to_k" in name or "attn2.to_v" in name
        return isinstance(module, torch.nn.Linear) and not small and min(module.weight.shape) >= 640

    quantize_(unet, Float8DynamicActivationFloat8WeightConfig(granularity=PerRow()), filter_fn=is_large)
    return True


def _pad(values: Tensor, count: int) -> Tensor:
    """`values` with `count` copies of its last row appended."""
    return values if count <= 0 else torch.cat([values, values[-1:].expand(count, *values.shape[1:])])
