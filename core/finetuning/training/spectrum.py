"""What tells a painted picture from noise: its latents' spread and their spectrum. Pure."""

from dataclasses import dataclass

import torch
from torch import Tensor

HIGH_FREQUENCY = 0.25
"""Cycles per latent; half of what a latent grid can hold. Painted pictures have little above it, noise 80 %."""


@dataclass(frozen=True)
class SampleStatistics:
    """One painted picture's latents: standard deviation, and the share of its energy in high frequencies."""

    std: float
    high_frequency: float


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


def _high_frequencies(height: int, width: int) -> Tensor:
    vertical, horizontal = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None, :]
    radius: Tensor = (vertical.square() + horizontal.square()).sqrt()
    return radius > HIGH_FREQUENCY
