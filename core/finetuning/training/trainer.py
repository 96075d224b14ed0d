"""The training loop: steps, looks by the guard, roll-backs, and a stop at any step that can be resumed.

Knows nothing of files of images, of reports or of the command line.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from torch import Tensor

from core.errors import CannotResume
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import adapter_strength
from core.finetuning.training.batches import Learnt, Source, TrainingPosition
from core.finetuning.training.blame import LostSteps, at_fault, refuse_too_many
from core.finetuning.training.checkpoints import Checkpoints, RunState, name_of, position_of
from core.finetuning.training.disk import is_full, room_needed
from core.finetuning.training.guard import (
    ENOUGH_HELD_OUT,
    MAX_ALARMS,
    Draw,
    LossesOut,
    Reading,
    Yardstick,
    forgetting,
    losses_out,
    ruin,
)
from core.finetuning.training.journal import EventEntry, Journal, StepEntry, ValidationEntry
from core.finetuning.training.learner import Learner
from core.finetuning.training.learning_rate import learning_rate_at
from core.finetuning.training.looks import Looks
from core.finetuning.training.readings import Look
from core.finetuning.training.unread import READ_EVERY, Unread, UnreadStep

logger = logging.getLogger(__name__)


class Ending(Enum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED = "stopped; resume it"
    OVER_TRAINED = "ended by the guard: more steps make it worse"
    DIVERGED = "stopped by the guard"


@dataclass(frozen=True)
class Measuring:
    """How the network, as it is, is measured, which takes seconds to minutes, and judged."""

    yardstick: Callable[[], tuple[Yardstick, Look]]
    """Of the untouched base."""
    look: Callable[[], Look]
    second_draw: Callable[[], Draw]
    show: Callable[[str, Look], None]
    """Keeps a look's pictures under a name. Raises OSError."""
    judge: LossesOut = losses_out
    remark: Callable[[Reading, Yardstick], str | None] = forgetting
    """What is worth telling once."""


@dataclass(frozen=True)
class TrainingSetup:
    """What a run trains, with what, and where it is kept. The network must have its adapter already."""

    accelerator: Accelerator
    unet: UNet2DConditionModel
    losses: Callable[[Any], Tensor]
    """Of each picture of one of the source's batches, with gradients."""
    source: Source
    measuring: Measuring
    hyperparameters: Hyperparameters
    checkpoints: Checkpoints
    journal: Journal
    on_step: Callable[[StepEntry], None] = lambda entry: None
    on_event: Callable[[str], None] = lambda text: None
    on_look: Callable[[ValidationEntry], None] = lambda entry: None
    """After each look, the base's too, when the journal has what came of it."""


class Trainer:
    """One run."""

    def __init__(self, setup: TrainingSetup) -> None:
        self._setup = setup
        self._hyperparameters, self._looks = setup.hyperparameters, Looks(setup.hyperparameters)
        self._checkpoints, self._journal = setup.checkpoints, setup.journal
        self._learner = Learner(setup.unet, setup.hyperparameters, setup.accelerator)
        self._unread, self._lost = Unread(), LostSteps()
        self.state: RunState = RunState()

    def resume(self) -> None:
        """Go on where the run stands. Raises CannotResume if it stands nowhere or has other settings."""
        folder = self._checkpoints.latest()
        if folder is None:
            raise CannotResume("The run was stopped before its first checkpoint; --restart begins anew.")
        self.state, weights = self._checkpoints.load(folder)
        self._learner.restore(weights)
        self._learner.restore_watch(self.state.watch)
        self._journal.truncate(self.state.position)
        self._looks = Looks(self._hyperparameters, self._journal.entries())
        self._say(f"resumed at step {self.state.position.step}")

    def run(self, should_stop: Callable[[], bool]) -> Ending:
        """Train to the end, until `should_stop`, or until the guard ends it."""
        if self.state.base is None:
            self._begin()
        self._unread.begin(time.perf_counter())
        while self.state.position.step < self._hyperparameters.steps:
            if should_stop():
                return self._stop()
            self._step()
            step, now = self.state.position.step, time.perf_counter()
            if self._unread.is_time(now):
                self._read(now)
            if is_due := self._looks.is_due(step):
                self._read(now)
            if is_due or (step % READ_EVERY == 0 and self._learner.watch.wants_look):
                ending = self._look()
                if ending is not None:
                    return ending
                self._unread.begin(time.perf_counter())
        return self._finish()

    def _begin(self) -> None:
        """Measure the untouched model and keep its state as the first judged one."""
        yardstick, look = self._setup.measuring.yardstick()
        self.state = replace(self.state, base=yardstick)
        with room_needed("the run cannot begin"):
            self._setup.measuring.show("base", look)
            self._checkpoints.save_judged(self.state, self._learner.weights())
        entry = ValidationEntry(0, 0, look.reading, (), 0.0)
        self._journal.write(entry)
        self._setup.on_look(entry)

    def _step(self) -> None:
        position = self.state.position
        rate = learning_rate_at(position.step, self._hyperparameters) * self.state.rate_scale
        batches = self._setup.source.at(position, self.state.left_out)
        losses, finite = [], []
        for batch in batches:
            of_pictures = self._setup.losses(batch)
            finite.append(of_pictures.detach().isfinite())
            losses.append(of_pictures.mean())
            self._learner.backward(losses[-1] / len(batches))
        figures = self._learner.step(losses, rate, tuple(finite))
        self.state = replace(self.state, position=TrainingPosition(position.step + 1, position.attempt))
        self._unread.add(UnreadStep(self.state.position, rate, batches, figures))

    def _read(self, now: float) -> None:
        """Learn what became of the steps since it was read last. Raises UnusableData, and NoLearning."""
        for read in self._unread.read(now):
            step, place = read.step, read.step.position
            overflowed = step.figures.overflowed
            entry = StepEntry(place.step, place.attempt, read.loss, step.rate, read.norm, read.seconds, read.taken)
            self._note(entry)
            self._setup.on_step(entry)
            for batch, finite in zip(step.batches, read.finite, strict=True):
                self._set_aside(batch, at_fault(batch, finite), place.step)
            self._learner.watch.took(read.taken, overflowed=overflowed)
            if not read.taken:
                self._lost.one_more(step.batches, self._learner.watch, overflowed=overflowed)

    def _set_aside(self, batch: Learnt, places: Sequence[int], step: int) -> None:
        """Learn no more from pictures that are to blame, from the next step on by which all runs know of them."""
        known = dict(self.state.set_aside)
        if not (new := [place for place in places if batch.indices[place] not in known]):
            return
        known |= {batch.indices[place]: -(-step // READ_EVERY) * READ_EVERY for place in new}
        self.state = replace(self.state, set_aside=tuple(sorted(known.items())))
        self._say(f"set aside: {', '.join(dict.fromkeys(batch.names[place] for place in new))} has no finite loss")
        refuse_too_many(known, self._setup.source)

    def _look(self) -> Ending | None:
        """Judge the average; keep it if it is well, else roll back. The run's ending, if it has one."""
        assert self.state.base is not None
        started = time.perf_counter()
        with self._learner.averaged():
            look = self._setup.measuring.look()
            measuring = self._setup.measuring
            found = ruin(look.reading, measuring.second_draw, self.state.base, measuring.judge)
            strength = adapter_strength(self._setup.unet)
        self._learner.watch.looked()
        position = self.state.position
        seconds = time.perf_counter() - started
        entry = ValidationEntry(position.step, position.attempt, look.reading, found, strength, seconds)
        self._note(entry)
        ending = self._alarm("; ".join(found), look) if found else self._keep(look)
        self._setup.on_look(entry)
        return ending

    def _keep(self, look: Look) -> Ending | None:
        before, reading = self.state, look.reading
        assert before.base is not None
        label, loss = name_of(before.position), reading.held_out_mean
        remark = None if before.forgetting_told else self._setup.measuring.remark(reading, before.base)
        self.state = replace(
            before,
            held_out=(*before.held_out, (label, loss)),
            best=label if loss < before.best_loss else before.best,
            best_loss=min(loss, before.best_loss),
            trend=before.trend.after(reading.losses.held_out),
            forgetting_told=before.forgetting_told or remark is not None,
            watch=self._learner.watch_state(),
        )
        try:
            self._setup.measuring.show(label, look)
            self._checkpoints.save_judged(self.state, self._learner.weights())
        except OSError as error:
            if not is_full(error):
                raise
            self.state = before
            since = before.held_out[-1][0] if before.held_out else name_of(TrainingPosition(0))
            self._say(f"no checkpoint since step {position_of(since).step}: the disk is full")
        if remark is not None:
            self._say(remark)
        return self._over_trained(look)

    def _over_trained(self, look: Look) -> Ending | None:
        held_out, trend = look.reading.losses.held_out, self.state.trend
        if self.state.position.step == self._hyperparameters.steps or not trend.is_over_trained(held_out):
            return None
        best = position_of(self.state.best or name_of(TrainingPosition(0))).step
        if len(held_out) < ENOUGH_HELD_OUT:
            self._say(f"the held-out images have been getting worse since step {best}; they are too few to be sure")
            return None
        self._say(f"the held-out images have been getting worse since step {best}: more steps do not help")
        return Ending.OVER_TRAINED

    def _alarm(self, words: str, look: Look) -> Ending | None:
        """Back to the last judged average, at half the rate, on another path through the data; or the end."""
        failed = self.state
        self._show_what_was_wrong(look)
        number = len(failed.alarms) + 1
        folder = self._checkpoints.latest_judged()
        state, weights = self._checkpoints.load(folder)
        self.state = replace(
            state,
            position=TrainingPosition(state.position.step, failed.position.attempt + 1),
            alarms=(*failed.alarms, words),
            rate_scale=failed.rate_scale / 2,
            set_aside=tuple((number, 0) for number, _ in failed.set_aside),
            watch=RunState().watch,
        )
        self._learner.become(weights)
        begun = f"alarm {number} of {MAX_ALARMS} after step {failed.position.step}: {words}. "
        if number >= MAX_ALARMS:
            self._say(f"{begun}Stopped")
            return Ending.DIVERGED
        self._save_place(f"{begun}Back to step {state.position.step}, at {self.state.rate_scale:g} times the rate")
        return None

    def _show_what_was_wrong(self, look: Look) -> None:
        try:
            self._setup.measuring.show(name_of(self.state.position), look)
        except OSError as error:
            if not is_full(error):
                raise

    def _stop(self) -> Ending:
        self._read(time.perf_counter())
        step = self.state.position.step
        self._save_place(f"stopped at step {step}; --resume goes on from here")
        return Ending.STOPPED

    def _finish(self) -> Ending:
        """The last look has been kept, or else there was no room for it."""
        last = self.state.held_out[-1][0] if self.state.held_out else None
        if last is None or position_of(last).step != self._hyperparameters.steps:
            with room_needed("the last steps could not be kept"):
                raise OSError(28, "no room for the last look")
        return Ending.FINISHED

    def _save_place(self, said: str) -> None:
        """Keep where the run stands, which nobody judged; without room the last checkpoint has to do."""
        self.state = replace(self.state, watch=self._learner.watch_state())
        try:
            self._checkpoints.save_stopped(self.state, self._learner.weights())
        except OSError as error:
            if not is_full(error):
                raise
            said += "; but the disk is full, so a new start would begin at the last checkpoint"
        self._say(said)

    def _note(self, entry: StepEntry | ValidationEntry) -> None:
        self._journal.write(entry)
        self._looks.note(entry)

    def _say(self, text: str) -> None:
        position = self.state.position
        logger.info("%s", text)
        self._journal.write(EventEntry(position.step, position.attempt, text))
        self._setup.on_event(text)
