"""Several cards in one machine: a process each, of which one may be lost without anybody's picture."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.engine import Engine
from core.errors import ModelUnusable
from core.fleet.devices import Card, cards_of, visible_gpus
from core.fleet.fleet import Fleet
from core.settings import CoreSettings
from tests.fleet.test_paint_server import painted
from tests.generation.scripted import wait_until


@pytest.mark.parametrize(
    ("device", "visible", "found"),
    [
        ("all", ["0", "1"], ["0", "1"]),
        ("cuda:1", ["0", "1"], ["1"]),
        ("cuda:1,cuda:0", ["4", "GPU-7"], ["GPU-7", "4"]),
    ],
)
def test_a_process_sees_only_its_own_card(device: str, visible: list[str], found: list[str]) -> None:
    cards = cards_of(device, visible)
    assert [card.environment for card in cards] == [{"DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": one} for one in found]


def test_processors_are_cards_too() -> None:
    assert cards_of("cpu,cpu", []) == [Card("cpu", {"DEVICE": "cpu"})] * 2


@pytest.mark.parametrize(("device", "says"), [("all", "lists no GPU"), ("cuda:0,cuda:1", "cuda:0, but there are 0")])
def test_a_card_that_is_not_there_is_said(device: str, says: str) -> None:
    with pytest.raises(ModelUnusable, match=says):
        cards_of(device, [])


def test_gpus_are_those_that_may_be_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2, GPU-5"}) == ["2", "GPU-5"]
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: H200 (UUID: x)'\necho 'GPU 1: H200 (UUID: y)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert visible_gpus({}) == ["0", "1"]
    tool.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == []


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu;cpu", "all,cpu", "", "cuda:0,"])
def test_what_names_no_device_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match="device"):
        CoreSettings(device=device)


def children() -> set[int]:
    """This process's own."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True)
    return {int(pid) for pid in found.stdout.split() if "paint-server" in command_of(int(pid))}


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_card_that_is_lost_costs_its_own_process_and_another_is_started(settings: CoreSettings) -> None:
    two = settings.model_copy(update={"device": "cpu,cpu", "download_models": False})
    async with Engine(two) as engine:
        pictures = [asyncio.create_task(painted(engine, seed)) for seed in range(8)]
        await asyncio.wait(pictures, return_when=asyncio.FIRST_COMPLETED)
        first = children()
        assert len(first) == 2
        os.kill(min(first), signal.SIGKILL)
        await asyncio.gather(*pictures)
        fleet = await engine.generator()
        assert isinstance(fleet, Fleet)
        await asyncio.to_thread(wait_until, lambda: len(children() - first) == 1)
    assert not children()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_processes_end_with_the_one_that_started_them_however_it_ends() -> None:
    script = (
        "import time; from core.fleet.devices import Card, Worker\n"
        "worker = Worker(Card('cpu', {'DEVICE': 'cpu', 'DOWNLOAD_MODELS': 'off'}), 'secret')\n"
        "print(worker._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert "paint-server" in command_of(pid)
        parent.kill()
    wait_until(lambda: not command_of(pid))
