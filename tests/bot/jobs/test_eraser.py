"""A message that cannot be removed keeps no other, and is given up after a day."""

import datetime

import pytest
import stamina

from bot.storage.records import NewJob, Place, ReplyAddress
from tests.bot.world import World


async def withdrawn(world: World, message_ids: list[int], *, hours_ago: float = 0) -> None:
    """Jobs whose messages are to be removed."""
    store, since = world.bot.services.store, world.env.now() - datetime.timedelta(hours=hours_ago)
    for number, message_id in enumerate(message_ids):
        job = await store.accept(NewJob(number + 1, world.guild.id, world.channel.id, "en-US", "a"), since)
        assert job is not None
        place = Place(world.channel.id, world.guild.id, None, 1)
        await store.withdraw(job.id, place, ReplyAddress(world.channel.id, message_id), since)


@pytest.mark.parametrize(("status", "code"), [(400, 160006), (403, 50013), (503, 0)])
async def test_one_that_cannot_be_removed_keeps_no_other(world: World, status: int, code: int) -> None:
    messages = [await world.alice.send(world.channel, f"number {number}") for number in range(2)]
    await withdrawn(world, [message.id for message in messages])
    world.env.inject_error("DELETE", f"/channels/*/messages/{messages[0].id}", status=status, code=code, times=None)

    with stamina.set_testing(True, attempts=2):
        await world.bot.services.jobs.sweep()
        await world.env.advance_time(120)

    left = {message.id for message in world.channel.history()}
    assert messages[1].id not in left
    assert messages[0].id in left
    assert len(await world.bot.services.store.erasures.waiting()) == 1


async def test_one_that_cannot_be_removed_for_a_day_is_given_up(world: World, caplog: pytest.LogCaptureFixture) -> None:
    message = await world.alice.send(world.channel, "stays")
    await withdrawn(world, [message.id], hours_ago=25)
    world.env.inject_error("DELETE", "/channels/*/messages/*", status=400, code=160006, times=None)

    await world.bot.services.jobs.sweep()

    assert await world.bot.services.store.erasures.waiting() == []
    assert "could not be removed for a day" in caplog.text
