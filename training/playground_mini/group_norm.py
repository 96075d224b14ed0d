"""Group normalisation whose backward pass is quick for channels-last pictures on a processor.

The stock one takes 40 % of a step of the decoder there. Same values, same parameters; knows nothing of what it is in.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _QuickGroupNorm(torch.autograd.Function):
    """Sums over places by matrix products, which read channels-last memory in order."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, epsilon: float) -> Tensor:
        count, channels, height, width = x.shape
        y: Tensor
        y, mean, scale = torch.native_group_norm(x, weight, bias, count, channels, height * width, groups, epsilon)
        context.save_for_backward(x, weight, mean, scale)
        context.groups = groups
        return y

    @staticmethod
    def backward(context: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = context.saved_tensors
        count, channels, height, width = x.shape
        size = height * width
        groups: int = context.groups
        slope = slope.to(x.dtype).contiguous(memory_format=torch.channels_last)
        rows, given = (one.permute(0, 2, 3, 1).reshape(count, size, channels) for one in (slope, x))
        ones = torch.ones(count, 1, size, dtype=x.dtype)
        total = torch.bmm(ones, rows)[:, 0].float()
        product = torch.bmm(ones, rows * given)[:, 0].float()
        wide_mean = mean.float().repeat_interleave(channels // groups, 1)
        wide_scale = scale.float().repeat_interleave(channels // groups, 1)
        centred = (product - wide_mean * total) * wide_scale
        members: int = channels // groups * size

        def by_group(values: Tensor) -> Tensor:
            means: Tensor = values.view(count, groups, -1).sum(2) / members
            return means.repeat_interleave(channels // groups, 1)

        first, second = by_group(weight * total), by_group(weight * centred)
        factor = (wide_scale * weight).to(x.dtype)[:, None]
        slant = (-(wide_scale**2) * second).to(x.dtype)[:, None]
        shift = (-wide_scale * first + wide_mean * wide_scale**2 * second).to(x.dtype)[:, None]
        result = torch.addcmul(rows * factor + shift, given, slant)
        result = result.view(count, height, width, channels).permute(0, 3, 1, 2)
        return result, centred.sum(0), total.sum(0), None, None


class QuickGroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` for training pictures, (batch, channels, height, width)."""

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or not torch.is_grad_enabled():
            return super().forward(x)
        last = x.contiguous(memory_format=torch.channels_last)
        result: Tensor = _QuickGroupNorm.apply(  # type: ignore[no-untyped-call]
            last, self.weight, self.bias, self.num_groups, self.eps
        )
        return result


def quicken(model: nn.Module) -> None:
    """Makes every group normalisation inside the model quick, in place; weights and their names stay."""
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if type(norm) is nn.GroupNorm:
                quick = QuickGroupNorm(norm.num_groups, norm.num_channels, norm.eps)
                quick.load_state_dict(norm.state_dict())
                parent.register_module(name, quick)
