"""Deleting the recording cancels the job and removes the reply; deleting the reply gives the job up."""

from bot.storage.records import NewJob
from tests.bot.sounds import noise
from tests.bot.world import World


async def test_deleting_the_recording_cancels_what_is_being_painted_and_removes_the_reply(world: World) -> None:
    world.painter.held = True
    note = await world.post_voice_note(world.alice, world.channel)

    await world.alice.delete(note)

    assert world.painter.cancelled == [0]
    assert world.said(world.thread_of(world.channel)) == []
    job = await world.bot.services.store.job(1)
    assert job is not None
    assert (job.heard, job.source_id) == (None, None)
    assert list((world.bot.services.store.path.parent / "work").iterdir()) == []


async def test_deleting_the_recording_removes_finished_pictures_of_it_even_after_a_restart(world: World) -> None:
    note = await world.post_voice_note(world.alice, world.channel)
    await world.bob.click(world.reply(world.channel), label="Again")
    await world.restart()

    await world.alice.delete(note)

    assert world.said(world.thread_of(world.channel)) == []


async def test_deleting_one_of_several_recordings_leaves_the_others(world: World) -> None:
    one = await world.post_voice_note(world.alice, world.channel)
    two = await world.post_voice_note(world.alice, world.channel)

    await world.alice.delete(one)

    kept = next(thread for thread in world.channel.threads if thread.id == two.id)
    assert len(world.said(kept)) == 1


async def test_moderator_clearing_many_messages_removes_their_replies(world: World) -> None:
    notes = [await world.post_voice_note(world.alice, world.channel) for _ in range(2)]

    world.env.backend.bulk_delete_messages(world.channel.id, [note.id for note in notes])
    await world.env.settle()

    assert all(world.said(thread) == [] for thread in world.channel.threads)


async def test_deleting_the_reply_gives_the_job_up(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)

    await world.moderator(manage_messages=True).delete(world.reply(world.channel))

    assert world.painter.cancelled == [0]
    assert await world.bot.services.store.unfinished() == []


async def test_deleting_the_thread_gives_the_job_up(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    thread = world.thread_of(world.channel)
    world.env.backend.delete_channel(thread.id)
    await world.env.settle()

    world.painter.step(world.painter.orders[0], 2)
    await world.env.settle()
    world.painter.step(world.painter.orders[0], 3)
    await world.env.settle()

    assert world.painter.cancelled == [0]
    assert await world.bot.services.store.unfinished() == []


async def test_messages_that_nobody_asked_about_may_be_deleted(world: World) -> None:
    message = await world.alice.send(world.channel, "hello")

    await world.alice.delete(message)

    assert world.said(world.channel) == []


async def test_server_that_the_bot_leaves_is_forgotten_with_what_is_under_way_there(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    waiting = NewJob(world.bob.id, world.guild.id, world.channel.id, "en-US", "rain.wav")
    await world.accepted(waiting, noise())

    await world.remove_bot()

    assert world.painter.cancelled == [0]
    assert await world.jobs_remembered() == 0
    assert list((world.bot.services.store.path.parent / "work").iterdir()) == []
