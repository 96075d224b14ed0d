"""`doctor` says the plan for a GPU's memory and what is compiled, and nothing of it where that is no matter."""

import shutil
from pathlib import Path

import pytest
import torch

from core.cli.doctor import checks
from core.errors import ModelUnusable
from core.generation import loading, placing
from core.generation.residence import Card
from core.official import PLAYGROUND
from core.settings import CoreSettings

GPU = torch.device("cuda")


def memory_check(monkeypatch: pytest.MonkeyPatch, device: torch.device, *, total: int, free: int) -> str | None:
    monkeypatch.setattr(loading, "choose_device", lambda _: device)
    monkeypatch.setattr(placing, "card_of", lambda _: Card(free, total))
    for name, check in checks(CoreSettings(image_model=PLAYGROUND)):
        if name == "memory":
            return str(check())
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


@pytest.mark.parametrize(
    ("setting", "device", "compiler", "said"),
    [
        ("auto", GPU, "/usr/bin/gcc", "part by part while nobody waits, with /usr/bin/gcc; nothing of it is in"),
        ("whole", GPU, "/usr/bin/gcc", "all of the model at once, which takes minutes while nobody waits"),
        ("auto", GPU, None, "not possible, since there is no C compiler: install gcc"),
        ("off", GPU, "/usr/bin/gcc", "COMPILE_MODEL=off"),
        ("auto", torch.device("cpu"), "/usr/bin/gcc", "nothing is compiled on a processor"),
    ],
)
def test_what_is_compiled_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, device: torch.device, compiler: str | None, said: str
) -> None:
    monkeypatch.setattr(loading, "choose_device", lambda _: device)
    monkeypatch.setattr(shutil, "which", lambda _: compiler)
    settings = CoreSettings(image_model=PLAYGROUND, compile_model=setting, model_cache=tmp_path)
    [check] = [check for name, check in checks(settings) if name == "compiling"]
    assert said in str(check())
    settings.compile_cache.mkdir()
    (settings.compile_cache / "kernel.so").write_bytes(bytes(2_000_000))
    assert ("2 MB of it are in" in str(check())) == ("COMPILE_MODEL" not in said and "processor" not in said)
