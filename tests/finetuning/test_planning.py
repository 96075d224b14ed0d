"""Settings from the card and the number of pictures, and what happens where the memory is too small after all."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.cli.progress import ProgressBars
from core.errors import OutOfTrainingMemory
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import load_base
from core.finetuning.model.painting import paint
from core.finetuning.model.quantised import Codec, QuantisedLinear
from core.finetuning.planning import FirstSteps, Outlook, fitted, peak_of, seconds_a_step, usual_steps
from core.finetuning.run import FinetuneOptions, finetune
from core.finetuning.training import batches
from core.finetuning.training.journal import StepEntry
from core.finetuning.training.settings import read_settings
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import TrainedRun, quick_hyperparameters

MakeOptions = Callable[..., FinetuneOptions]


def told(bars: ProgressBars) -> str:
    return str(bars.console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("pictures", "batch", "steps"), [(12, 4, 300), (60, 4, 600), (1000, 4, 4000), (1000, 16, 2500)]
)
def test_each_picture_is_learnt_from_forty_times(pictures: int, batch: int, steps: int) -> None:
    assert usual_steps(pictures, batch) == steps


def test_the_card_chooses_what_the_person_left_open(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # which keeps the optimiser's moments in 8 bits
    base = load_base(str(tiny_base), None, "fp32")
    wanted = Hyperparameters(rank=8, precision="fp32", batch_size=64)
    found = fitted(base, wanted, 32, card=8)
    assert found == replace(wanted, batch_size=4)
    assert 1 < peak_of(base, found) < 1.1, "a tiny network takes little beside the overhead"
    with pytest.raises(OutOfTrainingMemory, match=r"Nothing fits 0\.5 GB"):
        fitted(base, wanted, 32, card=0.5)


def test_a_guess_of_the_time_grows_with_the_work(tiny_base: Path) -> None:
    base = load_base(str(tiny_base), None, "fp32")
    one, two = (
        seconds_a_step(base, quick_hyperparameters(batch_size=size), 32, torch.device("cpu")) for size in (1, 1000)
    )
    assert 0 < one < two


def test_three_steps_tell_how_long_the_rest_takes() -> None:
    lines: list[str] = []
    first = FirstSteps(lambda steps, seconds: Outlook(18, 2, steps, seconds), lines.append)
    for number, seconds in enumerate((30.0, 2.0, 1.4, 1.4, 1.4), start=1):
        first.took(StepEntry(number, 0, 0.5, 1e-4, 1.0, seconds, True), 603)
    assert lines == ["18 pictures to learn from, 2 held out, 603 steps, 14 min"]


def test_a_quantised_base_is_trained_through(
    make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    encode = QuantisedLinear.__init__

    def counted(self: QuantisedLinear, layer: torch.nn.Linear, codec: Codec) -> None:
        seen.append(layer.in_features)
        encode(self, layer, codec)

    monkeypatch.setattr(QuantisedLinear, "__init__", counted)
    result = finetune(make_options(hyperparameters=quick_hyperparameters(steps=2, base_weights="int8")), bars)
    assert result.ending is Ending.FINISHED
    assert result.adapter is not None
    assert len(seen) > 50


def test_where_a_batch_does_not_fit_half_of_it_is_taken_twice_as_often(
    make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory is full at step 6; the run goes on from the checkpoint of step 4."""
    whole, calls = batches.batch_losses, iter(range(1000))

    def batch_losses(batch: Any, *others: Any) -> Any:
        if next(calls) >= 5 and len(batch.latents) > 1:
            raise torch.OutOfMemoryError("no memory left")
        return whole(batch, *others)

    monkeypatch.setattr("core.finetuning.training.session.batch_losses", batch_losses)
    options = make_options(hyperparameters=quick_hyperparameters(steps=8, check_every=4, batch_size=2))
    result = finetune(options, bars)
    assert result.ending is Ending.FINISHED
    assert "2 pictures at once do not fit into the memory" in told(bars)
    assert "resumed at step 4" in told(bars)
    settings = read_settings(options.out / "training")
    assert settings is not None
    assert (settings.hyperparameters.batch_size, settings.hyperparameters.accumulation) == (1, 2)
    assert settings.changes == ({"batch_size": 2, "accumulation": 1},)


def test_where_the_first_look_does_not_fit_the_run_is_begun_anew_and_nothing_older_gone_on_with(
    trained: TrainedRun, make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = make_options(hyperparameters=quick_hyperparameters(steps=2, check_every=2, batch_size=2))
    shutil.copytree(trained.options.out, options.out)
    calls = iter(range(1000))

    def full_at_first(*values: Any, **named: Any) -> Any:
        if next(calls) == 0:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GiB)")  # as a Mac says it
        return paint(*values, **named)

    monkeypatch.setattr("core.finetuning.training.readings.paint", full_at_first)
    result = finetune(replace(options, restart=True), bars)
    assert result.ending is Ending.FINISHED
    assert "begun anew with 1 at once, 2 times a step" in told(bars)
    assert "resumed" not in told(bars)


def test_it_is_halved_once_only(make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("no memory left")

    monkeypatch.setattr("core.finetuning.training.session.batch_losses", full)
    with pytest.raises(OutOfTrainingMemory, match="--vram"):
        finetune(make_options(hyperparameters=quick_hyperparameters(batch_size=4)), bars)
    assert told(bars).count("at once do not fit") == 1
