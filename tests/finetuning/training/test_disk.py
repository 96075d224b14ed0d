"""A run and its disk: asked for room at first, and shared with nobody. What a full disk does is in test_killed."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli.progress import ProgressBars
from core.errors import DiskFull, PlaceInUse
from core.finetuning.run import FinetuneOptions, finetune
from core.finetuning.training.disk import needed_bytes
from core.finetuning.training.lock import only_run_in
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import quick_hyperparameters

MakeOptions = Callable[..., FinetuneOptions]


class TestFullDisk:
    def test_it_is_asked_for_room_before_the_first_step(
        self, make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        options = make_options()
        with pytest.raises(DiskFull, match=r"0\.00 GB free .* needs about"):
            finetune(options, bars)
        assert not (options.out / "training" / "journal.jsonl").exists()

    def test_a_run_needs_room_for_its_checkpoints_and_samples(self) -> None:
        checkpoints = needed_bytes(weights=23_000_000, checkpoints=3, looks=0, pictures=0, side=1024)
        assert checkpoints == 23_000_000 * (16 * 4 + 8)
        assert needed_bytes(23_000_000, 3, looks=9, pictures=4, side=1024) - checkpoints == 10 * 4 * 1024**2 * 3


class TestTwoRuns:
    def test_a_second_run_in_one_place_refuses_and_the_first_ends_well(
        self, make_options: MakeOptions, bars: ProgressBars
    ) -> None:
        options = make_options(hyperparameters=quick_hyperparameters(steps=2, check_every=100))
        refused: list[str] = []

        def start_another() -> bool:
            if not refused:
                with pytest.raises(PlaceInUse) as error:
                    finetune(replace(options, restart=True), bars)
                refused.append(str(error.value))
            return False

        first = finetune(options, bars, start_another)
        assert first.ending is Ending.FINISHED
        assert first.adapter is not None
        assert f"already works in {options.out}" in refused[0]
        assert "(process " in refused[0]

    def test_what_a_killed_run_left_is_taken_over(self, tmp_path: Path) -> None:
        code = (
            "import os, sys; from pathlib import Path; from core.finetuning.training.lock import only_run_in\n"
            "with only_run_in(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
        )
        killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=120)
        assert killed.returncode == -9
        assert (tmp_path / "lock.json").is_file(), "it could not clean up"
        with only_run_in(tmp_path):
            pass
        assert not (tmp_path / "lock.json").exists()
