"""Every number that shapes a training run: with the same ones and the same data two runs give the same adapter.

Where to stop, resume or write is not part of them. This module imports no model library.
"""

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, Self

from core.errors import InvalidHyperparameters

Precision = Literal["fp32", "bf16", "fp16"]
Optimizer = Literal["adamw", "adamw8bit"]
BaseWeights = Literal["whole", "int8", "nf4"]
Targets = Literal["captions", "attention", "attention+ff", "attention+ff+conv"]

TARGET_MODULES: dict[Targets, tuple[str, ...]] = {
    "captions": ("attn2.to_k", "attn2.to_v"),
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "attention+ff": ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
    "attention+ff+conv": (
        *("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
        *("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"),
    ),
}

CARDS = (8, 12, 16, 24, 48, 80)
"""Sizes in GB that cards are sold with."""
MAY_CHANGE = frozenset(
    {
        *("steps", "earlier_steps", "check_every", "precision"),
        *("batch_size", "accumulation", "gradient_checkpointing"),
    }
)
"""What a run may go on with other values of; of batch size and accumulation the product must stay."""


@dataclass(frozen=True)
class Hyperparameters:
    """Those of one run; the defaults are for about 1,000 images at 1024 px.

    Sources: EDM (Karras et al., arXiv 2206.00364) for the log-normal noise levels, with Playground v2.5's stronger
    noise for large images (arXiv 2402.17245) in mind; the usual SDXL LoRA practice for the rest.
    """

    steps: int = 2000
    """Optimiser steps."""
    earlier_steps: tuple[int, ...] = ()
    """How many there were to be before more were asked for: after each the rate begins again."""
    rank: int = 16
    alpha: float = 16.0
    targets: Targets = "attention"
    learning_rate: float = 1e-4
    warmup_steps: int = 100
    batch_size: int = 4
    accumulation: int = 1
    """Batches whose gradients are added up to one step."""
    resolution: int | None = None
    """Side of a square picture in pixels; None: the model's own."""
    precision: Precision = "bf16"
    gradient_checkpointing: bool = False
    base_weights: BaseWeights = "whole"
    """How the base's linear layers are kept."""
    optimizer: Optimizer = "adamw"
    weight_decay: float = 1e-2
    max_gradient_norm: float = 1.0
    ema_decay: float = 0.999
    caption_dropout: float = 0.1
    sigma_mean: float = -0.4
    """Mean of ln σ in training (EDM's P_mean)."""
    sigma_std: float = 1.2
    """Standard deviation of ln σ in training (EDM's P_std)."""
    prior_share: float = 0.2
    """Share of the training that is the base model's own pictures of other things; see `data/prepare.py`."""
    held_out: float | None = None
    """Share of the images that is kept for validation; None: a twentieth, but four at least, of few images none."""
    limit: int | None = None
    check_every: int | None = None
    """Steps from one validation, and checkpoint, to the next; None: by time, see `training/looks.py`."""
    sample_steps: int = 20
    """Sampling steps of the guard's pictures."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidHyperparameters with the first field that is out of range."""
        for name in ("steps", "rank", "batch_size", "accumulation", "sample_steps"):
            _require(getattr(self, name) >= 1, name, "at least 1")
        for name in ("alpha", "learning_rate", "max_gradient_norm", "sigma_std"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, name, "a positive number")
        _require(self.check_every is None or self.check_every >= 1, "check_every", "at least 1")
        _require(self.warmup_steps >= 0, "warmup_steps", "0 or more")
        _require(self.weight_decay >= 0, "weight_decay", "0 or more")
        _require(0 <= self.ema_decay < 1, "ema_decay", "from 0 to below 1")
        _require(0 <= self.caption_dropout < 1, "caption_dropout", "from 0 to below 1")
        _require(0 <= self.prior_share < 1, "prior_share", "from 0 to below 1")
        _require(self.held_out is None or 0 < self.held_out < 1, "held_out", "between 0 and 1")
        _require(self.limit is None or self.limit >= 2, "limit", "at least 2")
        _require(self.resolution is None or self.resolution >= 32, "resolution", "at least 32 pixels")

    @property
    def effective_batch(self) -> int:
        """Images per optimiser step."""
        return self.batch_size * self.accumulation

    def as_dict(self) -> dict[str, str | int | float | bool | list[int] | None]:
        """For JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> Self:
        """The reverse of `as_dict`; unknown names are ignored, so that older runs can be read."""
        known = {field.name for field in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        if isinstance(earlier := kept.get("earlier_steps"), list):
            kept["earlier_steps"] = tuple(earlier)
        return cls(**kept)  # type: ignore[arg-type]

    def differences(self, other: "Hyperparameters") -> list[str]:
        """The names of the fields that shape what is learnt and in which the two differ."""
        mine, theirs = self.as_dict(), other.as_dict()
        batches = ("batch_size", "accumulation") if self.effective_batch != other.effective_batch else ()
        return [name for name in mine if mine[name] != theirs[name] and (name in batches or name not in MAY_CHANGE)]

    def continued_for(self, steps: int) -> Self:
        """The same with other steps in all; where there are more, the rate begins again after those of before."""
        earlier = (*self.earlier_steps, self.steps) if steps > self.steps else self.earlier_steps
        return replace(self, steps=steps, earlier_steps=tuple(end for end in earlier if end < steps))


def _require(holds: bool, name: str, wanted: str) -> None:
    if not holds:
        raise InvalidHyperparameters(f"--{name.replace('_', '-')} must be {wanted}.")


DISTILLATION = Hyperparameters(
    steps=4000,
    rank=32,
    alpha=32.0,
    targets="attention+ff+conv",
    learning_rate=2e-4,
    batch_size=8,
    caption_dropout=0.0,
    prior_share=0.0,
    limit=1000,
)
"""Of `imagine-sound distil`, where `limit` is how many pictures states are taken from. Most follow Jensen and Sadat,
arXiv 2503.07274."""
