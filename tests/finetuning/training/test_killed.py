"""A run that is interrupted, killed, or finds the disk full at any moment, and is resumed, ends as one that was not.

A real process is signalled, most often inside looks and saves, for these take most of the time. `make tables` tries
forty moments of each kind.
"""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from core import files
from core.cli.progress import ProgressBars
from core.errors import DiskFull
from core.finetuning.run import FinetuneOptions, finetune
from core.finetuning.training import disk
from core.finetuning.training import journal as journal_module
from core.finetuning.training.journal import EventEntry, Journal
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import quick_hyperparameters
from tests.finetuning.same_end import assert_same, losses
from tests.tables import part

HYPERPARAMETERS = quick_hyperparameters(
    steps=12, alpha=4.0, warmup_steps=100, check_every=4, learning_rate=1e-3, prior_share=0.0
)
MOMENTS = [(number, random.Random(number).randint(0, 14), random.Random(number).random()) for number in range(40)]
"""How many lines of the diary to wait for, and what part of a second longer."""


@pytest.fixture(scope="module")
def unbroken(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> FinetuneOptions:
    """A run that nothing disturbs, to compare with."""
    out = tmp_path_factory.mktemp("undisturbed") / "shapes"
    options = FinetuneOptions(drawings, out, str(tiny_base), HYPERPARAMETERS, cache=shared_cache, cpu=True)
    result = finetune(options, ProgressBars())
    assert result.ending is Ending.FINISHED
    assert result.kept is not None
    assert result.kept.step == 12, "the last look's adapter is kept, whichever other one was lost"
    return options


def command(options: FinetuneOptions) -> list[str]:
    words = [sys.executable, "-m", "core", "finetune", "--images", options.images, "--out", options.out, "--cpu"]
    words += ["--base", options.base, "--cache", options.cache, "--steps", "12", "--rank", "4", "--warmup-steps", "100"]
    words += ["--batch-size", "2", "--held-out", "0.25", "--sample-steps", "2", "--check-every", "4"]
    return [str(word) for word in [*words, "--learning-rate", "1e-3", "--prior-share", "0"]]


def assert_nothing_half_written(options: FinetuneOptions) -> None:
    assert not [path.name for path in options.out.rglob("*") if path.name.startswith(".part-")]


@pytest.mark.table
@pytest.mark.parametrize(("number", "lines", "more"), part(MOMENTS, every=40))
@pytest.mark.parametrize("kind", [signal.SIGKILL, *part([signal.SIGTERM, signal.SIGINT], every=2)])
def test_a_signal_at_any_moment_changes_nothing_in_the_end(
    kind: signal.Signals, number: int, lines: int, more: float, unbroken: FinetuneOptions, tmp_path: Path
) -> None:
    options = replace(unbroken, out=tmp_path / "shapes")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LOG_LEVEL": "ERROR"}
    journal = options.out / "training" / "journal.jsonl"
    with subprocess.Popen(command(options), env=environment, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < until:
            if journal.is_file() and journal.read_bytes().count(b"\n") >= lines:
                break
            time.sleep(0.01)
        time.sleep(more)
        process.send_signal(kind)
    begun = any((options.out / "training" / name).is_dir() for name in ("judged", "stopped"))
    again = finetune(replace(options, resume=begun), ProgressBars())
    assert_same(options, again, unbroken)
    assert_nothing_half_written(options)


@pytest.mark.table
@pytest.mark.parametrize("call", part([random.Random(number).randint(13, 60) for number in range(40)], every=20))
def test_a_disk_that_is_full_for_a_moment_changes_nothing_in_the_end(
    call: int, unbroken: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: ProgressBars
) -> None:
    options = replace(unbroken, out=tmp_path / "shapes")
    monkeypatch.setattr(disk, "os", failing_at(call))
    try:
        result = finetune(options, bars)
    except DiskFull:
        result = finetune(replace(options, resume=True), bars)
    assert_same(options, result, unbroken)
    assert_nothing_half_written(options)


def test_a_full_disk_at_a_look_is_told_and_training_goes_on(
    unbroken: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: ProgressBars
) -> None:
    options = replace(unbroken, out=tmp_path / "shapes")
    monkeypatch.setattr(disk, "os", failing_at(26))
    assert_same(options, finetune(options, bars), unbroken)
    assert_nothing_half_written(options)
    events = [entry.text for entry in Journal(options.out / "training" / "journal.jsonl").entries()
              if isinstance(entry, EventEntry)]  # fmt: skip
    assert events == ["no checkpoint since step 1: the disk is full"]
    assert not (options.out / "training" / "judged" / "attempt-0-step-000004").exists()


def test_without_room_for_the_beginning_a_run_does_not_begin(
    unbroken: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: ProgressBars
) -> None:
    monkeypatch.setattr(disk, "os", failing_at(1))
    with pytest.raises(DiskFull, match="The disk is full: the run cannot begin"):
        finetune(replace(unbroken, out=tmp_path / "shapes"), bars)


def test_without_room_for_the_page_the_run_goes_on_and_in_the_end_says_what_to_do(
    unbroken: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: ProgressBars
) -> None:
    settle = files._settle

    def full(file: Path) -> None:
        if "index.html" in file.name:
            raise OSError(errno.ENOSPC, "no space left on device")
        settle(file)

    monkeypatch.setattr(files, "_settle", full)
    options = replace(unbroken, out=tmp_path / "shapes")
    with pytest.raises(DiskFull, match="Make room and give the same command with --resume"):
        finetune(options, bars)
    assert losses(options) == losses(unbroken)


def test_the_diary_waits_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diary = Journal(tmp_path / "journal.jsonl")
    entries = [EventEntry(step, 0, f"step {step}") for step in range(4)]
    diary.write(entries[0])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "append", full)
        for entry in entries[1:3]:
            diary.write(entry)
    diary.write(entries[3])
    assert diary.entries() == entries


def failing_at(call: int) -> SimpleNamespace:
    """`os`, which finds the disk full at the so manieth time that something is to be written durably."""
    calls = iter(range(1, 10_000))

    def fsync(handle: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, "no space left on device")
        os.fsync(handle)

    return SimpleNamespace(**{**vars(os), "fsync": fsync})
