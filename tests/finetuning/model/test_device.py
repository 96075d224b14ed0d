"""GPUs of any maker. There is none here, so that torch's own answers about them are given by the tests."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.cli import evaluate, finetune
from core.cli.training_arguments import add_evaluate_hands_arguments, add_finetune_arguments
from core.errors import InvalidHyperparameters
from core.finetuning.model.device import best_precision, device_for, free_gib, gpu, whole_gib
from core.finetuning.model.quantised import best_quantising
from core.finetuning.planning import Outlook

GB = 2**30
MAKERS = ("cuda", "xpu", "mps")


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The machine has a GPU of this kind with 16 GiB, of which 12 are free."""

    def make(kind: str | None, *, bf16: bool = True) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
        monkeypatch.setattr(torch.xpu, "is_available", lambda: kind == "xpu")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "mps")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bf16)
        monkeypatch.setattr(torch.xpu, "is_bf16_supported", lambda **_: bf16)
        monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_: bf16)
        for library in (torch.cuda, torch.xpu):
            monkeypatch.setattr(library, "mem_get_info", lambda *_: (12 * GB, 16 * GB))
        monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 16 * GB)
        monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 4 * GB)

    return make


@pytest.mark.parametrize("kind", MAKERS)
def test_it_is_found_whoever_made_it(kind: str, has: Callable[..., None]) -> None:
    has(kind)
    device = device_for(cpu=False)
    assert device == gpu() == torch.device(kind)
    assert (free_gib(device), whole_gib(device)) == (12, 16)
    assert str(Outlook(18, 2, 600, 840, 13.5)).endswith("14 min, 13.5 of 16 GiB")


@pytest.mark.parametrize(("kind", "without"), [("cuda", "fp16"), ("xpu", "fp16"), ("mps", "fp32")])
def test_it_trains_in_bf16_where_it_can(kind: str, without: str, has: Callable[..., None]) -> None:
    has(kind)
    assert best_precision("auto", cpu=False) == "bf16"
    has(kind, bf16=False)
    assert best_precision("auto", cpu=False) == without
    assert best_precision("bf16", cpu=False) == "bf16", "as the person wants"


def test_without_one_the_cpu_must_be_wanted(has: Callable[..., None]) -> None:
    has(None)
    with pytest.raises(InvalidHyperparameters, match="--cpu"):
        best_precision("auto", cpu=False)
    assert best_precision("auto", cpu=True) == "fp32"
    assert str(Outlook(18, 2, 600, 840, 13.5)).endswith("13.5 GiB")


@pytest.mark.parametrize("kind", MAKERS)
def test_commands_take_it(kind: str, has: Callable[..., None], tmp_path: Path) -> None:
    has(kind)
    parser = argparse.ArgumentParser()
    add_finetune_arguments(parser)
    options = finetune.options_from(parser.parse_args(["photos", "--base", "x"]))
    assert (options.card, options.hyperparameters.precision) == (12, "bf16")
    parser = argparse.ArgumentParser()
    add_evaluate_hands_arguments(parser)
    words = ["--adapter", str(tmp_path), "--base", "x", "--hand-model", str(tmp_path)]
    assert evaluate.options_from(parser.parse_args(words)).device == kind


def test_4_bits_are_not_for_apples(has: Callable[..., None]) -> None:
    """bitsandbytes has no code for them."""
    has("mps")
    assert best_quantising() == "int8"
