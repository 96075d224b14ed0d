"""fp16 training needs a loss scaler; its search for a scale must not look like divergence."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from core.cli.progress import ProgressBars
from core.errors import NoLearning
from core.finetuning.data.prepare import prepare
from core.finetuning.data.sources import list_examples
from core.finetuning.model.network import load_base
from core.finetuning.training.journal import StepEntry
from core.finetuning.training.session import RunFiles, Session
from core.finetuning.training.trainer import Ending, Trainer
from tests.finetuning.conftest import edm_objective, quick_hyperparameters


def scaling_accelerator(scale: float) -> Accelerator:
    """Accelerate refuses fp16 on a CPU; the scaler itself works there."""
    accelerator = Accelerator(cpu=True)
    accelerator.state._mixed_precision = "fp16"
    accelerator.native_amp = True
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return accelerator


@contextmanager
def training(
    tiny_base: Path, drawings: Path, cache: Path, out: Path, *, steps: int, scale: float
) -> Iterator[tuple[Trainer, RunFiles, Accelerator]]:
    """A trainer in fp16, whose scaler begins at `scale`."""
    hyperparameters = quick_hyperparameters(steps=steps, check_every=100)
    base = load_base(str(tiny_base), None, "fp32")
    data = prepare(list_examples(drawings), base, hyperparameters, cache, (), ProgressBars())
    accelerator = scaling_accelerator(scale)
    files = RunFiles.in_folder(out, hyperparameters, data.key)
    with closing(Session(base, data, edm_objective(base.pipeline), hyperparameters, accelerator)) as session:
        yield session.trainer(hyperparameters, files), files, accelerator


def test_a_scaler_that_starts_too_high_loses_some_steps_and_nothing_else(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path: Path
) -> None:
    run = training(tiny_base, drawings, shared_cache, tmp_path, steps=16, scale=2.0**28)
    with run as (trainer, files, accelerator):
        ending = trainer.run(lambda: False)
    taken = [entry.taken for entry in files.journal.entries() if isinstance(entry, StepEntry)]
    assert ending is Ending.FINISHED
    assert trainer.state.alarms == ()
    assert not taken[0]
    assert taken[-1]
    assert sum(taken) > len(taken) / 2
    assert accelerator.scaler is not None
    assert accelerator.scaler.get_scale() < 2.0**28


def test_a_scaler_that_never_finds_a_scale_ends_the_run_and_says_what_to_do(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path: Path
) -> None:
    """It used to be a finished run of no step, with an adapter that does nothing."""
    with (
        training(tiny_base, drawings, shared_cache, tmp_path, steps=60, scale=2.0**126) as (trainer, _, _),
        pytest.raises(NoLearning, match=r"20 steps in a row .* --precision bf16, or fp32"),
    ):
        trainer.run(lambda: False)
