"""Euler's method for flow models, for a batch whose members stand at different steps.

Pure functions over tensors. Each member has its own noise levels, step and guidance, so a request joins the batch at
the next step. Equal to FlowMatchEulerDiscreteScheduler without its random kind of sampling
(tests/generation/test_flow.py). It knows nothing of prompts, models or threads.

Formulas: Lipman et al. 2023 ("Flow matching"), along the straight paths of Liu et al. 2023 ("Rectified flow"): a latent
at noise level sigma is (1 - sigma) * clean + sigma * noise, and its velocity is noise - clean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.generation.sampler import Row


@dataclass(frozen=True)
class FlowMember:
    """One picture under way.

    `latent`: float32, shape (channels, height, width), at noise level `sigmas[index]`; the last level is 0. `guidance`
    None needs no second evaluation. `clean`: the estimate of the clean latent at the step before, None at the first.
    """

    latent: Tensor
    sigmas: tuple[float, ...]
    guidance: float | None
    index: int = 0
    clean: Tensor | None = None

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        return len(self.sigmas) - 1

    @property
    def finished(self) -> bool:
        """Whether the latent is clean."""
        return self.index >= self.steps


Velocity = Callable[[Tensor, Tensor, Sequence[Row]], Tensor]
"""The network: (latents, shape (rows, c, h, w); noise levels, float32, shape (rows,); the rows) -> velocities, as
latents."""
Guide = Callable[[Tensor, Tensor, float], Tensor]
"""(the velocity with the prompt, the one without, guidance) -> the guided velocity; all of shape (c, h, w)."""


def advance(members: Sequence[FlowMember], velocity: Velocity, guide: Guide) -> list[FlowMember]:
    """Every member one step further. All latents must have one shape and none may be finished."""
    rows = rows_of(members)
    device = members[0].latent.device
    sigma = torch.tensor([members[row.member].sigmas[members[row.member].index] for row in rows], device=device)
    latents = torch.stack([members[row.member].latent for row in rows])
    raw = velocity(latents, sigma, rows).float()

    found: dict[int, dict[bool, Tensor]] = {}
    for row, one in zip(rows, raw, strict=True):
        found.setdefault(row.member, {})[row.conditional] = one
    return [_step(member, _guided(found[number], member.guidance, guide)) for number, member in enumerate(members)]


def rows_of(members: Sequence[FlowMember]) -> list[Row]:
    """The evaluations that a step of `members` needs: unguided members one, guided ones two."""
    return [
        Row(number, conditional)
        for number, member in enumerate(members)
        for conditional in ((True,) if member.guidance is None else (False, True))
    ]


def _guided(found: dict[bool, Tensor], guidance: float | None, guide: Guide) -> Tensor:
    return found[True] if guidance is None else guide(found[True], found[False], guidance)


def _step(member: FlowMember, velocity: Tensor) -> FlowMember:
    sigma, target = member.sigmas[member.index], member.sigmas[member.index + 1]
    latent = member.latent + (target - sigma) * velocity
    return replace(member, latent=latent, clean=member.latent - sigma * velocity, index=member.index + 1)
