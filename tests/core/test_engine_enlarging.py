"""The engine enlarges what was painted, and nothing that happens there reaches the painter."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.engine import Engine
from core.errors import InvalidOptions, ModelMissing, ModelUnusable, ShuttingDown, UpscalingStalled
from core.events import Event
from core.generation.enlarging import EnlargingThread
from core.generation.protocol import Loading, Painted, Painting, Queued
from core.generation.watch import Patience
from core.models import ModelStore
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.recipe import Recipe
from core.settings import CoreSettings
from tests.generation.test_enlarging import ScriptedUpscaler, located

BY_THE_MINIATURE = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (256, 256), "playground-mini", "3", None, ())
SMALL = Image.new("RGB", (60, 40), "red")

pytestmark = pytest.mark.usefixtures("spandrel")


async def larger(engine: Engine, image: Image.Image = SMALL, recipe: Recipe = BY_THE_MINIATURE) -> list[Event]:
    return [event async for event in engine.enlarge(image, recipe, 2)]


def makes(upscaler: ScriptedUpscaler, stall_s: float = 60) -> Callable[[CoreSettings, ModelStore], EnlargingThread]:
    """An enlarging thread with `upscaler`."""

    def make(_: CoreSettings, __: ModelStore) -> EnlargingThread:
        patience = Patience(stall_s=stall_s)
        return EnlargingThread(lambda _: located("scripted"), lambda _: upscaler, max_waiting=10, patience=patience)

    return make


async def test_a_picture_of_the_bundled_painter_is_enlarged_by_the_bundled_upscaler(settings: CoreSettings) -> None:
    async with Engine(settings) as engine:
        assert engine.can_enlarge("playground-mini")
        events = await larger(engine)

    assert events[0] == Loading()
    assert Queued(1) in events
    assert [event for event in events if isinstance(event, Painting)] == [Painting(0, 1), Painting(1, 1)]
    assert isinstance(events[-1], Painted)
    picture = events[-1].picture
    assert picture.image.size == (120, 80)
    assert picture.recipe == replace(BY_THE_MINIATURE, enlarged=2)
    assert picture.is_miniature


async def test_other_painters_pictures_are_not(settings: CoreSettings) -> None:
    async with Engine(settings) as engine:
        assert not engine.can_enlarge("playgroundai/playground-v2.5-1024px-aesthetic")
        with pytest.raises(ModelMissing, match="models pull upscaler"):
            await larger(
                engine, recipe=replace(BY_THE_MINIATURE, model="playgroundai/playground-v2.5-1024px-aesthetic")
            )


async def test_a_broken_model_file_leaves_the_painter_alone(settings: CoreSettings, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pth"
    broken.write_bytes(np.random.default_rng(0).bytes(1000))
    async with Engine(settings.model_copy(update={"upscale_model": broken})) as engine:
        assert engine.can_enlarge("playground-mini")
        with pytest.raises(ModelUnusable, match="UPSCALE_MODEL"):
            await larger(engine)
        painted = [event async for event in engine.paint(Prompt("a dog", ""), ImagineOptions(steps=2))]
    assert isinstance(painted[-1], Painted)


async def test_what_is_too_large_already_is_refused(settings: CoreSettings) -> None:
    async with Engine(settings) as engine:
        with pytest.raises(InvalidOptions):
            await larger(engine, recipe=replace(BY_THE_MINIATURE, enlarged=4))
        with pytest.raises(InvalidOptions):
            await larger(engine, Image.new("RGB", (9000, 10)))


async def test_whoever_stops_reading_is_not_enlarged_any_further(settings: CoreSettings) -> None:
    upscaler = ScriptedUpscaler(gate=threading.Semaphore(0))
    assert upscaler.gate is not None
    async with Engine(settings, make_enlarger=makes(upscaler)) as engine:
        async with aclosing(engine.enlarge(SMALL, BY_THE_MINIATURE, 2)) as events:
            async for event in events:
                if isinstance(event, Painting):
                    break
        upscaler.gate.release(9)
        async with asyncio.timeout(20):
            assert isinstance((await larger(engine))[-1], Painted)
    assert len(upscaler.order) == 2


async def test_closing_ends_what_is_being_enlarged(settings: CoreSettings) -> None:
    upscaler = ScriptedUpscaler(gate=threading.Semaphore(0))
    assert upscaler.gate is not None
    engine = Engine(settings, make_enlarger=makes(upscaler))
    enlarging = asyncio.create_task(larger(engine))
    async with asyncio.timeout(20):
        while not upscaler.order:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0.05)
        upscaler.gate.release(9)
        await closing
        with pytest.raises(ShuttingDown):
            await enlarging
        with pytest.raises(ShuttingDown):
            await larger(engine)


async def test_after_one_that_hung_the_next_picture_is_enlarged(settings: CoreSettings) -> None:
    upscaler = ScriptedUpscaler(hangs=True)
    async with Engine(settings, make_enlarger=makes(upscaler, stall_s=0.2)) as engine, asyncio.timeout(20):
        with pytest.raises(UpscalingStalled):
            await larger(engine)
        assert isinstance((await larger(engine))[-1], Painted)
        painted = [event async for event in engine.paint(Prompt("a dog", ""), ImagineOptions(steps=2))]
        assert isinstance(painted[-1], Painted), "the painter is not lost"
    upscaler.released.set()
