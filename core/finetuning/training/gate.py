"""Whether a step may be taken, decided where the gradients are: asking a GPU for a number would have it wait.

A step is taken if its loss and its gradient's norm are finite, and the norm not far above the recent ones'.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

RECENT = 50
RUNAWAY = 10.0
"""A gradient this many times the recent median has run away."""
ENOUGH = 10
"""Norms from which there is a median to speak of."""


class Gate:
    """Remembers the norms of the recent gradients that were finite."""

    def __init__(self, device: torch.device, norms: Sequence[float] = ()) -> None:
        """`norms`: those of a run that goes on, the newest last."""
        recent = list(norms)[-RECENT:]
        self._norms = torch.tensor([float("inf")] * (RECENT - len(recent)) + recent, device=device)

    def accepts(self, loss: Tensor, norm: Tensor) -> Tensor:
        """A scalar of bool on the norm's device; `loss` and `norm` are scalars there."""
        finite = loss.isfinite() & norm.isfinite()
        ordered, _ = self._norms.sort()  # what is not there yet is infinite, and so at the end
        count = ordered.isfinite().sum()
        usual = ordered.gather(0, ((count - 1).clamp(min=0) // 2).view(1))[0]
        fine = finite & ((count < ENOUGH) | (norm <= RUNAWAY * usual.clamp(min=1e-12)))
        newer = torch.cat([self._norms[1:], norm.detach().to(self._norms).view(1)])
        self._norms = torch.where(finite, newer, self._norms)
        return fine

    def norms(self) -> list[float]:
        """For a checkpoint."""
        return [norm for norm in self._norms.tolist() if norm != float("inf")]
