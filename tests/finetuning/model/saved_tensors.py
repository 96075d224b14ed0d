"""What a forward pass keeps for the backward pass, counted on the true network without any memory: on meta tensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.memory import MemorySettings
from core.finetuning.model.network import add_adapter


class _FusedAttention(torch.autograd.Function):
    """Keeps what flash attention keeps: no scores."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, output, torch.empty(query.shape[:-1], device=query.device))
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return tuple(torch.empty_like(part) for part in ctx.saved_tensors[:3])


def _fused(query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object) -> Tensor:
    output: Tensor = _FusedAttention.apply(query, key, value)  # type: ignore[no-untyped-call]
    return output


class _Autocast(TorchFunctionMode):
    """Casts as torch's autocast does on a GPU, which meta tensors lack: products in half precision, norms in fp32."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        dtype = {
            functional.linear: torch.bfloat16,
            torch.conv2d: torch.bfloat16,
            functional.layer_norm: torch.float32,
            functional.group_norm: torch.float32,
        }.get(func)
        if dtype is not None:
            args = tuple(_cast(value, dtype) for value in args)
            kwargs = {name: _cast(value, dtype) for name, value in (kwargs or {}).items()}
        return func(*args, **(kwargs or {}))


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


@contextmanager
def counting(known: torch.nn.Module) -> Iterator[list[int]]:
    """The bytes of each storage that is kept within it, but for the module's own."""
    own = {tensor.untyped_storage()._cdata for tensor in (*known.parameters(), *known.buffers())}
    kept: dict[int, Tensor] = {}
    sizes: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own and storage._cdata not in kept:
            kept[storage._cdata] = tensor  # or its place would be given to another
            sizes.append(storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield sizes


def adapted(config: Mapping[str, Any], settings: MemorySettings) -> UNet2DConditionModel:
    """A network of no memory with its adapter."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config).to(torch.float32 if settings.precision == "fp32" else torch.bfloat16)
        add_adapter(unet, Hyperparameters(targets=settings.targets, rank=settings.rank))
    if settings.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    return unet.train()


def kept_bytes(unet: UNet2DConditionModel, settings: MemorySettings) -> int:
    """What one forward pass of a batch keeps."""
    rows, cells = settings.batch_size, settings.side // 8
    with torch.device("meta"):
        latents = torch.empty(rows, 4, cells, cells, dtype=unet.dtype)
        texts = torch.empty(rows, 77, unet.config.cross_attention_dim, dtype=unet.dtype)
        pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
        added = {
            "text_embeds": torch.empty(rows, pooled, dtype=unet.dtype),
            "time_ids": torch.empty(rows, 6, dtype=unet.dtype),
        }
        with patch("torch.nn.functional.scaled_dot_product_attention", _fused), counting(unet) as sizes:
            if settings.is_mixed and settings.precision != "fp32":
                with _Autocast():
                    unet(latents, torch.empty(rows), encoder_hidden_states=texts, added_cond_kwargs=added)
            else:
                unet(latents, torch.empty(rows), encoder_hidden_states=texts, added_cond_kwargs=added)
    return sum(sizes)
