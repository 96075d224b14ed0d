"""The optimisers of text encoders and UNet: Muon for matrices and convolution kernels, AdamW for all the rest.

Muon changes all directions of a matrix alike, so that rare subjects are learnt about as fast as frequent ones; on the
text encoders it needed about half of AdamW's time for the same error. Knows parameters only.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class Optimisers:
    """Muon and AdamW as one, with gradient clipping and a cosine rate."""

    def __init__(self, model: nn.Module, rate: float, plain: Iterable[str]) -> None:
        self.model, self.rate = model, rate
        self.kernels: list[tuple[nn.Parameter, nn.Parameter]] = []
        others: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2 or any(word in name for word in plain):
                others.append(parameter)
            else:  # a kernel counts as the matrix (outputs) x (inputs x height x width), in the same memory
                self.kernels.append((parameter, nn.Parameter(parameter.detach().view(len(parameter), -1))))
        matrices = [matrix for _, matrix in self.kernels]
        self.parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(matrices, lr=rate, weight_decay=1e-4, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=1e-4),
        )
        self.steps = 0

    def step(self, loss: torch.Tensor, progress: float) -> None:
        """One step down the loss; `progress` goes from 0 to 1 over the whole training."""
        self.steps += 1
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        self.model.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for parameter, matrix in self.kernels:
            matrix.grad = None if parameter.grad is None else parameter.grad.reshape(matrix.shape)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = self.rate * min(1.0, self.steps / 100) * cosine
            part.step()


class RunningAverage(Generic[Model]):
    """The average of a model's weights over the last steps: better than the last weights alone."""

    def __init__(self, model: Model, keep: float) -> None:
        self.model, self.average, self.keep, self.steps = model, copy.deepcopy(model), keep, 0

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        keep = min(self.keep, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
