"""Where a run stands, on disk: written whole or not at all, so that a killed notebook loses little.

`judged/` holds what the guard has looked at and found well, named by attempt and step, and never rewritten. `stopped/`
has two slots that are written in turn, for where a run was stopped or rolled back: nobody judged that. A checkpoint
holds the adapter, its average (EMA), the optimiser, and the position in the data and the randomness, which is a step
and an attempt (see `batches.py`). Of the judged ones the newest few and the best stay.
"""

import io
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from core.errors import CannotResume
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.batches import TrainingPosition
from core.finetuning.training.disk import remove_leftovers, write_folder
from core.finetuning.training.guard import HeldOutTrend, Losses, Yardstick

KEEP = 3
STATE_NAME = "state.json"
JUDGED, STOPPED = "judged", "stopped"
SLOTS = ("a", "b")


@dataclass(frozen=True)
class RunState:
    """Everything about a run that is neither a weight nor a setting."""

    position: TrainingPosition = field(default_factory=lambda: TrainingPosition(0))
    rate_scale: float = 1.0
    alarms: tuple[str, ...] = ()
    base: Yardstick | None = None
    best: str | None = None
    """Name of the best judged checkpoint, None before the first look."""
    best_loss: float = float("inf")
    held_out: tuple[tuple[str, float], ...] = ()
    """Name and held-out loss of each judged checkpoint, roll-backs left out."""
    trend: HeldOutTrend = field(default_factory=HeldOutTrend)
    forgetting_told: bool = False
    set_aside: tuple[tuple[int, int], ...] = ()
    """Training images whose loss was not finite, by number, and the step from which on they are left out."""
    watch: dict[str, list[float]] = field(default_factory=lambda: {"norms": [], "skips": [], "lost": []})

    @property
    def left_out(self) -> frozenset[int]:
        """The images that the next step does not learn from."""
        return frozenset(number for number, since in self.set_aside if since <= self.position.step)


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
    """Which judged checkpoint becomes the adapter, and why."""

    checkpoint: str
    step: int
    reason: str


class Checkpoints:
    """The checkpoints of one run in one directory."""

    def __init__(self, directory: Path, hyperparameters: Hyperparameters, data_key: str) -> None:
        """`data_key` names the images and captions; a checkpoint of other data is refused."""
        self._judged, self._stopped = directory / JUDGED, directory / STOPPED
        self._hyperparameters, self._data_key = hyperparameters, data_key

    def save_judged(self, state: RunState, weights: Weights) -> None:
        """Keep what the guard found well. One that is there stays as it is. Raises OSError."""
        name = name_of(state.position)
        if not (self._judged / name).is_dir():
            write_folder(self._judged / name, self._files(state, weights))
        self._prune(state.best)

    def save_stopped(self, state: RunState, weights: Weights) -> None:
        """Keep where the run stands, in the slot that was not written last. Raises OSError."""
        newest = self._newest_slot()
        slot = SLOTS[0] if newest is None or newest.name != SLOTS[0] else SLOTS[1]
        remove_leftovers(self._stopped)
        write_folder(self._stopped / slot, self._files(state, weights))

    def latest(self) -> Path | None:
        """Where the run stands: the furthest one; of two at the same step the judged one."""
        names = self._names()
        judged = self._judged / names[-1] if names else None
        stopped = self._newest_slot()
        if judged is None or stopped is None:
            return judged or stopped
        return stopped if _place(stopped) > _place(judged) else judged

    def latest_judged(self) -> Path:
        """What a roll-back goes to; there is one from the first step on."""
        return self._judged / self._names()[-1]

    def load(self, folder: Path) -> tuple[RunState, Weights]:
        """Read one. Raises CannotResume if it belongs to other settings or other data."""
        document = _document(folder)
        hyperparameters = Hyperparameters.from_dict(document["recipe"])  # type: ignore[arg-type]
        if differing := self._hyperparameters.differences(hyperparameters):
            shown = ", ".join(
                f"--{field.replace('_', '-')} was {hyperparameters.as_dict()[field]}" for field in differing
            )
            raise CannotResume(f"The run that you want to resume had other settings ({shown}); give the same ones.")
        if document["data"] != self._data_key:
            raise CannotResume("The images, their captions or the base model have changed since the run was stopped.")
        state = torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True)
        return _state_from_json(document["state"]), Weights(  # type: ignore[arg-type]
            load_file(folder / "adapter.safetensors"),
            load_file(folder / "average.safetensors"),
            state["optimizer"],
            state["scaler"],
            int(document["average_steps"]),  # type: ignore[call-overload]
        )

    def average(self, name: str) -> dict[str, Tensor]:
        """Only the averaged adapter of a judged checkpoint."""
        return load_file(self._judged / name / "average.safetensors")

    def clear(self) -> None:
        """Delete all; a new run begins."""
        for directory in (self._judged, self._stopped):
            shutil.rmtree(directory, ignore_errors=True)

    def _files(self, state: RunState, weights: Weights) -> dict[str, bytes]:
        buffer = io.BytesIO()
        torch.save({"optimizer": weights.optimizer, "scaler": weights.scaler}, buffer)
        document = {
            "recipe": self._hyperparameters.as_dict(),  # so it is called in every checkpoint that there is
            "data": self._data_key,
            "average_steps": weights.average_steps,
            "state": _state_to_json(state),
        }
        return {
            "adapter.safetensors": save(weights.adapter),
            "average.safetensors": save(weights.average),
            "optimizer.pt": buffer.getvalue(),
            STATE_NAME: json.dumps(document).encode(),
        }

    def _names(self) -> list[str]:
        """Judged ones, oldest first."""
        found = [path.parent.name for path in self._judged.glob(f"attempt-*/{STATE_NAME}")]
        return sorted(found, key=lambda name: (position_of(name).attempt, position_of(name).step))

    def _newest_slot(self) -> Path | None:
        slots = [self._stopped / slot for slot in SLOTS if (self._stopped / slot / STATE_NAME).is_file()]
        return max(slots, key=lambda slot: (*_place(slot), (slot / STATE_NAME).stat().st_mtime_ns), default=None)

    def _prune(self, best: str | None) -> None:
        names = self._names()
        kept = {*names[-KEEP:], best}
        for name in names:
            if name not in kept:
                shutil.rmtree(self._judged / name, ignore_errors=True)
        remove_leftovers(self._judged)


def name_of(position: TrainingPosition) -> str:
    """A judged checkpoint's directory name."""
    return f"attempt-{position.attempt}-step-{position.step:06d}"


def position_of(name: str) -> TrainingPosition:
    """The reverse of `name_of`."""
    _, attempt, _, step = name.split("-")
    return TrainingPosition(int(step), int(attempt))


def _document(folder: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((folder / STATE_NAME).read_text())
    return document


def _place(folder: Path) -> tuple[int, int]:
    position = _state_from_json(_document(folder)["state"]).position  # type: ignore[arg-type]
    return position.attempt, position.step


def _state_to_json(state: RunState) -> dict[str, object]:
    return {
        **{name: getattr(state, name) for name in ("rate_scale", "alarms", "best", "held_out", "set_aside", "watch")},
        "step": state.position.step,
        "attempt": state.position.attempt,
        "base": None if state.base is None else state.base.as_dict(),
        "best_loss": None if state.best is None else state.best_loss,
        "trend": [state.trend.best, state.trend.total, state.trend.looks],
        "forgetting_told": state.forgetting_told,
    }


def _state_from_json(values: dict[str, object]) -> RunState:
    base, best_loss = values["base"], values["best_loss"]
    best_pictures, total, looks = values["trend"]  # type: ignore[misc]
    return RunState(
        position=TrainingPosition(int(values["step"]), int(values["attempt"])),  # type: ignore[call-overload]
        rate_scale=float(values["rate_scale"]),  # type: ignore[arg-type]
        alarms=tuple(values["alarms"]),  # type: ignore[arg-type]
        base=None if base is None else Yardstick.from_dict(base),  # type: ignore[arg-type]
        best=values["best"],  # type: ignore[arg-type]
        best_loss=float("inf") if best_loss is None else float(best_loss),  # type: ignore[arg-type]
        held_out=tuple((name, float(loss)) for name, loss in values["held_out"]),  # type: ignore[attr-defined]
        trend=HeldOutTrend(_losses(best_pictures), total, looks),  # type: ignore[has-type]
        forgetting_told=bool(values["forgetting_told"]),
        set_aside=tuple((number, since) for number, since in values["set_aside"]),  # type: ignore[attr-defined]
        watch=values["watch"],  # type: ignore[arg-type]
    )


def _losses(values: list[list[float]] | None) -> Losses | None:
    return None if values is None else tuple(tuple(row) for row in values)
