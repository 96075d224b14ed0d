"""EDM DPM-Solver++(2M) for a batch whose members stand at different steps.

Pure functions over tensors. Each member has its own noise levels, step, guidance and previous estimate, so a request
joins the batch at the next step instead of waiting for others to finish. Equal to the stock pipeline with
EDMDPMSolverMultistepScheduler (tests/generation/test_sampler.py). It knows nothing of prompts, models or threads.

Formulas: Karras et al. 2022 ("EDM"), table 1 and equation 5; Lu et al. 2022 ("DPM-Solver++"), algorithm 2 with
alpha = 1, lambda = -log sigma.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.provenance.watermark import Pattern


@dataclass(frozen=True)
class NoiseSchedule:
    """The EDM constants of a model, as in its scheduler's configuration."""

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    sigma_data: float = 0.5
    rho: float = 7.0

    def sigmas(self, steps: int) -> tuple[float, ...]:
        """`steps` noise levels from sigma_max to sigma_min (EDM equation 5), then 0.

        Computed in float32 as the stock scheduler does, so that both take the same path.
        """
        ramp = torch.linspace(0, 1, steps)
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return (*((high + ramp * (low - high)) ** self.rho).tolist(), 0.0)

    @property
    def initial_scale(self) -> float:
        """What unit noise is multiplied with before the first step."""
        return math.sqrt(self.sigma_max**2 + 1)


@dataclass(frozen=True)
class Member:
    """One picture under way.

    `latent`: float32, shape (channels, height, width), at noise level `sigmas[index]`. `previous`: the estimate of the
    clean latent at the step before, None at the first. `guidance` 1 needs no second evaluation.
    `guided_between`: noise levels (low, high] within which guidance applies; elsewhere it counts as 1.
    """

    latent: Tensor
    sigmas: tuple[float, ...]
    guidance: float
    index: int = 0
    previous: Tensor | None = None
    guided_between: tuple[float, float] = (0.0, math.inf)

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        return len(self.sigmas) - 1

    @property
    def finished(self) -> bool:
        """Whether the latent is clean."""
        return self.index >= self.steps

    @property
    def is_guided(self) -> bool:
        """Whether guidance applies at the coming step, which then needs the unconditional evaluation too."""
        return self.is_guided_within(1)

    def is_guided_within(self, steps: int) -> bool:
        """Whether guidance applies at any of the coming `steps` steps."""
        low, high = self.guided_between
        coming = self.sigmas[self.index : min(self.index + steps, self.steps)]
        return self.guidance > 1 and any(low < sigma <= high for sigma in coming)


@dataclass(frozen=True)
class Row:
    """One evaluation of the network: of which member, and with which of its two conditionings."""

    member: int
    conditional: bool


Predict = Callable[[Tensor, Tensor, Sequence[Row]], Tensor]
"""The network: (inputs scaled by c_in, shape (rows, c, h, w); c_noise, shape (rows,); the rows) -> F, same shape."""


AWAY = 0.3
"""How far from the noise of a picture another one starts that keeps its composition, of the way to noise of its own."""


def initial_latent(schedule: NoiseSchedule, shape: tuple[int, int, int], seed: int, near: int | None = None,
                   pattern: Pattern | None = None) -> Tensor:  # fmt: skip
    """The noise that a picture starts from: float32, drawn on the CPU, so that a seed means the same everywhere.

    With `near` it lies close to the noise of that seed, on the way to that of `seed`; `pattern` gives it its signs.
    """
    return starting_noise(shape, seed, near, pattern) * schedule.initial_scale


def starting_noise(
    shape: tuple[int, int, int], seed: int, near: int | None = None, pattern: Pattern | None = None
) -> Tensor:
    """The same, of unit variance."""
    noise = _noise(shape, seed)
    if pattern is None:
        return noise if near is None else slerp(_noise(shape, near), noise, AWAY)
    signs = torch.from_numpy(pattern.signs(shape))
    if near is not None:  # the composition is that of the marked picture of `near`; few signs change on the way
        noise = slerp(_noise(shape, near).abs() * signs, noise, AWAY)
    return noise.abs() * signs


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """The point after `share` of the way from `start` to `end` along the great circle (Shoemake 1985): of two noises
    it is noise again, which their mean is not."""
    cosine = torch.dot(start.flatten(), end.flatten()) / (start.norm() * end.norm())
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle < 1e-3:  # the same noise, as far as float32 can tell
        return start
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)


def _noise(shape: tuple[int, int, int], seed: int) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, *shape), generator=generator)[0]


def rows_of(members: Sequence[Member], ahead: int = 1) -> list[Row]:
    """The evaluations that the coming step of `members` needs: unguided members one, guided ones two.

    With `ahead` also members that are guided at one of so many coming steps have two.
    """
    return [
        Row(number, conditional)
        for number, member in enumerate(members)
        for conditional in ((False, True) if member.is_guided_within(ahead) else (True,))
    ]


def advance(members: Sequence[Member], predict: Predict, schedule: NoiseSchedule, ahead: int = 1) -> list[Member]:
    """Every member one step further. All latents must have one shape and none may be finished.

    `ahead`: for how many coming steps `predict` keeps something of each row; see `rows_of`.
    """
    rows = rows_of(members, ahead)
    device = members[0].latent.device
    sigma = torch.tensor([members[row.member].sigmas[members[row.member].index] for row in rows], device=device)
    variance = sigma**2 + schedule.sigma_data**2
    latents = torch.stack([members[row.member].latent for row in rows])
    raw = predict(latents * _each(variance**-0.5), 0.25 * sigma.log(), rows).float()

    outputs: list[Tensor | None] = [None] * len(members)
    for row, output in zip(rows, raw, strict=True):
        before, member = outputs[row.member], members[row.member]
        if before is not None and member.is_guided:
            output = before + member.guidance * (output - before)
        outputs[row.member] = output
    return [
        _step(member, output, schedule) for member, output in zip(members, outputs, strict=True) if output is not None
    ]


def _step(member: Member, raw: Tensor, schedule: NoiseSchedule) -> Member:
    """One member's DPM-Solver++(2M) update from the network's guided output."""
    sigma, target = member.sigmas[member.index], member.sigmas[member.index + 1]
    variance = sigma**2 + schedule.sigma_data**2
    c_skip = schedule.sigma_data**2 / variance
    c_out = sigma * schedule.sigma_data / math.sqrt(variance)
    clean = c_skip * member.latent + c_out * raw

    ratio = target / sigma
    estimate = clean
    if member.previous is not None and target > 0:  # the last step, to sigma 0, is of first order
        before = member.sigmas[member.index - 1]
        r0 = math.log(before / sigma) / math.log(sigma / target)
        estimate = clean + (clean - member.previous) / (2 * r0)
    latent = ratio * member.latent + (1 - ratio) * estimate
    return replace(member, latent=latent, previous=clean, index=member.index + 1)


def _each(values: Tensor) -> Tensor:
    """Shape (n,) to (n, 1, 1, 1)."""
    return values[:, None, None, None]
