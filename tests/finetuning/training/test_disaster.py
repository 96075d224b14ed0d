"""The disaster that this room is built against: an adapter that turns its model into a painter of noise.

Trained SDXL's way at a hundred times the usual rate, an EDM network forgets how to paint, while gradients stay small
and the training loss falls. The guard must see it, go back, slow down, and stop in the end.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from accelerate import Accelerator

from core.cli.progress import ProgressBars
from core.finetuning.data.prepare import prepare
from core.finetuning.data.sources import list_examples
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import load_base
from core.finetuning.model.objective import TrainedObjective
from core.finetuning.run import choose
from core.finetuning.training.journal import Entry, EventEntry, StepEntry, ValidationEntry
from core.finetuning.training.session import RunFiles, Session
from core.finetuning.training.trainer import Ending, Trainer
from tests.finetuning.conftest import edm_objective, quick_hyperparameters
from tests.finetuning.wrong_objective import WrongObjective

USUAL_RATE = 1e-4


class Experiment:
    """Trains the painting base on drawings, with whatever objective and rate one wants to try."""

    def __init__(self, base: Path, images: Path, cache: Path, work: Path) -> None:
        self._base, self._images, self._cache, self._work = base, images, cache, work
        self.sessions: list[Session] = []

    def run(
        self, hyperparameters: Hyperparameters, trained: TrainedObjective | None = None
    ) -> tuple[Ending, Trainer, list[Entry]]:
        base = load_base(str(self._base), None, "fp32")
        objective = edm_objective(base.pipeline)
        data = prepare(list_examples(self._images), base, hyperparameters, self._cache, (), ProgressBars())
        session = Session(base, data, objective, hyperparameters, Accelerator(cpu=True))
        self.sessions.append(session)
        files = RunFiles.in_folder(self._work, hyperparameters, data.key)
        trainer = session.trainer(hyperparameters, files, trained=trained)
        ending = trainer.run(lambda: False)
        return ending, trainer, files.journal.entries()


@pytest.fixture
def experiment(tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path: Path) -> Iterator[Experiment]:
    trial = Experiment(tiny_base, drawings, shared_cache, tmp_path)
    yield trial
    for session in trial.sessions:
        session.close()


def hyperparameters(rate: float, steps: int) -> Hyperparameters:
    return quick_hyperparameters(
        steps=steps, learning_rate=rate, batch_size=4, warmup_steps=5, check_every=20, sample_steps=5
    )


def test_the_original_disaster_is_seen_undone_and_stopped(experiment: Experiment) -> None:
    ending, trainer, entries = experiment.run(hyperparameters(100 * USUAL_RATE, 160), trained=WrongObjective())

    assert ending is Ending.DIVERGED
    steps = [entry for entry in entries if isinstance(entry, StepEntry)]
    validations = [entry for entry in entries if isinstance(entry, ValidationEntry)]
    events = [entry.text for entry in entries if isinstance(entry, EventEntry)]

    # What people usually watch looks well: no gradient is large, and the loss falls.
    assert max(entry.gradient_norm for entry in steps) < 1.0
    assert all(entry.taken for entry in steps)
    first = [entry.loss for entry in steps if entry.attempt == 0]
    assert sum(first[-5:]) < sum(first[:5])

    # The guard sees it all the same, in the losses and in the pictures.
    alarmed = [entry for entry in validations if entry.alarms]
    assert len(alarmed) == 3
    words = " ".join(word for entry in alarmed for word in entry.alarms)
    assert "of the way to knowing nothing" in words
    assert "spectrum of noise" in words

    # It went back and halved the rate each time.
    assert [entry.attempt for entry in alarmed] == [0, 1, 2]
    rates = [max(entry.learning_rate for entry in steps if entry.attempt == attempt) for attempt in range(3)]
    assert rates[1] == pytest.approx(rates[0] / 2, rel=0.3)
    assert rates[2] == pytest.approx(rates[0] / 4, rel=0.3)
    assert "at 0.5 times the rate" in events[0]
    assert events[-1].startswith("alarm 3 of 3")

    # What is kept is from before the damage.
    kept = choose(trainer.state, ending)
    assert kept is not None
    assert kept.step <= 20
    attempt = int(kept.checkpoint.split("-")[1])
    good = next(entry for entry in validations if (entry.attempt, entry.step) == (attempt, kept.step))
    assert not good.alarms


def test_the_right_objective_at_a_hundred_times_the_rate_is_stopped_too(experiment: Experiment) -> None:
    ending, trainer, _ = experiment.run(hyperparameters(100 * USUAL_RATE, 160))
    assert ending is Ending.DIVERGED
    assert len(trainer.state.alarms) == 3


def test_the_right_objective_at_the_usual_rate_is_left_alone(experiment: Experiment) -> None:
    ending, trainer, entries = experiment.run(hyperparameters(10 * USUAL_RATE, 20))
    assert ending is Ending.FINISHED
    assert trainer.state.alarms == ()
    validations = [entry for entry in entries if isinstance(entry, ValidationEntry)]
    assert validations[-1].result.held_out_mean < 1.02 * validations[0].result.held_out_mean
