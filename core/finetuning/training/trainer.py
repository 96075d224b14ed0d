"""The training loop: steps, validation by the guard, roll-backs, and a stop at any step that can be resumed.

Knows nothing of files of images, of reports or of the command line.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

import torch
from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from diffusers.training_utils import EMAModel

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import adapter_parameters, adapter_strength
from core.finetuning.model.objective import Objective
from core.finetuning.training.batches import Batch, BatchSource, TrainingPosition, batch_loss
from core.finetuning.training.checkpoints import Checkpoints, RunState, Weights, name_of
from core.finetuning.training.guard import MAX_ALARMS, Limits, StepWatch, ValidationResult, alarms
from core.finetuning.training.journal import EventEntry, Journal, StepEntry, ValidationEntry
from core.finetuning.training.learning_rate import learning_rate_at, make_optimizer

logger = logging.getLogger(__name__)


class Ending(Enum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED = "stopped; resume it"
    DIVERGED = "stopped by the guard"


class Validate(Protocol):
    """Measures the network as it is; `label` names the sample pictures."""

    def __call__(self, label: str) -> ValidationResult:
        """Takes seconds to minutes."""
        ...


def validation_steps(hyperparameters: Hyperparameters) -> frozenset[int]:
    """After which steps to validate: regularly, at the end, and early twice, for a bad run shows early."""
    regular = range(hyperparameters.check_every, hyperparameters.steps, hyperparameters.check_every)
    early = (hyperparameters.check_every // 16, hyperparameters.check_every // 4)
    return frozenset({*regular, *early, hyperparameters.steps}) - {0}


@dataclass(frozen=True)
class TrainingSetup:
    """What a run trains, with what, and where it is kept. The network must have its adapter already."""

    accelerator: Accelerator
    unet: UNet2DConditionModel
    objective: Objective
    source: BatchSource
    validate: Validate
    white_noise: float
    """The high-frequency share of white noise on the samples' latent grid."""
    hyperparameters: Hyperparameters
    checkpoints: Checkpoints
    journal: Journal
    on_step: Callable[[StepEntry], None] = lambda entry: None
    on_event: Callable[[str], None] = lambda text: None


class Trainer:
    """One run."""

    def __init__(self, setup: TrainingSetup) -> None:
        self._setup = setup
        self._hyperparameters, self._accelerator = setup.hyperparameters, setup.accelerator
        self._checkpoints, self._journal = setup.checkpoints, setup.journal
        self._parameters = adapter_parameters(setup.unet)
        self._optimizer = make_optimizer(list(self._parameters.values()), setup.hyperparameters)
        # Only the optimiser is prepared: accelerate would make the network answer in fp32, for the sampler as well.
        self._stepper = setup.accelerator.prepare(self._optimizer)
        self._average = EMAModel(self._parameters.values(), decay=setup.hyperparameters.ema_decay, foreach=True)
        self._watch = StepWatch()
        self._limits = Limits(generic_ratio=setup.hyperparameters.alarm_ratio)
        self._validation_steps = validation_steps(setup.hyperparameters)
        self.state: RunState = RunState()

    def resume(self) -> bool:
        """Go on where the newest checkpoint stands; False if there is none."""
        name = self._checkpoints.latest()
        if name is None:
            return False
        self.state = self._load(name)
        self._journal.truncate(self.state.position)
        self._say(f"resumed at step {self.state.position.step}")
        return True

    def run(self, should_stop: Callable[[], bool]) -> Ending:
        """Train to the end, until `should_stop`, or until the guard's last alarm."""
        if self.state.base is None:
            self._begin()
        while self.state.position.step < self._hyperparameters.steps:
            if should_stop():
                self._save(good=False)
                self._say(f"stopped at step {self.state.position.step}; --resume goes on from here")
                return Ending.STOPPED
            self._step()
            runaway = self._watch.alarm
            if (runaway or self.state.position.step in self._validation_steps) and not self._check(runaway):
                if len(self.state.alarms) >= MAX_ALARMS:
                    self._say(f"stopped after {MAX_ALARMS} alarms")
                    return Ending.DIVERGED
                self._roll_back()
        return Ending.FINISHED

    def _begin(self) -> None:
        """Measure the untouched model and keep its state as the first good one."""
        base = self._setup.validate("base")
        self._journal.write(ValidationEntry(0, 0, base, (), 0.0))
        self.state = replace(self.state, base=base)
        self._save(good=True)

    def _step(self) -> None:
        started = time.perf_counter()
        position = self.state.position
        rate = learning_rate_at(position.step, self._hyperparameters) * self.state.rate_scale
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batches = self._setup.source.at(position)
        losses = [self._accumulate(batch, len(batches)) for batch in batches]
        loss = float(torch.stack(losses).mean())
        norm = float(
            self._accelerator.clip_grad_norm_(self._parameters.values(), self._hyperparameters.max_gradient_norm)
        )
        taken = self._take(loss, norm)
        self._stepper.zero_grad()
        self.state = replace(self.state, position=TrainingPosition(position.step + 1, position.attempt))
        entry = StepEntry(position.step + 1, position.attempt, loss, rate, norm, time.perf_counter() - started, taken)
        self._journal.write(entry)
        self._setup.on_step(entry)

    def _take(self, loss: float, norm: float) -> bool:
        """Change the adapter, unless the gradients have run away; whether it was changed."""
        scaler = self._accelerator.scaler
        if scaler is not None and math.isfinite(loss) and not math.isfinite(norm):
            # fp16 only: the scaler was too bold. It leaves the step out and lowers its scale; no sign of trouble.
            self._stepper.step()
            return False
        if not self._watch.accept(loss, norm):
            if scaler is not None:
                scaler.update()
            return False
        self._stepper.step()
        self._average.step(self._parameters.values())
        return True

    def _accumulate(self, batch: Batch, parts: int) -> torch.Tensor:
        loss = batch_loss(batch, self._setup.unet, self._setup.objective, self._accelerator)
        self._accelerator.backward(loss / parts)
        return loss.detach()

    def _check(self, runaway: str | None) -> bool:
        """Validate; save a good checkpoint if all is well. False on an alarm."""
        state: RunState = self.state
        assert state.base is not None
        position = state.position
        label = name_of(position)
        result = self._validate_average(label)
        found: tuple[str, ...] = alarms(result, state.base, self._limits, self._setup.white_noise)
        if runaway is not None:
            found = (runaway, *found)
        strength = adapter_strength(self._setup.unet)
        self._journal.write(ValidationEntry(position.step, position.attempt, result, found, strength))
        if found:
            self.state = replace(state, alarms=(*state.alarms, "; ".join(found)))
            return False
        loss = result.held_out_mean
        better = loss < state.best_loss
        self.state = replace(
            state,
            held_out=(*state.held_out, (position.step, loss)),
            best=label if better else state.best,
            best_loss=min(loss, state.best_loss),
        )
        self._save(good=True)
        return True

    def _validate_average(self, label: str) -> ValidationResult:
        self._average.store(self._parameters.values())
        self._average.copy_to(self._parameters.values())
        try:
            return self._setup.validate(label)
        finally:
            self._average.restore(self._parameters.values())

    def _roll_back(self) -> None:
        """Back to the last good state, at half the rate, on another path through the data."""
        failed = self.state
        name = self._checkpoints.latest(good=True)
        assert name is not None, "the state before step 1 is always good"
        state = self._load(name)
        self.state = replace(
            state,
            position=TrainingPosition(state.position.step, failed.position.attempt + 1),
            alarms=failed.alarms,
            rate_scale=failed.rate_scale / 2,
            watch=RunState().watch,
        )
        self._watch = StepWatch()
        self._save(good=True)
        self._say(
            f"alarm {len(failed.alarms)} of {MAX_ALARMS} after step {failed.position.step}: {failed.alarms[-1]}. "
            f"Back to step {state.position.step}, at {self.state.rate_scale:g} times the learning rate"
        )

    def _save(self, *, good: bool) -> None:
        self.state = replace(self.state, watch=self._watch.state())
        scaler = self._accelerator.scaler
        self._checkpoints.save(
            self.state,
            Weights(
                {name: value.detach().cpu().contiguous() for name, value in self._parameters.items()},
                {
                    name: value.cpu().contiguous()
                    for name, value in zip(self._parameters, self._average.shadow_params, strict=True)
                },
                self._optimizer.state_dict(),
                {} if scaler is None else scaler.state_dict(),
                self._average.optimization_step,
            ),
            good=good,
        )

    def _load(self, name: str) -> RunState:
        state, weights = self._checkpoints.load(name)
        with torch.no_grad():
            for key, parameter in self._parameters.items():
                parameter.copy_(weights.adapter[key])
            for key, shadow in zip(self._parameters, self._average.shadow_params, strict=True):
                shadow.copy_(weights.average[key])
        self._average.optimization_step = weights.average_steps
        self._optimizer.load_state_dict(weights.optimizer)
        if self._accelerator.scaler is not None and weights.scaler:
            self._accelerator.scaler.load_state_dict(weights.scaler)
        self._watch.restore(state.watch)
        return state

    def _say(self, text: str) -> None:
        position = self.state.position
        logger.info("%s", text)
        self._journal.write(EventEntry(position.step, position.attempt, text))
        self._setup.on_event(text)
