"""`doctor` says the plan for a GPU's memory, and nothing of it where nothing is planned."""

import pytest
import torch

from core.cli.doctor import checks
from core.errors import ModelUnusable
from core.generation import loading, placing
from core.generation.residence import Card
from core.settings import PLAYGROUND, CoreSettings

GPU = torch.device("cuda")


def memory_check(monkeypatch: pytest.MonkeyPatch, device: torch.device, *, total: int, free: int) -> str | None:
    monkeypatch.setattr(loading, "choose_device", lambda _: device)
    monkeypatch.setattr(placing, "card_of", lambda _: Card(free, total))
    for name, check in checks(CoreSettings(image_model=PLAYGROUND)):
        if name == "memory":
            return check()
    return None


def test_plan_of_a_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = memory_check(monkeypatch, GPU, total=8_600_000_000, free=8_000_000_000)
    assert said is not None
    assert said.startswith(
        "8.6 GB, 8.0 GB free: text encoders in main memory, UNet in two-byte floats, up to 4 pictures"
    )


def test_gpu_that_is_too_small_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelUnusable, match="IMAGE_MODEL"):
        memory_check(monkeypatch, GPU, total=4_300_000_000, free=3_700_000_000)


def test_nothing_is_said_on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_check(monkeypatch, torch.device("cpu"), total=0, free=0) is None
