"""A run that was stopped, at any step and in any way, ends as one that was not."""

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from accelerate.state import AcceleratorState

from core.cli.progress import ProgressBars
from core.errors import CannotResume
from core.finetuning.run import FinetuneOptions, finetune
from core.finetuning.training.batches import TrainingPosition
from core.finetuning.training.checkpoints import KEEP
from core.finetuning.training.guard import Draw, Reading
from core.finetuning.training.journal import Journal, ValidationEntry
from core.finetuning.training.settings import read_settings
from core.finetuning.training.spectrum import SampleStatistics
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import quick_hyperparameters
from tests.finetuning.drawings import write_imagefolder
from tests.finetuning.same_end import assert_same, losses
from tests.tables import part

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


@pytest.mark.table
@pytest.mark.parametrize("stop_at", part([1, 6], every=2))
def test_stopping_and_resuming_gives_the_same_losses_and_the_same_adapter(
    stop_at: int, make_options: MakeOptions, bars: ProgressBars, unbroken: FinetuneOptions
) -> None:
    options = make_options(hyperparameters=HYPERPARAMETERS)
    asked = iter(range(100))
    stopped = finetune(options, bars, lambda: next(asked) == stop_at)
    assert stopped.ending is Ending.STOPPED
    assert stopped.state.position.step == stop_at
    assert_same(options, finetune(replace(options, resume=True), bars), unbroken)


def test_looks_by_time_survive_a_stop_and_change_nothing_in_what_is_learnt(
    make_options: MakeOptions, bars: ProgressBars, unbroken: FinetuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(step=50.0)  # a step takes 50 s, a look too
    monkeypatch.setattr("core.finetuning.training.trainer.time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    options = make_options(hyperparameters=replace(HYPERPARAMETERS, check_every=None))
    asked = iter(range(100))
    assert finetune(options, bars, lambda: next(asked) == 5).ending is Ending.STOPPED
    assert_same(options, finetune(replace(options, resume=True), bars), unbroken)
    entries = Journal(options.out / "training" / "journal.jsonl").entries()
    assert [entry.step for entry in entries if isinstance(entry, ValidationEntry)] == [0, 3, 8]


def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(
    make_options: MakeOptions, bars: ProgressBars, unbroken: FinetuneOptions
) -> None:
    """Killed after step 6: the checkpoint of step 4 is there, a later one half written, the diary cut off."""
    options = make_options(hyperparameters=HYPERPARAMETERS)

    def killed() -> bool:
        raise KeyboardInterrupt

    asked = iter(range(100))
    with pytest.raises(KeyboardInterrupt):
        finetune(options, bars, lambda: next(asked) == 6 and killed())
    work = options.out / "training"
    shutil.copytree(work / "judged" / "attempt-0-step-000004", work / "judged" / ".part-1-attempt-0-step-000006")
    with (work / "journal.jsonl").open("a") as file:
        file.write('{"kind": "step", "st')
    assert [step for step, *_ in losses(options)][:4] == [1, 2, 3, 4]
    assert_same(options, finetune(replace(options, resume=True), bars), unbroken)


def test_only_the_last_checkpoints_and_the_best_are_kept(unbroken: FinetuneOptions) -> None:
    kept = sorted(path.name for path in (unbroken.out / "training" / "judged").iterdir())
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


def test_a_run_goes_on_in_another_precision_with_other_looks_and_for_more_steps(
    make_options: MakeOptions, bars: ProgressBars
) -> None:
    """A notebook gets another GPU each day."""
    options = make_options(hyperparameters=quick_hyperparameters(steps=2, check_every=2, batch_size=2))
    finetune(options, bars)
    AcceleratorState._reset_state(reset_partial_state=True)  # as another process has it
    longer = replace(options.hyperparameters.continued_for(4), precision="bf16", check_every=1, batch_size=1)
    result = finetune(replace(options, resume=True, hyperparameters=replace(longer, accumulation=2)), bars)
    assert result.ending is Ending.FINISHED
    assert result.state.position.step == 4
    assert [step for step, *_ in losses(options)] == [1, 2, 3, 4]
    settings = read_settings(options.out / "training")
    assert settings is not None
    (before,) = settings.changes
    assert before["precision"] == "fp32"


def test_a_checkpoint_says_where_it_stands(unbroken: FinetuneOptions) -> None:
    path = unbroken.out / "training" / "judged" / "attempt-0-step-000008" / "state.json"
    document = json.loads(path.read_text())
    assert document["state"]["step"] == 8
    assert len(document["state"]["base"]["base"][0]["generic"]) == 16


def test_a_journal_keeps_its_words_on_disk(tmp_path: Path) -> None:
    """Runs are resumed and reported by later versions."""
    line = {
        "kind": "look", "step": 4, "attempt": 1, "alarms": ["noise"], "strength": 0.25, "seconds": 2.5,
        "reading": {
            "losses": {"held_out": [[0.5, 0.25]], "generic": [[1.0, 2.0]]},
            "samples": [{"std": 0.5, "high_frequency": 0.125}],
        },
    }  # fmt: skip
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text(json.dumps(line) + "\n")
    (entry,) = Journal(old).entries()
    result = Reading(Draw(((0.5, 0.25),), ((1.0, 2.0),)), (SampleStatistics(0.5, 0.125),))
    assert entry == ValidationEntry(4, 1, result, ("noise",), 0.25, 2.5)
    Journal(new).write(entry)
    assert json.loads(new.read_text()) == line


def test_a_rolled_back_run_meets_other_noise() -> None:
    seeds = {
        TrainingPosition(step, attempt).seed(base) for step in range(50) for attempt in range(3) for base in range(3)
    }
    assert len(seeds) == 450
