"""Limits for people and servers: said with the waiting time, not again and again; and who may ask at all."""

import asyncio
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.requests.intake import Accepted, Asker, Declined, Intake
from bot.settings import BotSettings
from bot.storage.records import NewJob
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
    await world.env.advance_time(3601)

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
    by_button = await world.alice.click(message, label="Paint again")
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


async def test_blocked_person_is_ignored_and_told_when_asking_by_name(world: World) -> None:
    await world.bot.services.store.set_blocked(world.guild.id, [world.alice.id])

    await world.post_voice_note(world.alice, world.channel)
    assert answers(world) == []
    await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")
    (answer,) = answers(world)
    assert "cannot use me here" in answer
    assert await world.jobs_kept() == 0


async def test_block_list_outlives_a_restart(world: World) -> None:
    await world.bot.services.store.set_blocked(world.guild.id, [world.alice.id])
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
    await world.bot.services.store.change_guild(world.guild.id, roles=(role.id,))

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
        assert await store.claim_notice("limit:1"), "which is said although that cannot be noted"
    finally:
        other.close()
    await asyncio.sleep(0.1)
    assert await store.unfinished() == []
    assert isinstance(await intake.accept(new, Asker(1)), Accepted)
    await store.close()
