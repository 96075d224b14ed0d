"""Is the model that is being trained still the model it was? The guard's judgement, absolute and by statistics. Pure.

Training loss and gradient norms do not show it when an adapter ruins its model: both can look well while the pictures
turn to noise. What shows it is the loss of single pictures at fixed noise levels with fixed noise, against the base's,
above all on pictures that have nothing to do with the training data; and the spectrum of what the model paints.

The ruler is q, the share of the way from the base to knowing nothing: (L − L_base) / (L_blind − L_base), where L_blind
is the loss of the best multiple of the network's own input. It means the same for every model and level; a ratio of
losses does not, for a good model's is near nothing. What is concluded is concluded from one-sided 99 % bounds over
pictures, and again from a second draw of noise, so that neither a single picture nor a single draw ends a run.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import cast

from scipy.special import stdtrit

from core.finetuning.training.spectrum import SampleStatistics

MAX_ALARMS = 3
CONFIDENCE = 0.99
RUIN = 0.15
"""The lower bound of q, in any band of levels, from which the model counts as ruined."""
BASE_KNOWS = 0.9
"""Only where the base's loss is below this part of the blind one has it anything to lose; elsewhere q says nothing."""
FEWEST = 3
"""Pictures from which a bound is drawn."""
WORSE = math.log(1.05)
"""The lower bound of the log-ratio of losses from which pictures count as worse than at the base. Not zero: noise and
pictures are the same at each look, so that the least change is significant, and small ones come and go."""
SAMPLES_OUT = 3
"""So many samples out of bounds are ruin (of eight)."""
TOWARDS_NOISE = 0.25
"""How far a sample's high-frequency share may go from the base's own sample towards white noise's."""
STD_BOUNDS = (0.25, 1.0)
"""For a sample's standard deviation, where clean latents have 0.5; in that proportion elsewhere."""
STD_RATIO = 2.0
"""A base's sample that is out of those bounds by itself may move by this."""
DRIFT = 0.01
THRESHOLD = 3.0
BANDS = ("little", "middling", "much")
"""Of noise; see `bands`."""
ENOUGH_HELD_OUT = 8
"""Held-out pictures from which over-training ends a run; with fewer it is only told."""

Losses = tuple[tuple[float, ...], ...]
"""Of each picture at each level."""


@dataclass(frozen=True)
class Draw:
    """Losses of the held-out and of the generic pictures, on one draw of noise."""

    held_out: Losses
    generic: Losses


@dataclass(frozen=True)
class Reading:
    """What one look found: the losses on the first draw, and the statistics of the samples."""

    losses: Draw
    samples: tuple[SampleStatistics, ...]

    @property
    def held_out(self) -> tuple[float, ...]:
        """The mean loss on held-out pictures at each level."""
        return _levels(self.losses.held_out)

    @property
    def generic(self) -> tuple[float, ...]:
        """The mean loss on generic pictures at each level."""
        return _levels(self.losses.generic)

    @property
    def held_out_mean(self) -> float:
        """The one number by which adapters are compared."""
        return mean(self.held_out)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "Reading":
        """The reverse of `as_dict`."""
        return cls(_draw(values["losses"]), tuple(SampleStatistics(**item) for item in values["samples"]))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Yardstick:
    """What everything is measured against: the untouched base on two draws, and knowing nothing on the same two."""

    base: tuple[Draw, Draw]
    blind: tuple[Draw, Draw]
    samples: tuple[SampleStatistics, ...]
    white: float
    """White noise's share of high frequencies."""
    deviation: float
    """The standard deviation of clean latents in the model's space, about."""

    @property
    def reading(self) -> Reading:
        """The base as a reading like the others."""
        return Reading(self.base[0], self.samples)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "Yardstick":
        """The reverse of `as_dict`."""
        base, blind = (cast(tuple[Draw, Draw], tuple(map(_draw, values[name]))) for name in ("base", "blind"))  # type: ignore[call-overload]
        samples = tuple(SampleStatistics(**item) for item in values["samples"])  # type: ignore[attr-defined]
        return cls(base, blind, samples, float(values["white"]), float(values["deviation"]))  # type: ignore[arg-type]


def losses_out(losses: Draw, yardstick: "Yardstick", draw: int) -> dict[str, str]:
    """What is ruined by the losses on one draw: its kind, and it in words."""
    found: dict[str, str] = {}
    base, blind = yardstick.base[draw], yardstick.blind[draw]
    for name, band in zip(BANDS, bands(len(base.generic[0])), strict=True):
        bound = lower_bound(shares_lost(losses.generic, base.generic, blind.generic, band))
        if bound > RUIN:
            found[name] = (
                f"at {name} noise the model is {bound:.0%} of the way to knowing nothing, "
                "on pictures that have nothing to do with yours"
            )
    bound = lower_bound(log_ratios(losses.held_out, base.held_out))
    if bound > WORSE:
        found["held out"] = (
            f"on the held-out pictures the loss is at least {math.exp(bound):.2f} times the base's: "
            "what is learnt is not your pictures"
        )
    return found


LossesOut = Callable[[Draw, "Yardstick", int], dict[str, str]]
"""Judges the losses on a draw of that number; see `losses_out`."""


def ruin(
    reading: Reading, second_draw: Callable[[], Draw], yardstick: Yardstick, judge: LossesOut = losses_out
) -> tuple[str, ...]:
    """What is ruined, in words; empty if nothing is. `second_draw` is measured only where the first is suspicious."""
    if not _finite(reading):
        return ("the model's output is no longer finite",)
    found = [*_samples_out(reading.samples, yardstick)]
    suspicious = judge(reading.losses, yardstick, 0)
    if suspicious:
        again = judge(second_draw(), yardstick, 1)
        found += [words for kind, words in suspicious.items() if kind in again]
    return tuple(found)


def forgetting(reading: Reading, yardstick: Yardstick) -> str | None:
    """A remark, with the remedy, where generic pictures are worse than at the base; no reason to stop."""
    bound = lower_bound(log_ratios(reading.losses.generic, yardstick.base[0].generic))
    if not bound > WORSE:
        return None
    return (
        "it is forgetting: on pictures that have nothing to do with yours the loss is at least "
        f"{math.exp(bound):.2f} times the base's. A larger --prior-share, or --targets captions, keeps more"
    )


@dataclass(frozen=True)
class HeldOutTrend:
    """A CUSUM of the held-out pictures against the best look; `best` is None before the first look."""

    best: Losses | None = None
    total: float = 0.0
    looks: int = 0
    """Since when it has been above zero. One worse look alone may be a hump."""

    def after(self, held_out: Losses) -> "HeldOutTrend":
        """With one look more."""
        if self.best is None:
            return HeldOutTrend(held_out)
        worse = mean(log_ratios(held_out, self.best))
        if worse < 0:
            return HeldOutTrend(held_out)
        total = max(0.0, self.total + worse - DRIFT)
        return HeldOutTrend(self.best, total, self.looks + 1 if total > 0 else 0)

    def is_over_trained(self, held_out: Losses) -> bool:
        """Whether the last look, `held_out`, and those before it are worse than the best by more than chance."""
        if self.best is None or len(held_out) < 2 or self.looks < 2:
            return False
        ratios = log_ratios(held_out, self.best)
        return self.total > THRESHOLD * stdev(ratios) / math.sqrt(len(ratios))


def log_ratios(now: Losses, before: Losses) -> list[float]:
    """Of each picture, the mean over levels of ln(now / before)."""
    return [
        mean(math.log(max(new, 1e-12) / max(old, 1e-12)) for new, old in zip(*pair, strict=True))
        for pair in zip(now, before, strict=True)
    ]


def shares_lost(now: Losses, base: Losses, blind: Losses, levels: slice) -> list[float]:
    """q of each picture over these levels together; pictures of which the base knows nothing there are left out."""
    shares = []
    for pictures in zip(now, base, blind, strict=True):
        known = [(n, b, s) for n, b, s in zip(*(row[levels] for row in pictures), strict=True) if b < BASE_KNOWS * s]
        if known:
            shares.append(sum(n - b for n, b, _ in known) / sum(s - b for _, b, s in known))
    return shares


def lower_bound(values: Sequence[float], confidence: float = CONFIDENCE) -> float:
    """The one-sided lower bound of the mean (Student's t); −∞ for too few values."""
    if len(values) < FEWEST:
        return -math.inf
    quantile = float(stdtrit(len(values) - 1, confidence))
    return mean(values) - quantile * stdev(values) / math.sqrt(len(values))


def bands(levels: int) -> tuple[slice, ...]:
    """Little, middling and much noise: three slices of so many levels."""
    first, second = round(levels * 3 / 8), round(levels * 6 / 8)
    return (slice(0, first), slice(first, second), slice(second, levels))


def _samples_out(samples: Sequence[SampleStatistics], yardstick: Yardstick) -> list[str]:
    """Limits are those of the base's own sample of the same seed, and never below it."""
    found = []
    pairs = list(zip(samples, yardstick.samples, strict=True))
    noisy = [
        now.high_frequency > old.high_frequency + TOWARDS_NOISE * max(0.0, yardstick.white - old.high_frequency)
        for now, old in pairs
    ]
    if sum(noisy) >= SAMPLES_OUT:
        now, old = (mean(item.high_frequency for item in side) for side in zip(*pairs, strict=True))
        found.append(
            f"{sum(noisy)} of {len(pairs)} samples are well on the way to the spectrum of noise "
            f"({now:.0%} high frequencies in the mean, the base's {old:.0%})"
        )
    scale = yardstick.deviation / 0.5
    low, high = (bound * scale for bound in STD_BOUNDS)
    flat = [not min(low, old.std / STD_RATIO) <= now.std <= max(high, old.std * STD_RATIO) for now, old in pairs]
    if sum(flat) >= SAMPLES_OUT:
        now, old = (mean(item.std for item in side) for side in zip(*pairs, strict=True))
        found.append(f"the samples' contrast is {now / max(old, 1e-12):.2f} times the base's")
    return found


def _finite(reading: Reading) -> bool:
    rows = (*reading.losses.held_out, *reading.losses.generic, *((s.std, s.high_frequency) for s in reading.samples))
    return all(math.isfinite(value) for row in rows for value in row)


def _levels(losses: Losses) -> tuple[float, ...]:
    return tuple(mean(column) for column in zip(*losses, strict=True))


def _draw(values: object) -> Draw:
    tables = cast(dict[str, list[list[float]]], values)
    return Draw(*(tuple(map(tuple, tables[name])) for name in ("held_out", "generic")))
