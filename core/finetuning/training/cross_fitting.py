"""How long to learn from pictures that are too few to keep some for validation.

Two runs of the first quarter learn from one half of the pictures each and are validated with the other. Where both get
worse again, on average, is as far as the final run goes, which learns from all. (Two-fold cross-fitting.) What may come
after the first quarter is not known.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from accelerate import Accelerator

from core.finetuning.data.prepare import PreparedData
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import Base
from core.finetuning.model.objective import Objective
from core.finetuning.progress import Progress
from core.finetuning.training.checkpoints import position_of
from core.finetuning.training.session import RunFiles, Session

FOUND_NAME = "cross_fitting.json"
SHARE = 4
"""The runs are a quarter as long as the final one."""
LOOKS = 4
STILL_AS_GOOD = 1.02
"""A last loss that is at most this many times the best one shows no over-training."""
SHORTEST = 16
"""Of fewer steps than this in all, no quarter tells anything."""

Curve = Sequence[tuple[int, float]]
"""Steps and the loss on held-out pictures there, over the untouched model's."""


def steps_of(curves: Sequence[Curve], steps: int) -> int:
    """How many of the steps to take: all, or as many as were best where the curves, on average, rise again."""
    common = set.intersection(*(set(dict(curve)) for curve in curves))
    averages = {step: mean(dict(curve)[step] for curve in curves) for step in sorted(common)}
    if not averages:
        return steps
    best = min(averages, key=lambda step: averages[step])
    return steps if averages[max(averages)] <= STILL_AS_GOOD * averages[best] else best


class CrossFitting:
    """The two runs. The base's network is as before afterwards."""

    def __init__(
        self, base: Base, data: PreparedData, objective: Objective, accelerator: Accelerator, progress: Progress
    ) -> None:
        """`data` must have halves."""
        self._base, self._data, self._objective = base, data, objective
        self._accelerator, self._progress = accelerator, progress

    def steps_for(
        self, wanted: Hyperparameters, folder: Path, should_stop: Callable[[], bool], *, is_resumed: bool
    ) -> int:
        """As many as are wanted, or of few pictures so many as are found good, which is kept in the run's folder."""
        found_before = folder / FOUND_NAME
        if wanted.earlier_steps or not self._data.halves or wanted.steps < SHORTEST:
            return wanted.steps
        if is_resumed and found_before.is_file():
            return min(wanted.steps, int(json.loads(found_before.read_text())["steps"]))
        found = self.find_steps(wanted, should_stop)
        if found is None:
            return wanted.steps
        self._progress.say(
            f"learning from one half got worse on the other after step {found}, so it ends there"
            if found < wanted.steps
            else "learning from one half got better on the other all along"
        )
        folder.mkdir(parents=True, exist_ok=True)
        found_before.write_text(json.dumps({"steps": found}))
        return found

    def find_steps(self, hyperparameters: Hyperparameters, should_stop: Callable[[], bool]) -> int | None:
        """How many steps to take; None if it was stopped before that was known."""
        curves: list[Curve] = []
        for number, half in enumerate(self._data.halves, start=1):
            title = f"Finding how long to learn, {number} of {len(self._data.halves)}"
            curves.append(self._curve(self._data.of_half(half), hyperparameters, title, should_stop))
            if should_stop():
                return None
        return steps_of(curves, hyperparameters.steps)

    def _curve(
        self, data: PreparedData, hyperparameters: Hyperparameters, title: str, should_stop: Callable[[], bool]
    ) -> Curve:
        quarter = hyperparameters.steps // SHARE
        looking = replace(hyperparameters, check_every=max(1, quarter // LOOKS))
        try:
            with (
                TemporaryDirectory() as folder,
                closing(Session(self._base, data, self._objective, looking, self._accelerator)) as session,
                self._progress.task(title, quarter) as advance,
            ):
                files = RunFiles.in_folder(Path(folder), looking, data.key)
                trainer = session.trainer(looking, files, on_step=lambda entry: advance(entry.step))
                trainer.run(lambda: should_stop() or trainer.state.position.step >= quarter)
        finally:
            self._base.pipeline.unet.unload_lora()
        base = trainer.state.base
        assert base is not None, "the untouched model is measured first"
        before = base.reading.held_out_mean
        return [(position_of(name).step, loss / before) for name, loss in trainer.state.held_out]
