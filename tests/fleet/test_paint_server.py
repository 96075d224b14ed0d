"""The program itself: `imagine-sound paint-server` with the bundled model, and an engine that paints through two."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.cli.doctor_painters import painter as painter_finding
from core.cli.main import main
from core.engine import Engine
from core.errors import ExitCode
from core.generation.protocol import Painted
from core.options import ImagineOptions
from core.pictures import to_png
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

TOKEN = "a long secret"


@contextmanager
def paint_server(model: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that paints with `model`, and its address."""
    chosen = {"DOWNLOAD_MODELS": "off", "IMAGE_MODEL": model, "MAX_BATCH": "1", "PAINTER_TOKEN": TOKEN}
    environment = {**os.environ, **chosen}
    command = [sys.executable, "-m", "core", "paint-server", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[4].rstrip(";")
        process.kill()


async def painted(engine: Engine, seed: int) -> bytes:
    options = ImagineOptions(seed=seed, steps=4)
    async for event in engine.paint(Prompt(f"a dog {seed}", ""), options):
        if isinstance(event, Painted):
            return to_png(event.picture)
    raise AssertionError


async def all_painted(settings: CoreSettings, kill: subprocess.Popen[str] | None = None) -> list[bytes]:
    async with Engine(settings) as engine:
        pictures = [asyncio.create_task(painted(engine, seed)) for seed in range(8)]
        if kill is not None:
            await asyncio.wait(pictures, return_when=asyncio.FIRST_COMPLETED)
            kill.send_signal(signal.SIGKILL)
        return await asyncio.gather(*pictures)


async def test_pictures_are_the_same_elsewhere_though_a_painter_is_killed(settings: CoreSettings) -> None:
    settings = settings.model_copy(update={"max_batch": 1})  # in a batch of another size the last bits differ
    here = await all_painted(settings)
    with paint_server(settings.image_model) as (first, one), paint_server(settings.image_model) as (_, other):
        there = settings.model_copy(update={"painters": (one, other), "painter_token": SecretStr(TOKEN)})
        assert await all_painted(there, kill=first) == here
        well = await asyncio.to_thread(painter_finding, other, there)
        assert "2 places" in str(well)
        stranger = await asyncio.to_thread(painter_finding, other, settings)
        assert "PAINTER_TOKEN" in str(stranger)
        gone = await asyncio.to_thread(painter_finding, one, there)
        assert "See whether `imagine-sound paint-server` runs there" in str(gone)


def test_it_ends_when_it_is_told_to() -> None:
    with paint_server("auto") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == ExitCode.DONE


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("--host", "0.0.0.0"), {}, "needs PAINTER_TOKEN"),
        ((), {"PAINTERS": "http://gpu1:8090"}, "leave it empty"),
        ((), {"PAINTERS": "gpu1:8090"}, "addresses such as"),
        (("--host", "203.0.113.1"), {"PAINTER_TOKEN": TOKEN}, "cannot listen"),
    ],
)
def test_what_is_wrong_is_told_at_once(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert main(["paint-server", *arguments]) == ExitCode.BAD_INPUT
    assert says in capsys.readouterr().err
