"""What the page is told of Discord and of the store."""

import time
from types import SimpleNamespace
from typing import cast

import pytest

from bot import parts
from bot.client import ImagineBot
from bot.parts import Current, Gateway, NoGateway, StorePart
from bot.storage.notes import Notes
from bot.storage.writer import CannotWrite
from core.findings import Mark
from tests.bot.world import World


def current(world: World) -> Current:
    here = Current()
    here.bot = world.bot
    return here


async def test_connected_bot_says_as_whom_and_in_how_many_servers(world: World) -> None:
    found = await Gateway(current(world)).look()

    assert found.mark is Mark.FINE
    assert found.sentence.endswith("in 1 servers.")


async def test_gateway_that_answers_no_heartbeat_is_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "longest_quiet_s", lambda bot: 61.0)

    found = await Gateway(current(world)).look()

    assert not found.is_ready
    assert "61 seconds" in found.sentence


def test_the_quietest_shard_counts() -> None:
    now = time.perf_counter()
    beats = {0: now - 5, 1: now - 70}
    shards = {
        number: SimpleNamespace(_parent=SimpleNamespace(ws=SimpleNamespace(_keep_alive=SimpleNamespace(_last_ack=at))))
        for number, at in beats.items()
    }
    assert parts.longest_quiet_s(cast(ImagineBot, SimpleNamespace(shards=shards))) == pytest.approx(70, abs=5)


async def test_before_anything_is_connected_nothing_is_ready() -> None:
    assert not (await Gateway(Current()).look()).is_ready
    assert not (await StorePart(Current()).look()).is_ready


async def test_without_a_token_it_could_be_better() -> None:
    found = await NoGateway().look()
    assert (found.mark, found.is_ready) == (Mark.BETTER, True)


async def test_store_that_takes_nothing_is_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = await StorePart(current(world)).look()

    async def full(self: Notes, within_s: float) -> None:
        raise CannotWrite("disk full")

    monkeypatch.setattr(Notes, "check", full)
    wrong = await StorePart(current(world)).look()

    assert fine.is_ready
    assert not wrong.is_ready
