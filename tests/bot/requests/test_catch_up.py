"""What was posted or deleted while the bot was down is not lost, nor answered twice, and wakes nobody."""

import asyncio

import pytest

from bot.storage.records import JobState
from tests.bot.flaky import Flaky
from tests.bot.sounds import noise
from tests.bot.world import World, names_of, text_of


async def while_down(world: World) -> None:
    """From now on the bot hears of nothing, until `world.restart`."""
    await world.env.advance_time(10)  # the position is written down every few seconds
    await world.bot.services.jobs.drain(0)
    await world.bot._listener.stop()


async def test_recording_posted_while_the_bot_was_down_is_answered_silently(world: World) -> None:
    await world.alice.send(world.channel, "good morning")
    await while_down(world)
    await world.post_voice_note(world.alice, world.channel)
    assert world.painter.orders == []

    await world.restart()

    reply = world.reply(world.channel)
    assert "picture.png" in names_of(reply)
    assert reply.flags.suppress_notifications


async def test_what_was_answered_before_is_not_answered_again(world: World, flaky: Flaky) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.alice.send(world.channel, f"<@{world.me.id}>")
    said = len(world.said(world.channel))
    for _ in range(2):
        await while_down(world)
        await world.restart()

    assert len(world.painter.orders) == 1
    assert len(world.said(world.channel)) == said
    assert flaky.failures == []


async def test_first_message_of_all_may_be_the_missed_one(world: World) -> None:
    await while_down(world)
    await world.post_voice_note(world.alice, world.channel)
    await world.restart()
    assert len(world.painter.orders) == 1


async def test_recording_in_a_thread_or_a_direct_message_is_read_too(world: World) -> None:
    await world.post(world.alice, world.channel)
    thread = world.thread_of(world.channel)
    dm = world.alice.user.dm_channel
    await world.post_voice_note(world.alice.user, dm)
    await while_down(world)
    await world.post_voice_note(world.alice, thread)
    await world.post_voice_note(world.alice.user, dm)

    await world.restart()
    await world.env.advance_time(5)

    assert len(world.painter.orders) == 4


@pytest.mark.bot(catch_up_minutes=10)
async def test_what_is_too_old_is_left_alone(world: World) -> None:
    await world.alice.send(world.channel, "good morning")
    await while_down(world)
    await world.post_voice_note(world.alice, world.channel)
    await world.pass_time(11)

    await world.restart()

    assert world.painter.orders == []


@pytest.mark.bot(catch_up_minutes=0)
async def test_catching_up_can_be_turned_off(world: World) -> None:
    await world.alice.send(world.channel, "good morning")
    await while_down(world)
    await world.post_voice_note(world.alice, world.channel)
    await world.restart()
    assert world.painter.orders == []


async def test_first_start_of_all_reads_nothing_from_before(world: World) -> None:
    await world.bot._listener.stop()
    await world.post_voice_note(world.alice, world.channel)
    await world.restart()
    assert world.painter.orders == []


async def test_reply_whose_recording_was_deleted_meanwhile_is_removed(world: World) -> None:
    note = await world.post_voice_note(world.alice, world.channel)
    thread = world.thread_of(world.channel)
    await while_down(world)
    world.env.backend.delete_message(note.channel.id, note.id)

    await world.restart()
    await world.env.advance_time(5)

    assert world.said(thread) == []
    job = await world.bot.services.store.job(1)
    assert job is not None
    assert (job.heard, job.filename) == (None, "")


async def test_job_whose_recording_was_deleted_meanwhile_ends_without_a_word(world: World) -> None:
    world.painter.held = True
    note = await world.post(world.alice, world.channel, ("rain.wav", noise()), content=f"<@{world.me.id}>")
    thread = world.thread_of(world.channel)
    await while_down(world)
    world.env.backend.delete_message(note.channel.id, note.id)
    orders = len(world.painter.orders)

    await world.restart()

    assert world.said(thread) == []
    assert len(world.painter.orders) == orders
    job = await world.bot.services.store.job(1)
    assert job is not None
    assert job.state is JobState.FORGOTTEN


async def test_what_is_declined_is_said_although_it_was_missed(world: World) -> None:
    await world.alice.send(world.channel, "good morning")
    await while_down(world)
    await world.alice.send(world.channel, f"<@{world.me.id}>")
    await world.restart()
    (answer,) = world.said(world.channel)
    assert answer.flags.suppress_notifications
    assert "Send me a voice note" in text_of(answer)


def tell(world: World, event: str, shard_id: int) -> None:
    """What the library tells of a shard."""
    world.bot.dispatch(event, shard_id)


async def missed_by_alice(world: World) -> None:
    """A recording of which Discord did not tell."""
    await world.env.advance_time(5)
    world.bot._listener._stopped = True
    await world.post_voice_note(world.alice, world.channel)
    world.bot._listener._stopped = False


async def taken_up(world: World) -> None:
    """Return when a recording has become a job."""
    async with asyncio.timeout(10):
        while await world.bot.services.store.job(1) is None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


async def test_outage_before_the_first_live_message_is_caught_up_with(world: World) -> None:
    await while_down(world)
    await world.restart()
    tell(world, "shard_disconnect", 0)
    await missed_by_alice(world)
    tell(world, "shard_ready", 0)
    await taken_up(world)


async def test_one_shards_resuming_does_not_close_the_gap_of_another(world: World) -> None:
    for shard in (0, 1):
        tell(world, "shard_disconnect", shard)
    await missed_by_alice(world)
    tell(world, "shard_resumed", 1)
    tell(world, "shard_ready", 0)
    await taken_up(world)
