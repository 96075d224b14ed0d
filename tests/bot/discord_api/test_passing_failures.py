"""A moment's failure at Discord loses no request and answers none twice."""

import pytest

from tests.bot.flaky import FAILURES, Flaky
from tests.bot.world import World, names_of

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

    heard, picture = world.reply(world.channel).attachments
    assert (await picture.read()).startswith(b"\x89PNG")
    assert (await heard.read()).startswith(b"\x89PNG")


async def test_failure_that_does_not_pass_is_given_up_after_half_a_minute(world: World, flaky: Flaky) -> None:
    await world.post_voice_note(world.alice, world.channel)
    for _ in range(100):
        flaky.fail_once("DELETE", r"/messages/\d+", "503")
    await world.alice.click(world.reply(world.channel), label="Delete")
    await world.env.advance_time(60)
    tried = 100 - len(flaky.failures)
    await world.env.advance_time(600)

    assert 100 - len(flaky.failures) == tried
    assert 5 <= tried <= 10
