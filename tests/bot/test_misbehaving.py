"""The complaints of docs/discord.md once more, with a Discord that misbehaves: every kind of call fails the first time,
and then every third time, before or after it was carried out.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import discord
import pytest
from simcord.http import router

from bot.storage.records import Listening
from core.errors import OutOfMemory
from tests.bot.flaky import FAILURES, Flaky
from tests.bot.sounds import noise
from tests.bot.world import World, buttons_of, names_of, text_of

UNTOUCHED = ("/callback", "/users/@me", "/applications/@me", "/oauth2/applications/@me", "/gateway/bot")
"""Acknowledging an interaction, for which Discord waits three seconds; and logging in, which the supervisor repeats."""


@dataclass
class BadDiscord(Flaky):
    """Fails calls by their kind, in each way in turn."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: int = 0

    def failure_of(self, method: str, path: str) -> str | None:
        """The first call of a kind fails, and then every third."""
        kind = method, re.sub(r"\d{5,}|simcord_\w+", "#", path)
        self.counts[kind] += 1
        if path.endswith(UNTOUCHED) or self.counts[kind] % 3 != 1:
            return None
        self.failed += 1
        return list(FAILURES)[self.failed % len(FAILURES)]


@pytest.fixture
def bad(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[BadDiscord]:
    """Discord, from the bot's start on; and that something failed."""
    fake = BadDiscord(router.dispatch)
    monkeypatch.setattr(router, "dispatch", fake)
    yield fake
    assert fake.failed, "nothing was asked of Discord"


async def rest(world: World, seconds: int = 120) -> None:
    """Time in which Discord is asked again."""
    await world.env.advance_time(seconds)
    await world.env.settle()


async def post(world: World) -> discord.Message:
    note = await world.post_voice_note(world.alice, world.channel)
    await rest(world)
    return note


def pictures(world: World) -> list[discord.Message]:
    """The messages with a picture, in all threads of the channel."""
    found = (message for thread in world.channel.threads for message in world.said(thread))
    return [message for message in found if any(name.startswith("picture") for name in names_of(message))]


async def test_1_picture_whose_interaction_has_expired_comes_once(world: World, bad: BadDiscord) -> None:
    world.painter.held = True
    await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    await world.pass_time(16)
    world.painter.finish_all()
    await rest(world)
    (message,) = world.said(world.channel)
    assert names_of(message) == ["picture.png"]


async def test_4_buttons_work_after_a_restart(world: World, bad: BadDiscord) -> None:
    await post(world)
    await world.restart()
    await world.bob.click(world.reply(world.channel), label="Again")
    await rest(world)
    assert len(pictures(world)) == 2


async def test_5_restart_loses_nothing_and_doubles_nothing(world: World, bad: BadDiscord) -> None:
    world.painter.held = True
    await post(world)
    world.painter.held = False
    await world.restart()
    await rest(world)
    assert len(pictures(world)) == 1
    assert await world.bot.services.store.unfinished() == []


@pytest.mark.bot(waiting_per_user=10)
async def test_7_many_at_once_are_all_painted(world: World, bad: BadDiscord) -> None:
    world.painter.held = True
    for _ in range(4):
        await world.post_voice_note(world.alice, world.channel)
    world.painter.finish_all()
    await rest(world, 300)
    assert len(pictures(world)) == 4
    assert len(world.painter.orders) == 4


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_8_limit_holds_and_is_told_once(world: World, bad: BadDiscord) -> None:
    await post(world)
    await world.post_voice_note(world.alice, world.channel)
    await rest(world, 20)  # it goes after a minute
    assert len(world.painter.orders) == 1
    (told,) = (message for message in world.said(world.channel) if "which is the limit" in text_of(message))
    assert "<t:" in text_of(told)


async def test_9_failed_picture_is_told_and_the_next_is_painted(world: World, bad: BadDiscord) -> None:
    world.painter.error = OutOfMemory()
    await post(world)
    world.painter.error = None
    await post(world)
    (first,), (second,) = (world.said(thread) for thread in world.channel.threads)
    assert list(buttons_of(first)) == ["Again"]
    assert names_of(second) == ["picture.png"]


async def test_10_permission_that_is_missing_is_named_once_before_any_work(world: World, bad: BadDiscord) -> None:
    place = world.channel_without("send_messages_in_threads", "create_public_threads", "attach_files")
    for _ in range(2):
        await world.post_voice_note(world.alice, place)
        await rest(world)
    assert world.painter.orders == []
    assert len(world.said(place)) == 1


async def test_11_direct_message_is_answered(world: World, bad: BadDiscord) -> None:
    channel = world.alice.user.dm_channel
    await world.post_voice_note(world.alice.user, channel)
    await rest(world)
    (message,) = world.said(channel)
    assert names_of(message) == ["picture.png"]


async def test_12_picture_that_is_too_large_is_sent_smaller(world: World, bad: BadDiscord) -> None:
    world.painter.held = True
    await post(world)
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=413, code=40005, times=1)
    world.painter.finish_all()
    await rest(world)
    assert len(pictures(world)) == 1


async def test_13_forwarded_voice_note_is_heard(world: World, bad: BadDiscord) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.MENTIONED)
    note = await world.post_voice_note(world.bob, world.channel)
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.EVERYWHERE)
    await world.alice.forward(note, world.channel)
    await rest(world)
    assert len(pictures(world)) == 1


async def test_14_and_17_voice_note_ends_as_one_message_with_its_last_state(world: World, bad: BadDiscord) -> None:
    world.painter.held = True
    await post(world)
    for step in (1, 2, 3):
        for order in world.painter.open.values():
            world.painter.step(order, step)
        await world.env.settle()
    world.painter.finish_all()
    await rest(world)
    assert names_of(world.reply(world.channel)) == ["picture.png"]


async def test_15_and_16_what_nobody_asked_for_leaves_nothing(world: World, bad: BadDiscord) -> None:
    await world.post(world.alice, world.channel, ("song.mp3", b"no sound at all"))
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.NOWHERE)
    await world.post_voice_note(world.alice, world.channel)
    await rest(world)
    assert world.channel.threads == []
    assert world.said(world.channel) == []


async def test_18_delete_removes_the_picture_for_good(world: World, bad: BadDiscord) -> None:
    await post(world)
    shown = await world.alice.click(world.reply(world.channel), label="⋯")
    await world.alice.click(shown.followups[-1], label="Delete")  # an answer that is lost on its way comes again
    await rest(world, 300)
    assert pictures(world) == []
    assert await world.jobs_remembered() == 0


async def test_21_whom_moderators_have_blocked_hears_nothing(world: World, bad: BadDiscord) -> None:
    await world.bot.services.store.servers.block(world.guild.id, [world.alice.id])
    await post(world)
    await world.restart()
    await post(world)
    assert bad.failed == 0, "nothing at all was asked of Discord"

    await world.post_voice_note(world.bob, world.channel)
    await rest(world)
    assert len(pictures(world)) == 1
    assert len(world.painter.orders) == 1


async def test_22_running_out_of_memory_ends_that_picture_only(world: World, bad: BadDiscord) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.bob, world.channel)
    first, second = world.painter.open.values()
    world.painter.error = OutOfMemory()
    world.painter.finish(first)
    world.painter.error = None
    world.painter.finish(second)
    await rest(world)
    assert len(pictures(world)) == 1
    assert await world.bot.services.store.unfinished() == []
