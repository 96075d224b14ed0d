"""The UNet, as fast as its device allows: memory layout, attention, FP8 and compiling. All of it only on CUDA.

It knows latents, noise levels and encoded prompts, nothing of samplers or requests.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from core.generation.conditioning import TextConditioning

log = logging.getLogger(__name__)

FASTEST_ATTENTION = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,  # for GPUs that have none of the others
]


class AcceleratedUNet:
    """The UNet of `pipeline`, changed in place; `pipeline` may give it adapters afterwards.

    `compiled_size` is the one width and height, in pixels, that it is compiled for, None for not at all: others would
    each be compiled anew, for minutes, while everybody waits. `fp8` asks for FP8 linear layers.
    """

    def __init__(
        self, pipeline: StableDiffusionXLPipeline, *, compiled_size: tuple[int, int] | None, fp8: bool
    ) -> None:
        self._unet: torch.nn.Module = pipeline.unet
        self._compiled_size = compiled_size
        self._on_cuda = pipeline.unet.device.type == "cuda"
        self._layout = torch.channels_last if self._on_cuda else torch.contiguous_format
        if self._on_cuda:
            self._unet.to(memory_format=self._layout)
        self.has_fp8 = fp8 and self._on_cuda and quantise_linears(self._unet)
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
        self, inputs: Tensor, noise: Tensor, texts: Sequence[TextConditioning], *, size: tuple[int, int], rows: int
    ) -> Tensor:
        """The raw output for `inputs`, shape (n, channels, height, width), at noise levels `noise`, shape (n,).

        `texts`: n encoded prompts. `size`: the pictures' width and height in pixels. The n rows are padded with copies
        of the last to `rows`, where that is more.
        """
        padding = rows - len(texts)
        embeds = torch.stack([text.embeds for text in texts])
        pooled = torch.stack([text.pooled for text in texts])
        width, height = size
        # SDXL's micro-conditioning: original size, crop corner, target size, each (height, width)
        ids = torch.tensor([height, width, 0, 0, height, width], device=inputs.device, dtype=embeds.dtype)
        network: Callable[..., tuple[Tensor]] = self._unet
        if self._compiled is not None and size == self._compiled_size:
            network = self._compiled
        with self._fast_attention():
            output = network(
                _pad(inputs, padding).to(embeds.dtype).contiguous(memory_format=self._layout),
                _pad(noise, padding),
                encoder_hidden_states=_pad(embeds, padding),
                added_cond_kwargs={"text_embeds": _pad(pooled, padding), "time_ids": ids.repeat(rows, 1)},
                return_dict=False,
            )[0]
        return output[: len(texts)]

    def _compile(self) -> Callable[..., tuple[Tensor]]:
        prepare_compiler()
        compiled: Callable[..., tuple[Tensor]] = torch.compile(
            self._unet, mode="max-autotune-no-cudagraphs" if self._on_cuda else None, dynamic=False
        )
        return compiled

    @contextmanager
    def _fast_attention(self) -> Iterator[None]:
        if not self._on_cuda:
            yield
            return
        with sdpa_kernel(FASTEST_ATTENTION, set_priority=True):
            yield


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
