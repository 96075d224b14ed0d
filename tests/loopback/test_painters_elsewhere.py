"""The real bot paints through two painters elsewhere: it is killed, and one of them goes away, under 24 pictures."""

import asyncio
from collections.abc import Iterator

import pytest

from core.generation.batcher import Batcher
from core.generation.protocol import ImageGenerator
from tests.fleet.served import Loop, Served, serve
from tests.loopback.bench import world
from tests.loopback.painter import ScriptedModel
from tests.loopback.verdict import Verdict


def paints() -> ImageGenerator:
    return Batcher(ScriptedModel, max_batch=8, max_waiting=100)


@pytest.fixture
def painters() -> Iterator[list[Served]]:
    loop = Loop()
    made = [serve(loop, make=paints) for _ in range(2)]
    yield made
    for painter in made:
        painter.stop()
    loop.close()


async def test_bot_is_killed_and_a_painter_goes_away_and_each_picture_is_answered_once(painters: list[Served]) -> None:
    addresses = ",".join(painter.url for painter in painters)
    async with world({"PAINTERS": addresses, "WAITING_PER_USER": "100"}) as here:
        asked = [here.person(f"person {number}").post() for number in range(24)]
        await asyncio.sleep(3)
        await here.kill()
        await here.wait_for(lambda: here.bot.is_ready, 60)
        await asyncio.to_thread(painters[0].stop)
        outcome = await here.settle(asked)
    assert outcome.verdicts == [Verdict.ANSWERED] * 24, outcome.notes
