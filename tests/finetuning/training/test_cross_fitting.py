"""Of few pictures none is kept for validation: how long to learn is found by learning from halves."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.cli.progress import ProgressBars
from core.finetuning.model.adapter_file import read_metadata
from core.finetuning.run import FinetuneOptions, FinetuneResult, finetune
from core.finetuning.training.cross_fitting import steps_of
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import quick_hyperparameters

FEW = quick_hyperparameters(steps=16, check_every=16, held_out=None, sample_steps=1)


def test_all_steps_are_taken_while_both_halves_get_better() -> None:
    assert steps_of([[(5, 0.9), (10, 0.8)], [(5, 0.9), (10, 0.85)]], 40) == 40


def test_no_more_steps_are_taken_than_were_good_for_both_halves() -> None:
    assert steps_of([[(5, 0.8), (10, 0.9), (15, 1.1)], [(5, 0.9), (10, 0.7), (15, 0.9)]], 60) == 10


def test_a_little_noise_is_no_over_training() -> None:
    assert steps_of([[(5, 0.800), (10, 0.805)], [(5, 0.800), (10, 0.805)]], 40) == 40


def test_only_what_both_halves_measured_counts() -> None:
    """The guard may have ended one of them early."""
    assert steps_of([[(5, 0.8), (10, 0.9)], [(5, 0.8)]], 40) == 40
    assert steps_of([[(5, 0.8)], []], 40) == 40


@pytest.fixture(scope="module")
def few(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FinetuneResult, FinetuneOptions]:
    """A run on twelve drawings."""
    out = tmp_path_factory.mktemp("few") / "shapes"
    options = FinetuneOptions(drawings, out, str(tiny_base), FEW, cache=shared_cache, cpu=True)
    return finetune(options, ProgressBars()), options


def test_a_run_on_few_pictures_learns_from_all(few: tuple[FinetuneResult, FinetuneOptions]) -> None:
    result, options = few
    assert result.ending is Ending.FINISHED
    assert result.adapter is not None
    data = json.loads(read_metadata(result.adapter)["imagine_sound.data"])
    assert (data["training_images"], data["held_out_images"], data["cross_fitted"]) == (12, 0, True)
    assert "none held out: cross-fitted" in result.report.read_text()
    assert 1 <= json.loads((options.out / "training" / "cross_fitting.json").read_text())["steps"] <= FEW.steps


def test_a_resumed_run_keeps_its_steps_and_the_halves_leave_no_trace(
    few: tuple[FinetuneResult, FinetuneOptions], bars: ProgressBars, tmp_path: Path
) -> None:
    result, options = few
    alone = replace(options, out=tmp_path / "alone", resume=True)
    shutil.copytree(options.out, alone.out)
    first, *later = sorted((alone.out / "training" / "judged").iterdir())
    assert later
    for checkpoint in later:  # as if it had been killed after its first look
        shutil.rmtree(checkpoint)
    assert first.name == "attempt-0-step-000001"
    without = finetune(alone, bars)
    assert result.adapter is not None
    assert without.adapter is not None
    one, other = load_file(result.adapter), load_file(without.adapter)
    assert all(torch.equal(one[name], other[name]) for name in one)
