"""What a network could have been trained to predict: each candidate with its latents, levels, target and sampler.

All of them are of one form. At a level, the network is given u = a·x₀ + b·n and asked for F = p·x₀ + q·n, where x₀ are
the clean latents in the candidate's own space and n is white noise. Two equations, so x₀ and n follow from u and F, and
one deterministic sampler (DDIM; Song et al., arXiv 2010.02502; for EDM it is Karras et al.'s Euler steps) paints with
any candidate. The directory's scheduler is not asked. Knows nothing of diffusers, and of which candidate is right.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import torch
from torch import Tensor

from core.finetuning.model.latents import Network, RawLatents

EDM_SIGMA_DATA = 0.5
EDM_SIGMAS = (0.002, 80.0)
RHO = 7.0
TIMESTEPS = 1000
SDXL_BETAS = (0.00085, 0.012)
LINEAR_BETAS = (0.0001, 0.02)


class Family(Enum):
    """A kind of objective."""

    EDM = "EDM"
    DISCRETE = "SDXL"
    FLOW = "rectified flow"


class Mixing(NamedTuple):
    """u = a·x₀ + b·n is what the network sees, F = p·x₀ + q·n what it should answer."""

    a: float
    b: float
    p: float
    q: float


@dataclass(frozen=True)
class LatentSpace:
    """Clean latents are (raw − mean) · scale, for each of the VAE's channels."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def enter(self, raw: RawLatents) -> Tensor:
        """From the VAE's raw latents, [B, 4, h, w]."""
        return (raw.float() - _channels(self.mean, raw)) * _channels(self.scale, raw)

    def leave(self, clean: Tensor) -> RawLatents:
        """The reverse of `enter`."""
        return RawLatents(clean.float() / _channels(self.scale, clean) + _channels(self.mean, clean))


@dataclass(frozen=True)
class Candidate:
    """One thing that a network could have learnt."""

    name: str
    family: Family
    space: LatentSpace
    mixing: Callable[[float], Mixing]
    """Of a level."""
    condition: Callable[[float], float]
    """The time that the network is told, of a level."""
    levels: tuple[float, ...]
    """Five, from little to much noise."""
    sampling: Callable[[int], tuple[float, ...]]
    """The levels of so many sampling steps, from much noise to little."""
    deviation: float
    """The standard deviation of clean latents in its space, about."""

    def same_as(self, other: "Candidate") -> bool:
        """Whether the two ask the same of a network, in the same space."""
        return self.family is other.family and all(
            math.isclose(mine, theirs, rel_tol=1e-4, abs_tol=1e-6)
            for mine, theirs in zip(self.numbers, other.numbers, strict=True)
        )

    @property
    def numbers(self) -> tuple[float, ...]:
        """All that it is, in numbers."""
        return (*self.space.mean, *self.space.scale, *(x for level in self.levels for x in self.mixing(level)))


def edm(name: str, space: LatentSpace, sigma_data: float, sign: float) -> Candidate:
    """EDM's preconditioning (Karras et al., arXiv 2206.00364, table 1); `sign` is −1 for diffusers' v_prediction."""

    def mixing(sigma: float) -> Mixing:
        scale = math.hypot(sigma, sigma_data)
        return Mixing(1 / scale, sigma / scale, sign * sigma / sigma_data / scale, -sign * sigma_data / scale)

    def sampling(steps: int) -> tuple[float, ...]:
        low, high = (value ** (1 / RHO) for value in EDM_SIGMAS)
        return tuple((high + step / (steps - 1) * (low - high)) ** RHO for step in range(steps))

    return Candidate(
        name,
        Family.EDM,
        space,
        mixing,
        lambda sigma: math.log(sigma) / 4,
        (0.1, 0.3, 0.8, 2.0, 6.0),
        sampling,
        sigma_data,
    )


def discrete(name: str, space: LatentSpace, alphas: Sequence[float], *, velocity: bool) -> Candidate:
    """The noise, or the velocity (Salimans and Ho, arXiv 2202.00512), at integer times; `alphas` are cumulative."""

    def mixing(time: float) -> Mixing:
        alpha = alphas[int(time)]
        signal, noise = math.sqrt(alpha), math.sqrt(1 - alpha)
        return Mixing(signal, noise, -noise, signal) if velocity else Mixing(signal, noise, 0.0, 1.0)

    last = len(alphas) - 1
    return Candidate(
        name,
        Family.DISCRETE,
        space,
        mixing,
        lambda time: time,
        tuple(float(round(last * share)) for share in (0.1, 0.25, 0.45, 0.65, 0.85)),
        lambda steps: tuple(float(round(last * (1 - step / steps))) for step in range(steps)),
        1.0,
    )


def rectified_flow(name: str, space: LatentSpace) -> Candidate:
    """Straight lines from noise to picture (Liu et al., arXiv 2209.03003), time from 0 to 1, told in thousandths."""
    return Candidate(
        name,
        Family.FLOW,
        space,
        lambda time: Mixing(1 - time, time, -1.0, 1.0),
        lambda time: TIMESTEPS * time,
        (0.1, 0.3, 0.5, 0.7, 0.9),
        lambda steps: tuple(1 - step / steps for step in range(steps)),
        1.0,
    )


def cumulative_alphas(betas: tuple[float, float], *, scaled: bool, count: int = TIMESTEPS) -> tuple[float, ...]:
    """ᾱ of a linear schedule of betas, or of one that is linear in their square roots ("scaled linear")."""
    power = 0.5 if scaled else 1.0
    steps = torch.linspace(betas[0] ** power, betas[1] ** power, count, dtype=torch.float64) ** (1 / power)
    return tuple(torch.cumprod(1 - steps, dim=0).tolist())


def known_candidates(
    scaling_factor: float, mean: tuple[float, ...] | None, std: tuple[float, ...] | None, channels: int
) -> tuple[Candidate, ...]:
    """All that evidence weighs besides what the directory claims, for a VAE with these numbers in its configuration."""
    plain = LatentSpace((0.0,) * channels, (scaling_factor,) * channels)
    found = []
    if mean is not None and std is not None:
        for sigma_data in (EDM_SIGMA_DATA, 1.0):
            space = LatentSpace(mean, tuple(sigma_data / value for value in std))
            found.append(edm(f"EDM, sigma_data {sigma_data:g}", space, sigma_data=sigma_data, sign=1.0))
        space = LatentSpace(mean, tuple(EDM_SIGMA_DATA / value for value in std))
        found.append(edm("EDM, v_prediction", space, sigma_data=EDM_SIGMA_DATA, sign=-1.0))
    found.append(edm("EDM, latents not normalised", plain, sigma_data=EDM_SIGMA_DATA, sign=1.0))
    for betas, scaled, schedule in ((LINEAR_BETAS, False, "linear"), (SDXL_BETAS, True, "scaled linear")):
        alphas = cumulative_alphas(betas, scaled=scaled)
        found.append(discrete(f"SDXL, epsilon, {schedule}", plain, alphas, velocity=False))
        found.append(discrete(f"SDXL, v_prediction, {schedule}", plain, alphas, velocity=True))
    return (*found, rectified_flow("rectified flow", plain))


def noised(candidate: Candidate, clean: Tensor, noise: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """What the network is given and what it should answer at a level; `noise` like `clean`, of deviation one."""
    mix = candidate.mixing(level)
    return mix.a * clean + mix.b * noise, mix.p * clean + mix.q * noise


@torch.no_grad()
def paint(candidate: Candidate, network: Network, noise: Tensor, steps: int) -> Tensor:
    """Clean latents in the candidate's space, from white `noise`, [B, 4, h, w]; what it was not made for may be NaN."""
    levels = candidate.sampling(steps)
    seen = noise * math.hypot(candidate.mixing(levels[0]).a * candidate.deviation, candidate.mixing(levels[0]).b)
    clean = noise
    for number, level in enumerate(levels):
        mix = candidate.mixing(level)
        answer = network(seen, torch.full((len(seen),), candidate.condition(level), device=seen.device))
        determinant = mix.a * mix.q - mix.b * mix.p
        clean = (mix.q * seen - mix.b * answer) / determinant
        left = (mix.a * answer - mix.p * seen) / determinant
        if number + 1 < len(levels):
            following = candidate.mixing(levels[number + 1])
            seen = following.a * clean + following.b * left
    return clean


def _channels(values: Sequence[float], like: Tensor) -> Tensor:
    return like.new_tensor(values, dtype=torch.float32).view(1, -1, 1, 1)
