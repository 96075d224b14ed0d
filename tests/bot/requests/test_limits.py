"""Limits for people and servers: said with the waiting time, not again and again; and who may ask at all."""

import asyncio
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.requests.intake import Accepted, Asker, Declined, Intake
from bot.settings import BotSettings
from bot.storage.records import JobState, NewJob
from bot.storage.store import Store
from bot.views.texts import Texts
from tests.bot.sounds import noise
from tests.bot.world import World, names_of, text_of


def answers(world: World) -> list[str]:
    return [text_of(message) for message in world.said(world.channel)]


@pytest.mark.bot(pictures_per_user_hour=2)
async def test_hourly_limit_says_when_the_next_picture_is_possible(world: World) -> None:
    for _ in range(4):
        await world.post_voice_note(world.alice, world.channel)

    (answer,) = answers(world)
    assert "You have asked for 2 pictures within an hour" in answer
    (when,) = re.findall(r"<t:(\d+):R>", answer)
    first = (await world.bot.services.store.job(1)).created  # type: ignore[union-attr]
    assert int(when) == int(first.timestamp()) + 3600
    assert await world.jobs_kept() == 2


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_limit_is_over_after_the_hour(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.pass_time(61)

    await world.post_voice_note(world.alice, world.channel)

    assert await world.jobs_kept() == 2


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_one_persons_limit_is_not_anothers(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.bob, world.channel)

    assert answers(world) == []
    assert await world.jobs_kept() == 2


@pytest.mark.bot(pictures_per_server_hour=2)
async def test_server_has_a_limit_of_its_own(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.bob, world.channel)

    (answer,) = answers(world)
    assert "This server has asked for 2 pictures" in answer
    assert "<t:" in answer


@pytest.mark.bot(waiting_per_user=2)
async def test_no_more_than_so_many_unfinished_ones_a_person(world: World) -> None:
    world.painter.held = True
    for _ in range(4):
        await world.post_voice_note(world.alice, world.channel)
    (answer,) = answers(world)
    assert "2 of your pictures are in the making" in answer

    world.painter.finish_all()
    await world.env.settle()
    await world.post_voice_note(world.alice, world.channel)
    assert await world.jobs_kept() == 3


@pytest.mark.bot(waiting_per_server=2)
async def test_no_more_than_so_many_unfinished_ones_a_server(world: World) -> None:
    world.painter.held = True
    for person in (world.alice, world.bob, world.alice):
        await world.post_voice_note(person, world.channel)

    (answer,) = answers(world)
    assert "2 pictures are in the making for this server" in answer


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_limits_hold_for_commands_and_buttons_too_and_are_told_to_the_asker_only(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    message = world.reply(world.channel)

    by_command = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    by_button = await world.alice.click(message, label="Again")
    by_menu = await world.alice.context_menu(world.thread_of(world.channel), "Imagine this sound", message)

    for result in (by_command, by_button):
        assert result.ephemeral
        assert result.response is not None
        assert "which is the limit" in text_of(result.response)
    assert by_menu.ephemeral
    assert await world.jobs_kept() == 1


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_forgetting_is_no_way_round_the_limit(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.bot.services.jobs.forget_user(world.alice.id)

    await world.post_voice_note(world.alice, world.channel)

    assert len(world.painter.orders) == 1


async def test_many_at_once_from_one_person_are_all_queued(world: World) -> None:
    """A queue, never "busy"."""
    world.painter.held = True
    for _ in range(5):
        await world.post_voice_note(world.alice, world.channel)

    assert len(world.painter.orders) == 5
    assert answers(world) == []


async def test_blocked_person_costs_not_one_call(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    reply = world.reply(world.channel)
    await world.bot.services.store.servers.block(world.guild.id, [world.alice.id])
    before = len(world.env.http_requests)

    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.alice, world.channel_without("attach_files"))
    recording = await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")
    for _ in range(20):
        await world.alice.send(world.channel, f"<@{world.me.id}>")
    for command in ("file", "help", "queue", "settings"):
        options = {"recording": ("rain.wav", noise())} if command == "file" else {}
        await world.alice.slash(world.channel, f"imagine-sound {command}", **options)
    await world.alice.context_menu(world.channel, "Imagine this sound", recording)
    for button in ("Again", "Change", "⋯"):
        await world.alice.click(reply, label=button)

    assert [(one.method, one.path) for one in world.env.http_requests[before:]] == []
    assert await world.jobs_kept() == 1


async def test_blocked_person_may_have_everything_deleted(world: World) -> None:
    await world.bot.services.store.servers.block(world.guild.id, [world.alice.id])
    told = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert told.response is not None


@pytest.mark.bot(pictures_per_user_hour=2)
async def test_persons_limit_counts_everywhere(world: World) -> None:
    accepted = 0
    for guild in (*range(1000, 1010), None):
        for _ in range(5):
            outcome = await world.bot.services.intake.accept(NewJob(7, guild, 1, "en-US", "x"), Asker(7))
            if isinstance(outcome, Accepted):
                await world.bot.services.store.finish(outcome.job.id, JobState.DONE)
                accepted += 1
        if guild is not None:
            await world.bot.services.jobs.forget_guild(guild)
    assert accepted == 2


@pytest.mark.bot(pictures_per_user_hour=2)
async def test_server_may_allow_less_but_not_more(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, pictures_per_user_hour=10_000)
    for _ in range(3):
        await world.post_voice_note(world.alice, world.channel)
    assert await world.jobs_kept() == 2
    await world.bot.services.store.servers.change(world.guild.id, pictures_per_user_hour=1)
    for _ in range(3):
        await world.post_voice_note(world.bob, world.channel)
    assert await world.jobs_kept() == 3


@pytest.mark.bot(pictures_per_user_hour=2)
async def test_forgetting_gives_nothing_back(world: World) -> None:
    notes = [await world.post_voice_note(world.alice, world.channel) for _ in range(2)]
    await world.alice.delete(notes[0])
    await world.bot.services.jobs.forget_user(world.alice.id)
    await world.post_voice_note(world.alice, world.channel)
    assert len(world.painter.orders) == 2


@pytest.mark.bot(waiting_per_server=2, pictures_per_server_hour=2)
async def test_servers_limit_holds_when_all_ask_at_once(world: World) -> None:
    asked = [world.bot.services.intake.accept(NewJob(user, 1, 1, "en-US", "x"), Asker(user)) for user in range(1, 21)]
    outcomes = await asyncio.gather(*asked)
    assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 2


@pytest.mark.bot(pictures_per_hour=2)
async def test_all_together_have_a_limit_if_the_operator_wants_one(world: World) -> None:
    for member in (world.alice, world.bob, world.alice):
        await world.post_voice_note(member, world.channel)
    (answer,) = answers(world)
    assert "all that I can do" in answer
    assert len(world.painter.orders) == 2


async def test_servers_that_are_not_allowed_are_not_served(world: World) -> None:
    world.bot.services.settings.allowed_servers = (1,)
    await world.post_voice_note(world.alice, world.channel)
    assert world.painter.orders == []
    refused = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    assert refused.response is not None
    assert "chosen servers only" in text_of(refused.response)


async def test_recordings_that_cannot_be_had_cost_little(world: World) -> None:
    intake, store = world.bot.services.intake, world.bot.services.store
    world.bot.services.settings.pictures_per_user_hour = 1
    for _ in range(10):
        outcome = await intake.accept(NewJob(7, 1, 1, "en-US", "x"), Asker(7))
        assert isinstance(outcome, Accepted)
        await store.note_refused(outcome.job.id)
        await store.finish(outcome.job.id, JobState.FAILED)
    eleventh = await intake.accept(NewJob(7, 1, 1, "en-US", "x"), Asker(7))
    assert isinstance(eleventh, Accepted)
    await store.note_refused(eleventh.job.id)
    await store.finish(eleventh.job.id, JobState.FAILED)
    assert isinstance(await intake.accept(NewJob(7, 1, 1, "en-US", "x"), Asker(7)), Declined), "no more are free"


async def test_same_sentence_is_said_once_in_ten_minutes(world: World) -> None:
    large = ("large.wav", b"RIFF" + bytes(1_100_000))
    for _ in range(3):
        await world.post(world.alice, world.channel, *[large] * 10, content=f"<@{world.me.id}>")
    assert len(answers(world)) == 1
    for _ in range(5):
        await world.alice.send(world.channel, f"<@{world.me.id}>")
    assert len(answers(world)) == 2


async def test_block_list_outlives_a_restart(world: World) -> None:
    await world.bot.services.store.servers.block(world.guild.id, [world.alice.id])
    await world.restart()

    await world.post_voice_note(world.alice, world.channel)

    assert await world.jobs_kept() == 0


async def test_operator_blocks_somebody_everywhere(world: World) -> None:
    world.bot.services.settings.blocked_users = (world.alice.id,)

    await world.post_voice_note(world.alice.user, world.alice.user.dm_channel)

    assert await world.jobs_kept() == 0


async def test_roles_decide_who_may_ask(world: World) -> None:
    role = world.guild.create_role("Painters")
    painter = world.guild.add_member(world.env.create_user("carol"), roles=[role])
    await world.bot.services.store.servers.change(world.guild.id, roles=(role.id,))

    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(painter, world.channel)
    refused = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))

    assert len(world.painter.orders) == 1
    assert "picture.png" in names_of(world.reply(world.channel))
    assert refused.ephemeral
    assert refused.response is not None
    assert "certain roles" in text_of(refused.response)


async def test_whoever_cannot_be_written_down_is_told_and_not_answered_later(tmp_path: Path) -> None:
    settings = BotSettings(_env_file=None, data_dir=tmp_path)
    store = Store(settings.database)
    await store.open()
    intake = Intake(settings, store, lambda: datetime(2026, 1, 1, tzinfo=UTC), max_bytes=1000)
    new = NewJob(1, 10, 20, "en-US", "rain.ogg")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        declined = await intake.accept(new, Asker(1), within_s=0.2)
        assert isinstance(declined, Declined)
        assert not declined.silently
        told = declined.text(Texts.load().translation("en-US"))
        assert told == "I cannot write anything down right now; please ask again in a minute."
        assert await store.notes.claim("limit:1"), "which is said although that cannot be noted"
    finally:
        other.close()
    await asyncio.sleep(0.1)
    assert await store.unfinished() == []
    assert isinstance(await intake.accept(new, Asker(1)), Accepted)
    await store.close()
