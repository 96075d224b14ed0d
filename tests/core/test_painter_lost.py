"""The engine whose painter hangs: everybody is told, it says so to its owner, and it is closed at once."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

import core.engine
from core.cli.main import main
from core.engine import Engine
from core.errors import PainterLost, ShuttingDown
from core.events import Event
from core.generation.batcher import Batcher
from core.generation.protocol import ImageGenerator, Painted
from core.generation.watch import Patience
from core.prompting.prompt import Prompt
from core.settings import CoreSettings
from tests.generation.scripted import ScriptedModel

PATIENT = Patience()
IMPATIENT = Patience(stall_s=0.4)
LONGEST_CLOSING_S = 3.3


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    made = ScriptedModel()
    yield made
    made.released.set()


def painted_by(
    model: ScriptedModel, patience: Patience, load: Callable[[], object] = lambda: None
) -> Callable[..., ImageGenerator]:
    """Makes the real batcher around `model`; `load` is what loading it takes."""

    def loading() -> ScriptedModel:
        load()
        return model

    return lambda *_: Batcher(loading, max_batch=2, max_waiting=10, patience=patience)


async def paint(engine: Engine, text: str) -> list[Event]:
    async with aclosing(engine.paint(Prompt(text, ""))) as events:
        return [event async for event in events]


async def begun(model: ScriptedModel, text: str) -> None:
    while ("step", (text,)) not in model.log:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.01)


async def closing_takes(engine: Engine) -> float:
    began = time.monotonic()
    await engine.close()
    return time.monotonic() - began


async def test_painter_that_hangs_is_told_to_whoever_asks_and_to_the_owner(
    settings: CoreSettings, model: ScriptedModel
) -> None:
    engine = Engine(settings, make_generator=painted_by(model, IMPATIENT))
    losing = asyncio.create_task(engine.lost())
    assert isinstance((await paint(engine, "a dog"))[-1], Painted)
    assert not losing.done()

    askers = [asyncio.create_task(paint(engine, "hangs"))]
    await begun(model, "hangs")
    askers += [asyncio.create_task(paint(engine, text)) for text in ("beside", "waiting")]
    await asyncio.wait_for(losing, 10)
    for asker in askers:
        with pytest.raises(PainterLost):
            await asker
    for _ in range(2):
        with pytest.raises(PainterLost):
            await paint(engine, "late")
    assert await closing_takes(engine) < 1, "there is nothing to wait for"
    with pytest.raises(PainterLost):
        await paint(engine, "later")


async def test_step_that_hangs_does_not_keep_the_engine_from_closing(
    settings: CoreSettings, model: ScriptedModel
) -> None:
    engine = Engine(settings, make_generator=painted_by(model, PATIENT))
    asker = asyncio.create_task(paint(engine, "hangs"))
    await begun(model, "hangs")
    assert await closing_takes(engine) < LONGEST_CLOSING_S
    with pytest.raises(ShuttingDown):
        await asker


async def test_model_that_is_still_being_loaded_does_not_keep_the_engine_from_closing(
    settings: CoreSettings, model: ScriptedModel
) -> None:
    engine = Engine(settings, make_generator=painted_by(model, PATIENT, lambda: model.released.wait(30)))
    asker = asyncio.create_task(paint(engine, "a dog"))
    await asyncio.sleep(0.1)
    assert await closing_takes(engine) < LONGEST_CLOSING_S
    model.released.set()
    with pytest.raises(ShuttingDown):
        await asker
    assert model.closed, "nobody wants it any more"


async def test_hearing_that_hangs_does_not_keep_the_engine_from_closing(settings: CoreSettings) -> None:
    engine, released = Engine(settings), threading.Event()
    hearing = engine._hearer._threads.submit(released.wait, 30)
    try:
        assert await closing_takes(engine) < LONGEST_CLOSING_S
        assert hearing.running()
    finally:
        released.set()


async def test_loading_that_hangs_loses_the_painter(settings: CoreSettings, model: ScriptedModel) -> None:
    hanging = painted_by(model, Patience(loading_s=0.4), lambda: model.released.wait(30))
    engine = Engine(settings, make_generator=hanging)
    for _ in range(2):
        with pytest.raises(PainterLost):
            await paint(engine, "a dog")
    await asyncio.wait_for(engine.lost(), 10)
    assert await closing_takes(engine) < 1


def test_command_line_says_it_in_a_sentence(
    settings: CoreSettings,
    siren_wav: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: ScriptedModel,
) -> None:
    monkeypatch.setattr(core.engine, "painter_of", painted_by(model, IMPATIENT))
    options = ["--prompt", "hangs", "--out", str(tmp_path / "out.png")]

    assert main(["imagine", str(siren_wav), *options]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert f"imagine-sound: {PainterLost()}" in told
    assert not (tmp_path / "out.png").exists()
