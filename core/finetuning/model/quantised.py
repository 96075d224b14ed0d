"""A base whose linear layers are kept in 8 or 4 bits, for cards that hold it in no other way.

A frozen weight is needed twice, for the output and for the gradient of the input. It is de-quantised anew each time:
keeping the de-quantised one for the backward pass would take more than no quantising at all. Only the weights of linear
layers are quantised; convolutions, norms and adapters stay as they are. NF4 (Dettmers et al., arXiv 2305.14314) comes
from bitsandbytes, 8 bits a weight with a scale for each output need no library.
"""

from typing import Protocol

import torch
from torch import Tensor

from core.errors import InvalidHyperparameters
from core.finetuning.hyperparameters import BaseWeights
from core.finetuning.model.device import gpu

NF4_BLOCK = 64
INT8_LARGEST = 127


class Codec(Protocol):
    """A way to keep a weight."""

    def encode(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Codes and scales of a weight [out, in]."""
        ...

    def decode(self, codes: Tensor, scales: Tensor, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
        """The weight again, nearly."""
        ...


class Int8Rows:
    """8 bits a weight, [out, in] int8, and a scale for each row, [out, 1] fp32: the largest magnitude over 127."""

    def encode(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Round to the nearest."""
        wide = weight.float()
        scales = wide.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / INT8_LARGEST
        return torch.round(wide / scales).to(torch.int8), scales

    def decode(self, codes: Tensor, scales: Tensor, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
        """Codes times scales."""
        return codes.to(dtype) * scales.to(dtype)


class Nf4Blocks:
    """bitsandbytes' NF4: 4 bits a weight, [n / 2, 1] uint8, and a scale for each 64 of them, [n / 64] fp32."""

    def __init__(self) -> None:
        """Raises InvalidHyperparameters without the library."""
        try:
            from bitsandbytes import functional
        except ImportError as error:
            raise InvalidHyperparameters(
                "--base-weights nf4 needs the library bitsandbytes: pip install 'imagine-sound[adam8bit]', or take "
                "--base-weights int8."
            ) from error
        self._functional = functional

    def encode(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """By the library."""
        codes, state = self._functional.quantize_4bit(weight, blocksize=NF4_BLOCK, quant_type="nf4")
        return codes, state.absmax

    def decode(self, codes: Tensor, scales: Tensor, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
        """By the library."""
        state = self._functional.QuantState(
            scales, shape=torch.Size(shape), dtype=dtype, blocksize=NF4_BLOCK, quant_type="nf4"
        )
        decoded: Tensor = self._functional.dequantize_4bit(codes, state)
        return decoded


class QuantisedLinear(torch.nn.Linear):
    """A frozen linear layer; what it keeps for the backward pass are its codes and scales, which are there anyway."""

    def __init__(self, layer: torch.nn.Linear, codec: Codec) -> None:
        torch.nn.Module.__init__(self)  # not Linear's, which would make a weight
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self._codec, self._dtype = codec, layer.weight.dtype
        codes, scales = codec.encode(layer.weight.detach())
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)
        self.bias, self._has_bias = layer.bias, layer.bias is not None

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The weight, de-quantised; [out, in]. It is not kept."""
        shape = (self.out_features, self.in_features)
        return self._codec.decode(self.codes, self.scales, shape, self._dtype)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Tensor:
        """As any linear layer."""
        output: Tensor = _QuantisedProduct.apply(input.to(self._dtype), self)  # type: ignore[no-untyped-call]
        return output if not self._has_bias else output + self.bias


class _QuantisedProduct(torch.autograd.Function):
    """input · Wᵀ, and in the backward pass gradient · W, each with a weight that is de-quantised for the moment."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, input: Tensor, layer: QuantisedLinear) -> Tensor:
        ctx.layer = layer  # type: ignore[attr-defined]
        return input @ layer.weight.T

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        layer: QuantisedLinear = ctx.layer  # type: ignore[attr-defined]
        return gradient @ layer.weight.to(gradient.dtype), None


def quantise(network: torch.nn.Module, kind: BaseWeights) -> None:
    """Put quantised layers where linear ones are. Raises InvalidHyperparameters without the library for it."""
    if kind == "whole":
        return
    codec = Int8Rows() if kind == "int8" else Nf4Blocks()
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear:
                setattr(module, name, QuantisedLinear(child, codec))


def best_quantising() -> BaseWeights:
    """NF4 if its library is installed and has code for the GPU, else 8 bits."""
    if (card := gpu()) is not None and card.type == "mps":
        return "int8"
    try:
        Nf4Blocks()
    except InvalidHyperparameters:
        return "int8"
    return "nf4"
