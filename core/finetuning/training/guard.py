"""Is the model that is being trained still the model it was? The guard's measurements, limits and judgement. Pure.

Training loss and gradient norms do not show it when an adapter ruins its model: both can look well while the pictures
turn to noise. What shows it is the loss at fixed noise levels with fixed noise, against the untouched base model's,
above all on pictures that have nothing to do with the training data; and the spectrum of what the model paints.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import mean, median

import torch
from torch import Tensor

MAX_ALARMS = 3
RECENT_STEPS = 50
HIGH_FREQUENCY = 0.25
"""Cycles per latent; half of what a latent grid can hold. Painted pictures have little above it, noise 80 %."""


@dataclass(frozen=True)
class SampleStatistics:
    """One painted picture's latents: standard deviation, and the share of its energy in high frequencies."""

    std: float
    high_frequency: float


@dataclass(frozen=True)
class ValidationResult:
    """What one validation found. Losses are means over the pictures, one for each of the fixed noise levels."""

    held_out: tuple[float, ...]
    generic: tuple[float, ...]
    samples: tuple[SampleStatistics, ...]

    @property
    def held_out_mean(self) -> float:
        """The one number by which adapters are compared."""
        return mean(self.held_out)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "ValidationResult":
        """The reverse of `as_dict`."""
        samples = tuple(SampleStatistics(**sample) for sample in values["samples"])  # type: ignore[attr-defined]
        return cls(tuple(values["held_out"]), tuple(values["generic"]), samples)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Limits:
    """When to raise an alarm, always relative to the base model."""

    generic_ratio: float = 1.10
    noise_share: float = 0.5
    """How far the samples' high-frequency share may go from the base's towards white noise's."""
    std_ratio: float = 2.0
    """How many times larger or smaller the samples' standard deviation may become."""


def statistics_of(latents: Tensor) -> tuple[SampleStatistics, ...]:
    """Statistics of final latents [B, 4, h, w]. NaN in, NaN out."""
    spectrum = torch.fft.fft2(latents.float() - latents.float().mean(dim=(2, 3), keepdim=True)).abs().square()
    high = _high_frequencies(latents.shape[2], latents.shape[3]).to(latents.device)
    shares = (spectrum * high).sum(dim=(1, 2, 3)) / spectrum.sum(dim=(1, 2, 3)).clamp(min=1e-12)
    deviations = latents.float().std(dim=(1, 2, 3))
    return tuple(SampleStatistics(float(std), float(share)) for std, share in zip(deviations, shares, strict=True))


def white_noise_share(height: int, width: int) -> float:
    """The high-frequency share of white noise on a latent grid."""
    return float(_high_frequencies(height, width).float().mean())


def alarms(result: ValidationResult, base: ValidationResult, limits: Limits, white_noise: float) -> tuple[str, ...]:
    """What is wrong with a result, in words; empty if nothing is."""
    numbers = [
        *result.held_out,
        *result.generic,
        *(value for s in result.samples for value in (s.std, s.high_frequency)),
    ]
    if not all(value == value and abs(value) != float("inf") for value in numbers):
        return ("the model's output is no longer finite",)
    found: list[str] = []
    worst = max(now / before for now, before in zip(result.generic, base.generic, strict=True))
    if worst > limits.generic_ratio:
        found.append(f"on captions that have nothing to do with the images the loss is {worst:.2f} times the base's")
    share, base_share = mean(s.high_frequency for s in result.samples), mean(s.high_frequency for s in base.samples)
    if share > base_share + limits.noise_share * (white_noise - base_share):
        found.append(
            f"the samples have the spectrum of noise ({share:.0%} high frequencies, the base {base_share:.0%})"
        )
    ratio = mean(s.std for s in result.samples) / max(mean(s.std for s in base.samples), 1e-12)
    if not 1 / limits.std_ratio <= ratio <= limits.std_ratio:
        found.append(f"the samples' contrast is {ratio:.2f} times the base's")
    return tuple(found)


@dataclass
class StepWatch:
    """Watches single steps: says which gradients to leave out, and when too many were."""

    factor: float = 10.0
    """A gradient this many times the recent median has run away."""
    allowed: int = 3
    """So many steps left out among the recent ones are an alarm."""
    _norms: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))
    _skips: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))

    def accept(self, loss: float, gradient_norm: float) -> bool:
        """Whether the step may be taken: finite, and not far above the recent gradients."""
        finite = loss == loss and abs(loss) != float("inf") and gradient_norm == gradient_norm
        finite = finite and abs(gradient_norm) != float("inf")
        usual = median(self._norms) if len(self._norms) >= 10 else None
        fine = finite and (usual is None or gradient_norm <= self.factor * max(usual, 1e-12))
        if finite:
            self._norms.append(gradient_norm)
        self._skips.append(not fine)
        return fine

    @property
    def alarm(self) -> str | None:
        """Set when more steps had to be left out than chance explains."""
        skipped = sum(self._skips)
        return f"{skipped} of {len(self._skips)} steps had runaway gradients" if skipped >= self.allowed else None

    def state(self) -> dict[str, list[float]]:
        """For a checkpoint."""
        return {"norms": list(self._norms), "skips": [float(skip) for skip in self._skips]}

    def restore(self, state: dict[str, list[float]]) -> None:
        """The reverse of `state`."""
        self._norms.clear()
        self._skips.clear()
        self._norms.extend(state["norms"])
        self._skips.extend(bool(skip) for skip in state["skips"])


def is_over_trained(held_out_means: Sequence[float], tolerance: float = 1.02, recent: int = 3) -> bool:
    """Whether the last `recent` held-out losses were all worse than the best before them by more than `tolerance`."""
    if len(held_out_means) <= recent:
        return False
    best = min(held_out_means[:-recent])
    return all(value > tolerance * best for value in held_out_means[-recent:])


def _high_frequencies(height: int, width: int) -> Tensor:
    vertical, horizontal = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None, :]
    radius: Tensor = (vertical.square() + horizontal.square()).sqrt()
    return radius > HIGH_FREQUENCY
