"""fp16 training needs a loss scaler; its search for a scale must not look like divergence."""

from pathlib import Path

import torch
from accelerate import Accelerator

from core.cli.progress import ProgressBars
from core.finetuning.data.prepare import prepare
from core.finetuning.data.sources import list_examples
from core.finetuning.model.network import load_base
from core.finetuning.training.journal import StepEntry
from core.finetuning.training.session import RunFiles, Session
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import edm_objective, quick_hyperparameters


def scaling_accelerator(scale: float) -> Accelerator:
    """Accelerate refuses fp16 on a CPU; the scaler itself works there."""
    accelerator = Accelerator(cpu=True)
    accelerator.state._mixed_precision = "fp16"
    accelerator.native_amp = True
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return accelerator


def test_a_scaler_that_starts_too_high_loses_some_steps_and_nothing_else(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path: Path, bars: ProgressBars
) -> None:
    hyperparameters = quick_hyperparameters(steps=16, check_every=100)
    base = load_base(str(tiny_base), None, "fp32")
    data = prepare(list_examples(drawings), base, hyperparameters, shared_cache, (), bars)
    accelerator = scaling_accelerator(2.0**28)
    session = Session(base, data, edm_objective(base.pipeline), hyperparameters, accelerator)
    files = RunFiles.in_folder(tmp_path, hyperparameters, data.key)
    trainer = session.trainer(hyperparameters, files)
    try:
        ending = trainer.run(lambda: False)
    finally:
        session.close()
    taken = [entry.taken for entry in files.journal.entries() if isinstance(entry, StepEntry)]
    assert ending is Ending.FINISHED
    assert trainer.state.alarms == ()
    assert not taken[0]
    assert taken[-1]
    assert sum(taken) > len(taken) / 2
    assert accelerator.scaler is not None
    assert accelerator.scaler.get_scale() < 2.0**28
