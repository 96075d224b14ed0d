"""Discord is away for minutes: what was accepted is answered once it is back, and once only."""

import pytest

from tests.bot.flaky import Flaky
from tests.bot.world import World, names_of

LONG = 40
"""Failures in a row: more than a few minutes of them, however they are repeated."""


@pytest.mark.parametrize(("method", "path"), [("POST", "/threads"), ("POST", "/messages")])
async def test_first_message_comes_when_discord_is_back(world: World, flaky: Flaky, method: str, path: str) -> None:
    for _ in range(LONG):
        flaky.fail_once(method, path, "503")

    await world.post_voice_note(world.alice, world.channel)
    await world.env.advance_time(900)

    assert flaky.failures == []
    assert "picture.png" in names_of(world.reply(world.channel))
    assert world.said(world.channel) == [], "in the thread, where it belongs"
    assert len(world.painter.orders) == 1, "painted once, however often it was tried to show it"
    assert await world.bot.services.store.unfinished() == []


async def test_picture_comes_when_discord_is_back(world: World, flaky: Flaky) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    for _ in range(LONG):
        flaky.fail_once("PATCH", r"/messages/\d+", "connection lost")

    world.painter.finish_all()
    await world.env.advance_time(900)

    assert flaky.failures == []
    assert "picture.png" in names_of(world.reply(world.channel))
    assert len(world.painter.orders) == 1


async def test_refusal_is_not_tried_for_ever(world: World) -> None:
    world.env.inject_error("POST", "/channels/*/messages", status=403, code=50013, times=None)

    await world.post_voice_note(world.alice, world.channel)
    await world.pass_time(70)

    assert await world.bot.services.store.unfinished() == []
    tried = sum(one.method == "POST" and one.path.endswith("/messages") for one in world.env.http_requests)
    assert tried <= 15, "whoever is refused too often is shut out"
