"""What can befall a message in every state that it can be in: nothing is left, and nothing is there twice."""

import logging
from collections.abc import Awaitable, Callable

import discord
import pytest

from core.errors import OutOfMemory
from tests.bot.world import World, buttons_of, names_of

State = Callable[[World], Awaitable[discord.Message]]
"""Brings a message into a state; returns it as it is then."""


async def painting(world: World) -> discord.Message:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    return last(world)


async def painted(world: World) -> discord.Message:
    await world.post_voice_note(world.alice, world.channel)
    return last(world)


async def failed(world: World) -> discord.Message:
    world.painter.error = OutOfMemory()
    await world.post_voice_note(world.alice, world.channel)
    world.painter.error = None
    return last(world)


async def four_being_painted(world: World) -> discord.Message:
    message = await painted(world)
    world.painter.held = True
    world.bot.services.intake.told_of_four.again(world.alice.id)
    await world.alice.click(message, label="4 more")
    return last(world)


async def four(world: World) -> discord.Message:
    message = await painted(world)
    world.bot.services.intake.told_of_four.again(world.alice.id)
    await world.alice.click(message, label="4 more")
    return last(world)


def said(world: World) -> list[discord.Message]:
    return world.said(world.thread_of(world.channel))


def last(world: World) -> discord.Message:
    return said(world)[-1]


STATES: dict[str, tuple[State, str, int]] = {
    "painting": (painting, "Cancel", 0),
    "painted": (painted, "Again", 1),
    "failed": (failed, "Again", 1),
    "four being painted": (four_being_painted, "Cancel", 0),
    "four": (four, "3", 1),
}
"""With a button of the state, and how many messages more come of it."""

states = pytest.mark.parametrize(("bring", "label", "more"), STATES.values(), ids=STATES)


async def end(world: World) -> None:
    """Whatever is being painted is painted, and everything comes to rest."""
    world.painter.finish_all()
    await world.env.settle()
    assert world.painter.open == {}
    assert await world.bot.services.store.unfinished() == []


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@states
async def test_two_clicks_within_a_second_do_what_one_does(
    world: World, caplog: pytest.LogCaptureFixture, bring: State, label: str, more: int
) -> None:
    message = await bring(world)
    before = len(said(world))
    await world.alice.click(message, label=label)
    if label in buttons_of(message := {m.id: m for m in said(world)}[message.id]):  # *Cancel* is gone by then
        await world.alice.click(message, label=label)
    await end(world)
    assert len(said(world)) == before + more
    assert faults(caplog) == []


@states
async def test_click_whose_three_seconds_were_over_does_nothing_or_is_done_and_never_half(
    world: World, caplog: pytest.LogCaptureFixture, bring: State, label: str, more: int
) -> None:
    message = await bring(world)
    before = len(said(world))
    world.env.inject_error("POST", "/interactions/*/*/callback", status=404, code=10062)
    await world.alice.click(message, label=label)
    await end(world)
    assert len(said(world)) == before
    assert faults(caplog) == []

    if more:  # and it can be pressed again
        await world.pass_time(1)
        await world.bob.click(last(world), label=label)
        await end(world)
        assert len(said(world)) == before + more


@states
async def test_source_that_is_deleted_takes_everything_with_it(
    world: World, caplog: pytest.LogCaptureFixture, bring: State, label: str, more: int
) -> None:
    await bring(world)
    source = next(m for m in world.channel.history() if m.author.id == world.alice.id)
    await world.alice.delete(source)
    await end(world)
    assert said(world) == []
    assert await world.jobs_remembered() == 0
    assert faults(caplog) == []


@states
async def test_message_that_a_moderator_deletes_stays_away(
    world: World, caplog: pytest.LogCaptureFixture, bring: State, label: str, more: int
) -> None:
    message = await bring(world)
    before = [m.id for m in said(world)]
    world.env.backend.delete_message(message.channel.id, message.id)
    await world.env.settle()
    await end(world)
    assert [m.id for m in said(world)] == [number for number in before if number != message.id]
    assert faults(caplog) == []


@states
async def test_asker_who_has_left_the_server_disturbs_nobody(
    world: World, caplog: pytest.LogCaptureFixture, bring: State, label: str, more: int
) -> None:
    await bring(world)
    before = len(said(world))
    world.guild.remove_member(world.alice)
    await world.env.settle()
    await end(world)
    assert len(said(world)) == before
    still_there = last(world)
    if more:
        assert label in buttons_of(still_there)
        await world.bob.click(still_there, label=label)
        await end(world)
        assert len(said(world)) == before + more
    else:
        assert any("picture" in name for name in names_of(still_there))
    assert faults(caplog) == []
