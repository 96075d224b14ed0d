"""Where a run stands, on disk: written whole or not at all, so that a killed notebook loses little.

A checkpoint holds the adapter, its average (EMA), the optimiser, and the position in the data and the randomness,
which is a step and an attempt (see `batches.py`). The newest few and the best stay; the rest is deleted.
"""

import json
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import CannotResume
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.batches import TrainingPosition
from core.finetuning.training.guard import ValidationResult

KEEP = 3
STATE_NAME = "state.json"


@dataclass(frozen=True)
class RunState:
    """Everything about a run that is neither a weight nor a setting."""

    position: TrainingPosition = field(default_factory=lambda: TrainingPosition(0))
    rate_scale: float = 1.0
    alarms: tuple[str, ...] = ()
    base: ValidationResult | None = None
    best: str | None = None
    """Name of the best good checkpoint."""
    best_loss: float = float("inf")
    held_out: tuple[tuple[int, float], ...] = ()
    """Step and held-out loss of each good validation of this attempt."""
    watch: dict[str, list[float]] = field(default_factory=lambda: {"norms": [], "skips": []})


@dataclass(frozen=True)
class Weights:
    """The tensors of a checkpoint; `optimizer` and `scaler` are torch state dicts."""

    adapter: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, object]
    scaler: dict[str, object]
    average_steps: int


@dataclass(frozen=True)
class KeptCheckpoint:
    """Which checkpoint becomes the adapter, and why."""

    checkpoint: str
    step: int
    reason: str


class Checkpoints:
    """The checkpoints of one run in one directory."""

    def __init__(self, directory: Path, hyperparameters: Hyperparameters, data_key: str) -> None:
        """`data_key` names the images and captions; a checkpoint of other data is refused."""
        self._directory, self._hyperparameters, self._data_key = directory, hyperparameters, data_key

    def save(self, state: RunState, weights: Weights, *, good: bool) -> str:
        """Write one, delete old ones, and return its name. `good`: the guard found it well."""
        name = name_of(state.position)
        temporary = self._directory / f".{name}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file(weights.adapter, temporary / "adapter.safetensors")
        save_file(weights.average, temporary / "average.safetensors")
        torch.save({"optimizer": weights.optimizer, "scaler": weights.scaler}, temporary / "optimizer.pt")
        if good and state.best is None:
            state = replace(state, best=name)
        document = {
            "good": good,
            "recipe": self._hyperparameters.as_dict(),  # so it is called in every checkpoint that there is
            "data": self._data_key,
            "average_steps": weights.average_steps,
            "state": _state_to_json(state),
        }
        (temporary / STATE_NAME).write_text(json.dumps(document, indent=1))
        _flush(temporary)
        final = self._directory / name
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        self._prune(keep=state.best)
        return name

    def latest(self, *, good: bool = False) -> str | None:
        """The newest one's name; with `good`, the newest that the guard found well."""
        names = [name for name in self._names() if not good or self._document(name)["good"]]
        return names[-1] if names else None

    def load(self, name: str) -> tuple[RunState, Weights]:
        """Read one. Raises CannotResume if it belongs to other settings or other data."""
        document = self._document(name)
        hyperparameters = Hyperparameters.from_dict(document["recipe"])  # type: ignore[arg-type]
        if differing := self._hyperparameters.differences(hyperparameters):
            shown = ", ".join(
                f"--{field.replace('_', '-')} was {hyperparameters.as_dict()[field]}" for field in differing
            )
            raise CannotResume(f"The run that you want to resume had other settings ({shown}); give the same ones.")
        if document["data"] != self._data_key:
            raise CannotResume("The images, their captions or the base model have changed since the run was stopped.")
        directory = self._directory / name
        state = torch.load(directory / "optimizer.pt", map_location="cpu", weights_only=True)
        return _state_from_json(document["state"]), Weights(  # type: ignore[arg-type]
            load_file(directory / "adapter.safetensors"),
            load_file(directory / "average.safetensors"),
            state["optimizer"],
            state["scaler"],
            int(document["average_steps"]),  # type: ignore[call-overload]
        )

    def average(self, name: str) -> dict[str, Tensor]:
        """Only the averaged adapter of a checkpoint."""
        return load_file(self._directory / name / "average.safetensors")

    def clear(self) -> None:
        """Delete all; a new run begins."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _names(self) -> list[str]:
        """Complete ones, oldest first."""
        found = [path.parent.name for path in self._directory.glob(f"attempt-*/{STATE_NAME}")]
        return sorted(found, key=lambda name: (position_of(name).attempt, position_of(name).step))

    def _document(self, name: str) -> dict[str, object]:
        document: dict[str, object] = json.loads((self._directory / name / STATE_NAME).read_text())
        return document

    def _prune(self, keep: str | None) -> None:
        names = self._names()
        kept = {*names[-KEEP:], keep, self.latest(good=True)}
        for name in names:
            if name not in kept:
                shutil.rmtree(self._directory / name, ignore_errors=True)
        for leftover in self._directory.glob(".attempt-*"):
            shutil.rmtree(leftover, ignore_errors=True)


def name_of(position: TrainingPosition) -> str:
    """A checkpoint's directory name."""
    return f"attempt-{position.attempt}-step-{position.step:06d}"


def position_of(name: str) -> TrainingPosition:
    """The reverse of `name_of`."""
    _, attempt, _, step = name.split("-")
    return TrainingPosition(int(step), int(attempt))


def _flush(directory: Path) -> None:
    """Make the files' bytes durable before the rename makes them visible."""
    for path in directory.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _state_to_json(state: RunState) -> dict[str, object]:
    return {
        "step": state.position.step,
        "attempt": state.position.attempt,
        "rate_scale": state.rate_scale,
        "alarms": list(state.alarms),
        "base": None if state.base is None else state.base.as_dict(),
        "best": state.best,
        "best_loss": None if state.best_loss == float("inf") else state.best_loss,
        "held_out": [list(pair) for pair in state.held_out],
        "watch": state.watch,
    }


def _state_from_json(values: dict[str, object]) -> RunState:
    base, best_loss = values["base"], values["best_loss"]
    return RunState(
        position=TrainingPosition(int(values["step"]), int(values["attempt"])),  # type: ignore[call-overload]
        rate_scale=float(values["rate_scale"]),  # type: ignore[arg-type]
        alarms=tuple(values["alarms"]),  # type: ignore[arg-type]
        base=None if base is None else ValidationResult.from_dict(base),  # type: ignore[arg-type]
        best=values["best"],  # type: ignore[arg-type]
        best_loss=float("inf") if best_loss is None else float(best_loss),  # type: ignore[arg-type]
        held_out=tuple((int(step), float(loss)) for step, loss in values["held_out"]),  # type: ignore[attr-defined]
        watch=values["watch"],  # type: ignore[arg-type]
    )
