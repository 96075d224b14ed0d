"""What compiled code takes for granted of a block and of its inputs: all but the numbers. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PLAIN = bool | int | float | str | None


@dataclass(frozen=True)
class Blank:
    """A tensor without its numbers."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    has_rows: bool

    def random(self) -> Tensor:
        """One with random numbers."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=self.device).normal_()


def blank(leaf: Any, rows: int, stands_for: int) -> Any:
    """`leaf`; of a tensor a blank, with `stands_for` rows where it has `rows`."""
    if not isinstance(leaf, Tensor):
        return leaf
    has_rows = leaf.ndim > 0 and leaf.shape[0] == rows
    shape = (stands_for, *leaf.shape[1:]) if has_rows else tuple(leaf.shape)
    return Blank(shape, leaf.stride(), leaf.dtype, leaf.device, has_rows)


def kind_of(module: torch.nn.Module) -> Hashable:
    """All that compiled code takes for granted of `module`: its layers, their plain attributes, and their weights'
    shapes, but not the weights. Two modules of one kind that differ otherwise are told apart when the code is run."""
    return tuple((name, type(layer), _plain(layer), _weights(layer)) for name, layer in module.named_modules())


def _plain(layer: torch.nn.Module) -> Hashable:
    # with their types: 1 and 1.0 are equal, but not to the compiler
    attributes = ((key, type(value), value) for key, value in vars(layer).items() if isinstance(value, PLAIN))
    return tuple(sorted(attributes, key=lambda attribute: attribute[0]))


def _weights(layer: torch.nn.Module) -> Hashable:
    return tuple(
        (key, each.shape, each.stride(), each.dtype, each.requires_grad)
        for key, each in layer.named_parameters(recurse=False)
    )
