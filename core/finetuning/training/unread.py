"""Steps whose figures are still on the device, and when to read them: several at once, for each time a GPU waits.

Where steps take long they are read one by one, and so are the first ones, which are timed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.finetuning.training.batches import Learnt, TrainingPosition

READ_EVERY = 10
"""Steps after whose multiples all has been read, so that what follows from it begins at the same step in each run."""
READ_AFTER_S = 2.0
TIMED = 3


@dataclass(frozen=True)
class Figures:
    """What a step came to, on its device: scalars, and of each batch whether its pictures' losses are finite, [B]."""

    loss: Tensor
    norm: Tensor
    taken: Tensor
    finite: tuple[Tensor, ...]
    overflowed: bool = False
    """fp16 only: the scaler was too bold, and lowers its scale."""


@dataclass(frozen=True)
class UnreadStep:
    """A step that was made, whether it was taken or not."""

    position: TrainingPosition
    rate: float
    batches: Sequence[Learnt]
    figures: Figures


@dataclass(frozen=True)
class ReadStep:
    """The same in numbers."""

    step: UnreadStep
    loss: float
    norm: float
    taken: bool
    finite: tuple[tuple[bool, ...], ...]
    seconds: float


class Unread:
    """Those of one run. It has no clock: times are given to it, in seconds."""

    def __init__(self) -> None:
        self._waiting: list[UnreadStep] = []
        self._since = 0.0
        self._to_be_timed = TIMED

    def begin(self, now: float) -> None:
        """What took time before this was no step."""
        self._since = now

    def add(self, step: UnreadStep) -> None:
        """One more."""
        self._waiting.append(step)

    def is_time(self, now: float) -> bool:
        """Whether to read."""
        at_a_multiple = self._waiting[-1].position.step % READ_EVERY == 0
        return at_a_multiple or self._to_be_timed > 0 or now - self._since >= READ_AFTER_S

    def read(self, now: float) -> list[ReadStep]:
        """All that wait, in their order; each took as long as the others. The device's answer is waited for once."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        seconds, self._since = (now - self._since) / len(waiting), now
        self._to_be_timed -= 1
        numbers = iter(torch.cat([_flat(step.figures) for step in waiting]).tolist())
        return [_read(step, [next(numbers) for _ in range(_size(step.figures))], seconds) for step in waiting]


def _flat(figures: Figures) -> Tensor:
    scalars = [figures.loss, figures.norm, figures.taken]
    return torch.cat([part.detach().float().reshape(-1) for part in (*scalars, *figures.finite)])


def _size(figures: Figures) -> int:
    return 3 + sum(len(part) for part in figures.finite)


def _read(step: UnreadStep, numbers: list[float], seconds: float) -> ReadStep:
    loss, norm, taken, *rest = numbers
    of_pictures = iter(rest)
    finite = tuple(tuple(bool(next(of_pictures)) for _ in range(len(part))) for part in step.figures.finite)
    return ReadStep(step, loss, norm, bool(taken), finite, seconds)
