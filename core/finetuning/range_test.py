"""The learning-rate range test: raise the rate step by step until the loss blows up, then take a small part of that."""

from collections.abc import Callable
from dataclasses import dataclass

BLOW_UP = 1.10
"""The smoothed loss, relative to its lowest value so far, that counts as blown up."""
SAFETY = 8.0
"""The suggested rate is this many times below the blow-up."""
SMOOTHING = 0.7


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
