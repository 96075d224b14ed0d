"""A run that was stopped, at any step and in any way, ends as one that was not."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.cli.progress import ProgressBars
from core.errors import CannotResume
from core.finetuning.run import FinetuneOptions, FinetuneResult, finetune
from core.finetuning.training.batches import TrainingPosition, epoch_order
from core.finetuning.training.checkpoints import KEEP
from core.finetuning.training.guard import SampleStatistics, ValidationResult
from core.finetuning.training.journal import Journal, StepEntry, ValidationEntry
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import quick_hyperparameters
from tests.finetuning.drawings import write_imagefolder

MakeOptions = Callable[..., FinetuneOptions]
HYPERPARAMETERS = quick_hyperparameters(steps=8, accumulation=2, check_every=4, learning_rate=1e-3)


@pytest.fixture(scope="module")
def unbroken(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> FinetuneOptions:
    """A run without a stop, to compare with."""
    out = tmp_path_factory.mktemp("unbroken") / "shapes"
    options = FinetuneOptions(drawings, out, str(tiny_base), HYPERPARAMETERS, cache=shared_cache, cpu=True)
    assert finetune(options, ProgressBars()).ending is Ending.FINISHED
    return options


def losses(options: FinetuneOptions) -> list[tuple[int, float, float]]:
    entries = Journal(options.out / "training" / "journal.jsonl").entries()
    return [(entry.step, entry.loss, entry.gradient_norm) for entry in entries if isinstance(entry, StepEntry)]


def assert_same(options: FinetuneOptions, result: FinetuneResult, unbroken: FinetuneOptions) -> None:
    assert result.ending is Ending.FINISHED
    assert losses(options) == losses(unbroken)
    assert result.adapter is not None
    found, wanted = load_file(result.adapter), load_file(unbroken.out / result.adapter.name)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("stop_at", [1, 6])
def test_stopping_and_resuming_gives_the_same_losses_and_the_same_adapter(
    stop_at: int, make_options: MakeOptions, bars: ProgressBars, unbroken: FinetuneOptions
) -> None:
    options = make_options(hyperparameters=HYPERPARAMETERS)
    asked = iter(range(100))
    stopped = finetune(options, bars, lambda: next(asked) == stop_at)
    assert stopped.ending is Ending.STOPPED
    assert stopped.state.position.step == stop_at
    assert_same(options, finetune(replace(options, resume=True), bars), unbroken)


def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(
    make_options: MakeOptions, bars: ProgressBars, unbroken: FinetuneOptions
) -> None:
    """Killed after step 6: the checkpoint of step 4 is there, that of step 6 half written, the diary cut off."""
    options = make_options(hyperparameters=HYPERPARAMETERS)

    def killed() -> bool:
        raise KeyboardInterrupt

    asked = iter(range(100))
    with pytest.raises(KeyboardInterrupt):
        finetune(options, bars, lambda: next(asked) == 6 and killed())
    work = options.out / "training"
    shutil.copytree(work / "checkpoints" / "attempt-0-step-000004", work / "checkpoints" / ".attempt-0-step-000006.1")
    with (work / "journal.jsonl").open("a") as file:
        file.write('{"kind": "step", "st')
    assert [step for step, *_ in losses(options)] == [1, 2, 3, 4, 5, 6]
    assert_same(options, finetune(replace(options, resume=True), bars), unbroken)


def test_only_the_last_checkpoints_and_the_best_are_kept(unbroken: FinetuneOptions) -> None:
    kept = sorted(path.name for path in (unbroken.out / "training" / "checkpoints").iterdir())
    assert len(kept) <= KEEP + 1
    assert kept[-1] == "attempt-0-step-000008"


def test_a_run_is_not_resumed_with_other_settings_or_other_data(
    make_options: MakeOptions, bars: ProgressBars, unbroken: FinetuneOptions, tmp_path: Path
) -> None:
    other = replace(unbroken, resume=True, hyperparameters=replace(HYPERPARAMETERS, batch_size=4))
    with pytest.raises(CannotResume, match="--batch-size was 2"):
        finetune(other, bars)
    images = write_imagefolder(tmp_path / "more", count=13)
    with pytest.raises(CannotResume, match="have changed"):
        finetune(replace(unbroken, resume=True, images=images), bars)


def test_a_checkpoint_says_where_it_stands(unbroken: FinetuneOptions) -> None:
    path = unbroken.out / "training" / "checkpoints" / "attempt-0-step-000008" / "state.json"
    document = json.loads(path.read_text())
    assert document["good"] is True
    assert document["state"]["step"] == 8
    assert len(document["state"]["base"]["generic"]) == 8


def test_a_journal_keeps_its_words_on_disk(tmp_path: Path) -> None:
    """Runs that were begun by earlier versions are resumed and reported."""
    line = {
        "kind": "look", "step": 4, "attempt": 1, "alarms": ["noise"], "strength": 0.25,
        "reading": {"held_out": [0.5, 0.25], "generic": [1.0], "samples": [{"std": 0.5, "high_frequency": 0.125}]},
    }  # fmt: skip
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text(json.dumps(line) + "\n")
    (entry,) = Journal(old).entries()
    result = ValidationResult((0.5, 0.25), (1.0,), (SampleStatistics(0.5, 0.125),))
    assert entry == ValidationEntry(4, 1, result, ("noise",), 0.25)
    Journal(new).write(entry)
    assert json.loads(new.read_text()) == line


def test_every_image_is_seen_once_an_epoch_and_sizes_do_not_mix() -> None:
    groups = [[0, 1, 2, 3, 4], [5, 6]]
    batches = epoch_order(groups, 2, seed=3)
    seen = [index for batch in batches for index in batch]
    assert set(seen) == set(range(7))
    assert len(seen) == 8, "the odd image's batch is filled up from its own group"
    assert all(set(batch) <= set(groups[0]) or set(batch) <= set(groups[1]) for batch in batches)
    assert epoch_order(groups, 2, seed=3) == batches
    assert epoch_order(groups, 2, seed=4) != batches


def test_a_rolled_back_run_meets_other_noise() -> None:
    seeds = {
        TrainingPosition(step, attempt).seed(base) for step in range(50) for attempt in range(3) for base in range(3)
    }
    assert len(seeds) == 450
