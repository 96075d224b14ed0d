"""The learning rate: its schedule, the optimiser that follows it, and a range test that finds one.

The range test raises the rate step by step until the loss blows up; a small part of that rate is suggested.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InvalidHyperparameters
from core.finetuning.hyperparameters import Hyperparameters

BETAS = (0.9, 0.99)
BLOW_UP = 1.10
"""The smoothed loss, relative to its lowest value so far, that counts as blown up."""
SAFETY = 8.0
"""The suggested rate is this many times below the blow-up."""
SMOOTHING = 0.7


def learning_rate_at(step: int, hyperparameters: Hyperparameters) -> float:
    """Linear warm-up, then half a cosine down to zero; `step` counts from 0. It begins again after earlier steps."""
    ends = (*hyperparameters.earlier_steps, hyperparameters.steps)
    begin = max((end for end in ends if end <= step), default=0)
    steps = min((end for end in ends if end > step), default=hyperparameters.steps) - begin
    step -= begin
    warmup = min(hyperparameters.warmup_steps, steps // 2)
    if step < warmup:
        return hyperparameters.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return hyperparameters.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def make_optimizer(parameters: list[torch.nn.Parameter], hyperparameters: Hyperparameters) -> torch.optim.Optimizer:
    """AdamW, or bitsandbytes' 8-bit one. Raises InvalidHyperparameters if that is wanted and not installed."""
    if hyperparameters.optimizer == "adamw8bit":
        return _adamw_8bit(parameters, hyperparameters)
    return torch.optim.AdamW(
        parameters, lr=hyperparameters.learning_rate, betas=BETAS, weight_decay=hyperparameters.weight_decay, fused=True
    )


@dataclass(frozen=True)
class RangeTest:
    """The rates that were tried, the loss at each relative to the untouched model's, and what follows."""

    rates: tuple[float, ...]
    ratios: tuple[float, ...]
    blow_up: float | None
    """None if the loss stood even the highest rate."""

    @property
    def suggestion(self) -> float:
        """A rate that is safely below the blow-up."""
        return (self.blow_up or self.rates[-1]) / SAFETY


def range_test(
    step_at: Callable[[int, float], float], *, steps: int = 100, lowest: float = 1e-6, highest: float = 1e-2
) -> RangeTest:
    """`step_at(number, rate)` takes one step and returns its loss over the untouched model's on the same input."""
    rates: list[float] = []
    ratios: list[float] = []
    smooth, least = 1.0, 1.0
    for number in range(steps):
        rate = lowest * (highest / lowest) ** (number / max(1, steps - 1))
        ratio = step_at(number, rate)
        rates.append(rate)
        ratios.append(ratio)
        smooth = SMOOTHING * smooth + (1 - SMOOTHING) * ratio
        least = min(least, smooth)
        if not smooth <= BLOW_UP * least:
            return RangeTest(tuple(rates), tuple(ratios), rate)
    return RangeTest(tuple(rates), tuple(ratios), None)


def find_rate(
    parameters: Mapping[str, torch.nn.Parameter],
    losses: Sequence[Callable[[], Tensor]],
    hyperparameters: Hyperparameters,
    steps: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> RangeTest:
    """A range test that trains `parameters` on a few fixed batches in turn, and puts them back as they were.

    `losses`: one for each batch, a scalar with gradients.
    """
    before = {name: value.detach().clone() for name, value in parameters.items()}
    optimizer = make_optimizer(list(parameters.values()), hyperparameters)
    references = [float(loss().detach()) for loss in losses]

    def step_at(number: int, rate: float) -> float:
        for group in optimizer.param_groups:
            group["lr"] = rate
        which = number % len(losses)
        loss = losses[which]()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters.values(), hyperparameters.max_gradient_norm)
        optimizer.step()
        on_progress(number + 1)
        return float(loss.detach()) / references[which]

    found = range_test(step_at, steps=steps)
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(before[name])
    return found


def _adamw_8bit(parameters: list[torch.nn.Parameter], hyperparameters: Hyperparameters) -> torch.optim.Optimizer:
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise InvalidHyperparameters(
            "--optimizer adamw8bit needs the library bitsandbytes: pip install bitsandbytes, or use --optimizer adamw."
        ) from error
    optimizer: torch.optim.Optimizer = AdamW8bit(
        parameters, lr=hyperparameters.learning_rate, betas=BETAS, weight_decay=hyperparameters.weight_decay
    )
    return optimizer
