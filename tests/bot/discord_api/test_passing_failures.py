"""A moment's failure at Discord loses no request and answers none twice."""

import pytest

from tests.bot.flaky import FAILURES, Flaky
from tests.bot.world import World, in_menu, names_of

CALLS = {
    "thread": ("POST", "/threads"),
    "first message": ("POST", "/messages"),
    "last edit": ("PATCH", r"/messages/\d+"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("call", CALLS)
async def test_picture_stands_once_after_a_failure_that_passes(
    world: World, flaky: Flaky, call: str, failure: str
) -> None:
    world.painter.held = call == "last edit"
    if call == "last edit":
        await world.post_voice_note(world.alice, world.channel)
    flaky.fail_once(*CALLS[call], failure)

    if call == "last edit":
        world.painter.finish_all()
    else:
        await world.post_voice_note(world.alice, world.channel)
    await world.env.advance_time(10)

    assert flaky.failures == []
    assert "picture.png" in names_of(world.reply(world.channel))  # one thread, one message in it
    assert world.said(world.channel) == []
    assert len(world.painter.orders) == 1


async def test_files_are_sent_whole_again(world: World, flaky: Flaky) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    for _ in range(3):
        flaky.fail_once(*CALLS["last edit"], "503")

    world.painter.finish_all()
    await world.env.advance_time(30)

    (picture,) = world.reply(world.channel).attachments
    assert (await picture.read()).startswith(b"\x89PNG")


@pytest.mark.parametrize("by", ["Delete", "its recording"])
async def test_message_is_removed_once_discord_is_back(world: World, flaky: Flaky, by: str) -> None:
    note = await world.post_voice_note(world.alice, world.channel)
    reply = world.reply(world.channel)
    for _ in range(40):
        flaky.fail_once("DELETE", rf"/messages/{reply.id}", "503")
    if by == "Delete":
        await in_menu(world.alice, reply, "Delete")
    else:
        await world.alice.delete(note)
    await world.env.advance_time(30)
    assert world.said(world.thread_of(world.channel)) != []
    await world.restart()
    await world.env.advance_time(600)

    assert flaky.failures == []
    assert world.said(world.thread_of(world.channel)) == []
    assert await world.bot.services.store.erasures.waiting() == []
