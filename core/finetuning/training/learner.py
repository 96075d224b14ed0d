"""The adapter's weights while they learn: the optimiser, fp16's scaler, and the average (EMA) that is judged."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from diffusers.training_utils import EMAModel
from torch import Tensor

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import adapter_parameters
from core.finetuning.training.checkpoints import Weights
from core.finetuning.training.gate import Gate
from core.finetuning.training.learning_rate import make_optimizer
from core.finetuning.training.step_watch import StepWatch
from core.finetuning.training.unread import Figures

TOLD_TO_LEAVE_OUT = frozenset({"cpu", "cuda", "xpu"})
"""Devices on which torch's fused AdamW can be told by a number on the device that a step is not to be taken."""


class Learner:
    """Changes the adapter of one network, step by step."""

    def __init__(self, unet: UNet2DConditionModel, hyperparameters: Hyperparameters, accelerator: Accelerator) -> None:
        """The network must have its adapter already."""
        self._hyperparameters, self._accelerator = hyperparameters, accelerator
        self._parameters = adapter_parameters(unet)
        self._optimizer = make_optimizer(list(self._parameters.values()), hyperparameters)
        self._fresh = self._optimizer.state_dict()
        # Only the optimiser is prepared: accelerate would make the network answer in fp32, for the sampler as well.
        self._stepper = accelerator.prepare(self._optimizer)
        self._average = EMAModel(self._parameters.values(), decay=hyperparameters.ema_decay, foreach=True)
        self.watch = StepWatch()
        self._gate = Gate(accelerator.device)
        self._is_told = hyperparameters.optimizer == "adamw" and accelerator.device.type in TOLD_TO_LEAVE_OUT

    def step(self, losses: Sequence[Tensor], rate: float, finite: tuple[Tensor, ...]) -> Figures:
        """One optimiser step of batches' mean losses, whose gradients are added, if it may be taken.

        `finite`: of each batch, whether its pictures' losses are. The figures are still on the device. The average
        goes on with each step, whether it is taken or not.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = torch.stack([loss.detach() for loss in losses]).mean()
        norm = self._accelerator.clip_grad_norm_(self._parameters.values(), self._hyperparameters.max_gradient_norm)
        scaler = self._accelerator.scaler
        overflowed = scaler is not None and math.isfinite(float(loss)) and not math.isfinite(float(norm))
        taken = torch.zeros_like(loss) if overflowed else self._gate.accepts(loss, norm)
        if overflowed:
            self._stepper.step()  # which leaves the step out and lowers the scale
        else:
            self._take(taken)
        self._average.step(self._parameters.values())
        self._stepper.zero_grad()
        return Figures(loss, norm, taken, finite, overflowed)

    def backward(self, loss: Tensor) -> None:
        """Add a batch's gradients."""
        self._accelerator.backward(loss)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the network has the average in place of the live weights."""
        self._average.store(self._parameters.values())
        self._average.copy_to(self._parameters.values())
        try:
            yield
        finally:
            self._average.restore(self._parameters.values())

    def weights(self) -> Weights:
        """All of it, for a checkpoint."""
        scaler = self._accelerator.scaler
        return Weights(
            {name: value.detach().cpu().contiguous() for name, value in self._parameters.items()},
            {
                name: value.cpu().contiguous()
                for name, value in zip(self._parameters, self._average.shadow_params, strict=True)
            },
            self._optimizer.state_dict(),
            {} if scaler is None else scaler.state_dict(),
            self._average.optimization_step,
        )

    def restore(self, weights: Weights) -> None:
        """Go on from a checkpoint as if there had been no stop."""
        self._put(weights.adapter, weights.average)
        self._average.optimization_step = weights.average_steps
        self._optimizer.load_state_dict(weights.optimizer)
        for group in self._optimizer.param_groups:
            group["fused"] = self._fresh["param_groups"][0].get("fused")  # older versions kept another
        if self._accelerator.scaler is not None and weights.scaler:
            self._accelerator.scaler.load_state_dict(weights.scaler)

    def become(self, weights: Weights) -> None:
        """Go on from the average of a checkpoint, which was judged; the raw weights and moments of then were not."""
        self._put(weights.average, weights.average)
        self._average.optimization_step = weights.average_steps
        self._optimizer.load_state_dict(self._fresh)
        self.watch = StepWatch()
        self._gate = Gate(self._accelerator.device)

    @torch.no_grad()
    def _put(self, adapter: dict[str, Tensor], average: dict[str, Tensor]) -> None:
        for (name, parameter), shadow in zip(self._parameters.items(), self._average.shadow_params, strict=True):
            parameter.copy_(adapter[name])
            shadow.copy_(average[name])

    def _take(self, taken: Tensor) -> None:
        """Where it can be, without asking the device whether the step is taken."""
        scaler = self._accelerator.scaler
        if scaler is None and self._is_told:
            self._optimizer.found_inf = (~taken).float()  # type: ignore[attr-defined]
            self._stepper.step()
        elif bool(taken):
            self._stepper.step()
        elif scaler is not None:
            scaler.update()

    def watch_state(self) -> dict[str, list[float]]:
        """For a checkpoint; all steps must have been read."""
        return {"norms": self._gate.norms(), **self.watch.state()}

    def restore_watch(self, state: dict[str, list[float]]) -> None:
        """The reverse of `watch_state`."""
        self._gate = Gate(self._accelerator.device, state.get("norms", []))
        self.watch.restore(state)
