"""Every number that shapes a training run: with the same ones and the same data two runs give the same adapter.

Where to stop, resume or write is not part of them. This module imports no model library.
"""

import math
from dataclasses import asdict, dataclass, fields
from typing import Literal, Self

from core.errors import InvalidHyperparameters

Precision = Literal["fp32", "bf16", "fp16"]
Optimizer = Literal["adamw", "adamw8bit"]
Targets = Literal["captions", "attention", "attention+ff"]

TARGET_MODULES: dict[Targets, tuple[str, ...]] = {
    "captions": ("attn2.to_k", "attn2.to_v"),
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "attention+ff": ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
}


@dataclass(frozen=True)
class Hyperparameters:
    """Those of one run; the defaults are for about 1,000 images at 1024 px.

    Sources: EDM (Karras et al., arXiv 2206.00364) for the log-normal noise levels, with Playground v2.5's stronger
    noise for large images (arXiv 2402.17245) in mind; the usual SDXL LoRA practice for the rest.
    """

    steps: int = 2000
    """Optimiser steps."""
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
    held_out: float = 0.05
    """Share of the images that is kept for validation."""
    limit: int | None = None
    check_every: int = 250
    """Steps from one validation, and checkpoint, to the next."""
    sample_steps: int = 20
    """Sampling steps of the guard's pictures."""
    alarm_ratio: float = 1.10
    """The guard's alarm: a loss on generic captions above this many times the base model's."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidHyperparameters with the first field that is out of range."""
        for name in ("steps", "rank", "batch_size", "accumulation", "check_every", "sample_steps"):
            _require(getattr(self, name) >= 1, name, "at least 1")
        for name in ("alpha", "learning_rate", "max_gradient_norm", "sigma_std"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, name, "a positive number")
        _require(self.warmup_steps >= 0, "warmup_steps", "0 or more")
        _require(self.weight_decay >= 0, "weight_decay", "0 or more")
        _require(0 <= self.ema_decay < 1, "ema_decay", "from 0 to below 1")
        _require(0 <= self.caption_dropout < 1, "caption_dropout", "from 0 to below 1")
        _require(0 <= self.prior_share < 1, "prior_share", "from 0 to below 1")
        _require(0 < self.held_out < 1, "held_out", "between 0 and 1")
        _require(self.limit is None or self.limit >= 2, "limit", "at least 2")
        _require(self.resolution is None or self.resolution >= 32, "resolution", "at least 32 pixels")
        _require(self.alarm_ratio > 1, "alarm_ratio", "above 1")

    @property
    def effective_batch(self) -> int:
        """Images per optimiser step."""
        return self.batch_size * self.accumulation

    def as_dict(self) -> dict[str, str | int | float | bool | None]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> Self:
        """The reverse of `as_dict`; unknown names are ignored, so that older runs can be read."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})  # type: ignore[arg-type]

    def differences(self, other: "Hyperparameters") -> list[str]:
        """The names of the fields in which the two differ."""
        mine, theirs = self.as_dict(), other.as_dict()
        return [name for name in mine if mine[name] != theirs[name]]


def _require(holds: bool, name: str, wanted: str) -> None:
    if not holds:
        raise InvalidHyperparameters(f"--{name.replace('_', '-')} must be {wanted}.")
