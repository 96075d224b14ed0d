"""Which settings fit which card: of a few ways to divide a step of four pictures, the fastest that fits. Pure."""

from dataclasses import dataclass, replace

from core.finetuning.hyperparameters import BaseWeights
from core.finetuning.model.memory import Architecture, MemorySettings, Weights, need


@dataclass(frozen=True)
class Choice:
    """How a step is divided, and how the base is kept."""

    batch_size: int
    accumulation: int
    gradient_checkpointing: bool
    base_weights: BaseWeights
    """Whole, or quantised in whichever way can be had."""


CHOICES = (
    Choice(4, 1, False, "whole"),
    Choice(2, 2, False, "whole"),
    Choice(1, 4, False, "whole"),
    Choice(4, 1, True, "whole"),
    Choice(2, 2, True, "nf4"),
    Choice(1, 4, True, "nf4"),
)
"""From the fastest on; each step learns from four pictures."""
USABLE = 0.95
"""Of a card's memory; the screen and the driver have the rest."""
SMALL_CARD = 16
"""GB; up to here the optimiser's moments are kept in 8 bits, if its library is there."""
TILING_CARD = 12
"""GB; below, pictures are decoded in tiles."""


def settings_for(
    card: float, architecture: Architecture, weights: Weights, wanted: MemorySettings, quantised: BaseWeights
) -> MemorySettings | None:
    """The fastest settings that fit a card of so many GB, None if there are none.

    `wanted` says what the card does not change: targets, rank, side, precision, and the optimiser for small cards.
    """
    for choice in CHOICES:
        settings = replace(
            wanted,
            batch_size=choice.batch_size,
            accumulation=choice.accumulation,
            gradient_checkpointing=choice.gradient_checkpointing,
            base_weights="whole" if choice.base_weights == "whole" else quantised,
            optimizer=wanted.optimizer if card <= SMALL_CARD else "adamw",
            is_tiled=card < TILING_CARD,
        )
        if need(architecture, weights, settings).peak <= USABLE * card:
            return settings
    return None
