"""Accepted means answered: jobs outlive crashes and orderly stops, once, quietly, and not for ever."""

import datetime

import discord
import pytest

from bot.storage.records import JobState, NewJob
from bot.storage.store import Store
from tests.bot.sounds import noise
from tests.bot.world import World, names_of, text_of


async def state(world: World, job_id: int = 1) -> JobState:
    job = await world.bot.services.store.job(job_id)
    assert job is not None
    return job.state


async def test_job_that_a_crash_interrupted_is_finished_in_the_same_message_without_a_ping(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    before = world.reply(world.channel)
    world.painter.held = False

    await world.restart()

    after = world.reply(world.channel)
    assert after.id == before.id
    assert names_of(after) == ["picture.png"]
    assert world.env.backend.get_message(after.channel.id, after.id).ping_user_ids == []
    assert await state(world) is JobState.DONE


async def test_picture_painted_again_in_a_thread_goes_on_after_a_restart(world: World) -> None:
    """Its recording's message has the thread's number, and stands where the thread began."""
    await world.post_voice_note(world.alice, world.channel)
    world.painter.held = True
    await world.bob.click(world.reply(world.channel), label="Again")
    world.painter.held = False

    await world.restart()

    assert [names_of(message) for message in world.said(world.thread_of(world.channel))] == [["picture.png"]] * 2


async def test_job_is_in_the_store_before_anybody_is_told(world: World) -> None:
    seen = []
    accept = world.bot.services.store.accept

    async def noticing_accept(*args: object, **kwargs: object) -> object:
        job = await accept(*args, **kwargs)  # type: ignore[arg-type]
        seen.append(
            [request.path for request in world.env.http_requests if request.path.endswith(("messages", "threads"))]
        )
        return job

    world.bot.services.store.accept = noticing_accept  # type: ignore[method-assign, assignment]

    await world.post_voice_note(world.alice, world.channel)

    assert seen == [[]]
    assert "picture.png" in names_of(world.reply(world.channel))


async def test_job_that_was_only_accepted_is_heard_and_posted_silently_after_the_crash(world: World) -> None:
    note = await world.alice.send(world.channel, "my recording")
    new = NewJob(world.alice.id, world.guild.id, world.channel.id, "en-US", "rain.wav", source_id=note.id)
    await world.accepted(new, noise())

    await world.restart()

    message = world.reply(world.channel)
    assert "picture.png" in names_of(message)
    assert message.flags.suppress_notifications


async def test_job_over_which_the_process_ended_three_times_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "unmark", lambda store, job_id: None)  # a process that is killed removes no marks
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    for _ in range(4):
        world.painter.step(world.painter.orders[-1], 0)
        await world.env.settle()
        await world.restart()

    assert len(world.painter.orders) == 4
    assert "interrupted three times" in text_of(world.reply(world.channel))
    assert await state(world) is JobState.FAILED


async def test_job_that_only_waited_when_the_process_ended_is_not_suspected(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "unmark", lambda store, job_id: None)
    world.painter.held = True
    note = await world.post_voice_note(world.alice, world.channel)
    for path in (world.bot.services.store.path.parent / "work").glob("begun-*"):
        path.unlink()  # hearing it has ended long ago
    for _ in range(4):
        await world.restart()
    world.painter.finish_all()
    await world.env.settle()

    assert "picture.png" in names_of(world.reply(world.channel))
    assert note.id


@pytest.mark.bot(give_up_hours=0.2)
async def test_job_that_is_too_old_is_given_up_and_can_be_asked_for_again(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    await world.env.advance_time(721)
    world.painter.held = False

    await world.restart()

    message = world.reply(world.channel)
    assert "away for too long" in text_of(message)
    await world.alice.click(message, label="Again")
    assert "picture.png" in names_of(world.said(world.thread_of(world.channel))[1])


async def test_finished_and_cancelled_jobs_are_not_resumed(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    world.painter.held = True
    await world.post_voice_note(world.bob, world.channel)
    thread = next(thread for thread in world.channel.threads if len(world.said(thread)) == 1)
    cancelling = max(world.channel.threads, key=lambda thread: thread.id)
    await world.bob.click(world.said(cancelling)[0], label="Cancel")

    await world.restart()

    assert len(world.painter.orders) == 2
    assert "painted by a model for" in text_of(world.said(thread)[0])


async def test_stopping_lets_running_jobs_end_within_the_deadline(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    world.painter.finish_all()

    await world.bot.services.jobs.drain(5)

    assert await state(world) is JobState.DONE
    assert "picture.png" in names_of(world.reply(world.channel))


async def test_stopping_puts_off_what_is_not_done_by_the_deadline_and_the_next_start_does_it(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)

    await world.bot.services.jobs.drain(0.05)
    assert "I am restarting" in text_of(world.reply(world.channel))
    assert await state(world) is JobState.WAITING
    assert len(world.bot.services.jobs) == 0
    world.painter.held = False
    await world.restart()

    assert names_of(world.reply(world.channel)) == ["picture.png"]


async def test_orderly_stops_do_not_count_as_failures(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    for _ in range(3):
        await world.bot.services.jobs.drain(0)
        await world.restart()
    world.painter.finish_all()
    await world.env.settle()

    assert await state(world) is JobState.DONE


async def test_what_nobody_asked_for_is_not_announced_while_stopping(world: World) -> None:
    await world.bot.services.jobs.drain(0)
    await world.post(world.alice, world.channel, ("rain.wav", noise()))
    assert world.channel.threads == []

    await world.restart()

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_what_is_asked_while_stopping_is_kept_for_the_next_start(world: World) -> None:
    await world.bot.services.jobs.drain(0)

    await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")
    assert "I am restarting" in text_of(world.reply(world.channel))
    await world.restart()

    assert "picture.png" in names_of(world.reply(world.channel))
    assert len(world.painter.orders) == 1


async def test_recordings_are_kept_only_until_they_are_heard(world: World) -> None:
    world.painter.held = True

    await world.post_voice_note(world.alice, world.channel)

    assert list((world.bot.services.store.path.parent / "work").glob("recording*")) == []


async def test_old_recipes_are_deleted(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)

    gone = await world.bot.services.store.purge(world.env.now() + datetime.timedelta(seconds=1), world.env.now())

    assert gone == 1
    assert await world.jobs_kept() == 0


async def test_commands_are_made_known_only_when_they_have_changed(world: World) -> None:
    def syncs() -> int:
        return sum(request.method == "PUT" for request in world.env.http_requests)

    assert syncs() == 1
    await world.restart()
    assert syncs() == 1

    await world.bot.services.store.notes.set_value("commands", "of another version")
    await world.restart()
    assert syncs() == 2


async def test_result_after_the_interaction_expired_goes_to_the_asker(world: World) -> None:
    """Where the bot is no member it depends on the interaction, which lasts fifteen minutes."""
    await world.answered_after_the_interaction_expired()

    (message,) = world.said(world.alice.user.dm_channel)
    assert "picture.png" in names_of(message)


async def test_long_job_of_a_command_is_posted_although_the_interaction_expired(world: World) -> None:
    world.painter.held = True
    result = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    await world.pass_time(16)

    world.painter.finish_all()
    await world.env.settle()

    (message,) = world.said(world.channel)
    assert "picture.png" in names_of(message)
    assert result.response is not None


async def test_late_result_from_an_age_restricted_channel_goes_nowhere_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.TextChannel, "is_nsfw", lambda channel: True)
    await world.answered_after_the_interaction_expired()

    assert world.said(world.alice.user.dm_channel) == []


async def test_what_this_process_accepted_is_not_resumed_as_well(world: World) -> None:
    """Discord may say that it is ready after the first requests have come."""
    await world.env.advance_time(1)
    new = NewJob(world.alice.id, world.guild.id, world.channel.id, "en-US", "rain.wav")
    await world.accepted(new, noise(), created=world.env.now() + datetime.timedelta(days=365))

    await world.bot.services.jobs.sweep()
    await world.env.settle()

    assert len(world.bot.services.jobs) == 0
    assert world.painter.orders == []
