"""Figures of steps are read several at a time, and what follows from them begins at the same step in each run."""

from dataclasses import replace

import torch

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.latents import RawLatents
from core.finetuning.model.network import TextConditioning
from core.finetuning.training.batches import Batch, TrainingPosition
from core.finetuning.training.blame import at_fault
from core.finetuning.training.checkpoints import RunState
from core.finetuning.training.learning_rate import make_optimizer
from core.finetuning.training.unread import Figures, Unread, UnreadStep

NOTHING = torch.empty(2, 0)
BATCH = Batch(
    (0, 1), ("a.png", "b.png"), RawLatents(torch.zeros(2, 4, 2, 2)), torch.zeros(2, 4, 2, 2), torch.ones(2),
    TextConditioning(NOTHING, NOTHING, NOTHING),
)  # fmt: skip


def step(number: int, loss: float = 0.5, *, taken: bool = True) -> UnreadStep:
    finite = (torch.tensor([True, taken]), torch.tensor([True, True]))
    figures = Figures(torch.tensor(loss), torch.tensor(2.0), torch.tensor(taken), finite)
    return UnreadStep(TrainingPosition(number), 1e-4, (BATCH, BATCH), figures)


def waiting(unread: Unread, steps: range, now: float) -> list[int]:
    """After which steps it is time to read, if each takes no time."""
    times = []
    for number in steps:
        unread.add(step(number))
        if unread.is_time(now):
            times.append(number)
            unread.read(now)
    return times


def test_the_first_steps_are_read_at_once_and_later_ones_ten_at_a_time() -> None:
    assert waiting(Unread(), range(1, 41), now=0.0) == [1, 2, 3, 10, 20, 30, 40]


def test_after_two_seconds_nobody_waits_longer() -> None:
    unread = Unread()
    waiting(unread, range(1, 12), now=0.0)
    unread.add(step(12))
    assert not unread.is_time(1.9)
    assert unread.is_time(2.0)


def test_what_is_read_is_what_each_step_came_to() -> None:
    unread = Unread()
    unread.begin(100.0)
    unread.add(step(1, 0.25))
    unread.add(step(2, float("nan"), taken=False))
    first, second = unread.read(103.0)
    assert (first.loss, first.norm, first.taken, first.seconds) == (0.25, 2.0, True, 1.5)
    assert second.step.position.step == 2
    assert not second.taken
    assert second.finite == ((True, False), (True, True))
    assert unread.read(104.0) == []


def test_one_picture_of_several_is_to_blame_and_all_only_if_they_are_spoilt_themselves() -> None:
    assert at_fault(BATCH, (True, False)) == [1]
    assert at_fault(BATCH, (False, False)) == [], "it is the model"
    spoilt = replace(BATCH, latents=RawLatents(torch.full((2, 4, 2, 2), float("nan"))))
    assert at_fault(spoilt, (False, False)) == [0, 1]


def test_a_picture_is_left_out_from_a_step_on_that_does_not_hang_on_when_it_was_read() -> None:
    state = RunState(set_aside=((7, 20),))
    assert [replace(state, position=TrainingPosition(step)).left_out for step in (19, 20)] == [set(), {7}]


def test_the_optimiser_leaves_a_step_out_that_the_device_says_is_not_to_be_taken() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = make_optimizer([weight], Hyperparameters())
    for refused in (1.0, 0.0):
        weight.grad = torch.full((3,), float("nan") if refused else 1.0)
        optimizer.found_inf = torch.tensor(refused)  # type: ignore[attr-defined]
        optimizer.step()
        assert torch.equal(weight.detach(), torch.ones(3)) == bool(refused)
    assert bool(weight.isfinite().all())
