"""The UNet, as fast as its device allows: memory layout, attention, FP8 and compiling. All of it only on CUDA.

It knows latents, noise levels and encoded prompts, nothing of samplers or requests.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from core.generation import deepcache
from core.generation.conditioning import TextConditioning

log = logging.getLogger(__name__)

FASTEST_ATTENTION = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,  # for GPUs that have none of the others
]


Added = dict[str, Tensor]


@dataclass(frozen=True)
class Prediction:
    """The raw output, (n, channels, height, width), and what the deep part left for each of the n rows, for later
    shallow runs; None where there are none."""

    output: Tensor
    deep: Tensor | None


@dataclass(frozen=True)
class Networks:
    """The network as a whole, and its shallow part; see deepcache."""

    full: Callable[[Tensor, Tensor, Tensor, Added], tuple[Tensor, Tensor | None]]
    shallow: Callable[[Tensor, Tensor, Tensor, Added, Tensor], Tensor]


class AcceleratedUNet:
    """The UNet of `pipeline`, changed in place; `pipeline` may give it adapters afterwards.

    `compiled_size` is the one width and height, in pixels, that it is compiled for, None for not at all: others would
    each be compiled anew, for minutes, while everybody waits. `fp8` asks for FP8 linear layers, `deep_cache` for runs
    of the shallow part, which is compiled as a second network.
    """

    def __init__(
        self, pipeline: StableDiffusionXLPipeline, *, compiled_size: tuple[int, int] | None, fp8: bool, deep_cache: bool
    ) -> None:
        self._unet: torch.nn.Module = pipeline.unet
        self._compiled_size = compiled_size
        self._on_cuda = pipeline.unet.device.type == "cuda"
        self._layout = torch.channels_last if self._on_cuda else torch.contiguous_format
        if self._on_cuda:
            self._unet.to(memory_format=self._layout)
        self.has_fp8 = fp8 and self._on_cuda and quantise_linears(self._unet)
        self.has_deep_cache = deep_cache and can_run_shallow(self._unet)
        self._eager = self._networks(lambda eager: eager)
        self._compiled = self._compile() if compiled_size is not None else None

    @property
    def is_compiled(self) -> bool:
        """Whether pictures of the compiled size go through the compiler."""
        return self._compiled is not None

    @contextmanager
    def eager(self) -> Iterator[None]:
        """Without the compiler within."""
        compiled, self._compiled = self._compiled, None
        try:
            yield
        finally:
            self._compiled = compiled

    def drop_compiled(self) -> None:
        """Go on without the compiler."""
        self._compiled = None

    def predict(
        self,
        inputs: Tensor,
        noise: Tensor,
        texts: Sequence[TextConditioning],
        *,
        size: tuple[int, int],
        rows: int,
        deep: Sequence[Tensor] = (),
    ) -> Prediction:
        """The raw output for `inputs`, shape (n, channels, height, width), at noise levels `noise`, shape (n,).

        `texts`: n encoded prompts. `size`: the pictures' width and height in pixels. The n rows are padded with copies
        of the last to `rows`, where that is more. With `deep`, what stands in for the deep part in each of the n rows,
        only the shallow part runs.
        """
        padding = rows - len(texts)
        embeds = torch.stack([text.embeds for text in texts])
        pooled = torch.stack([text.pooled for text in texts])
        width, height = size
        # SDXL's micro-conditioning: original size, crop corner, target size, each (height, width)
        ids = torch.tensor([height, width, 0, 0, height, width], device=inputs.device, dtype=embeds.dtype)
        added = {"text_embeds": _pad(pooled, padding), "time_ids": ids.repeat(rows, 1)}
        sample = _pad(inputs, padding).to(embeds.dtype).contiguous(memory_format=self._layout)
        noise, embeds = _pad(noise, padding), _pad(embeds, padding)
        compiled = self._compiled if size == self._compiled_size else None
        networks = compiled or self._eager
        kept: Tensor | None = None
        with self._fast_attention():
            if deep:
                below = _pad(torch.stack(list(deep)), padding).contiguous(memory_format=self._layout)
                output = networks.shallow(sample, noise, embeds, added, below)
            else:
                output, kept = networks.full(sample, noise, embeds, added)
        return Prediction(output[: len(texts)], None if kept is None else kept[: len(texts)])

    def _networks(self, prepared: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Networks:
        """What is run, `prepared` (compiled, say). Without a cache that is the network's own forward alone."""
        if self.has_deep_cache:
            full, shallow = prepared(deepcache.full), prepared(deepcache.shallow)
            return Networks(partial(full, self._unet), partial(shallow, self._unet))
        return Networks(partial(_own_forward, prepared(self._unet)), partial(deepcache.shallow, self._unet))

    def _compile(self) -> Networks:
        prepare_compiler()
        mode = "max-autotune-no-cudagraphs" if self._on_cuda else None
        return self._networks(partial(torch.compile, mode=mode, dynamic=False))

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


def prepare_compiler() -> None:
    """One compiled network for each batch size, with and without an adapter, is meant: without this, dynamo gives up
    after eight. The inductor options are those that diffusers' documentation recommends for SDXL ("fp16.md")."""
    torch._dynamo.config.recompile_limit = 128
    torch._inductor.config.conv_1x1_as_mm = True
    torch._inductor.config.coordinate_descent_tuning = True
    torch._inductor.config.epilogue_fusion = False
    torch._inductor.config.coordinate_descent_check_all_directions = True


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
