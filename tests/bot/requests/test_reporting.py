"""Anybody may report a picture: it is covered, and the moderators are told where they want to be."""

import pytest

from bot.views.hiding import is_hidden
from tests.bot.sounds import noise
from tests.bot.world import World, alt_texts_of, buttons_of, components, in_menu, names_of, text_of


async def reported(world: World, *, by_bob: bool = True) -> None:
    reply = world.reply(world.channel)
    who = world.bob if by_bob else world.alice
    await in_menu(who, reply, "Report")


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
async def test_reported_picture_is_covered_and_stays_what_it_was(world: World, restart: bool) -> None:
    await world.post_voice_note(world.alice, world.channel)
    before = world.reply(world.channel)
    assert not is_hidden(before)
    if restart:
        await world.restart()

    await reported(world)

    after = world.reply(world.channel)
    assert is_hidden(after)
    assert (names_of(after), text_of(after), buttons_of(after), alt_texts_of(after)) == (
        names_of(before),
        text_of(before),
        buttons_of(before),
        alt_texts_of(before),
    )
    assert all(shown["spoiler"] for shown in components(after) if "media" in shown)


async def test_moderators_are_told_once_where_they_want_to_be(world: World) -> None:
    place = world.guild.create_text_channel("moderators")
    await world.bot.services.store.servers.change(world.guild.id, log_channel=place.id)
    await world.post_voice_note(world.alice, world.channel)

    await reported(world)
    await reported(world, by_bob=False)

    (told,) = world.said(place)
    reply = world.reply(world.channel)
    assert f"<@{world.bob.id}> reported a picture that <@{world.alice.id}> asked for" in text_of(told)
    assert str(reply.id) in text_of(told)


async def test_picture_can_be_reported_long_after_the_interaction_that_asked_for_it(world: World) -> None:
    await world.remove_bot()
    await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    (reply,) = world.said(world.channel)
    await world.pass_time(16)
    await in_menu(world.bob, reply, "Report")
    assert is_hidden(world.said(world.channel)[0])


async def test_report_is_answered_where_the_channel_for_it_is_gone(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, log_channel=12345)
    await world.post_voice_note(world.alice, world.channel)
    await reported(world)
    assert is_hidden(world.reply(world.channel))


async def test_whoever_reports_is_told_when_it_cannot_be_covered(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    reply = world.reply(world.channel)
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=403, code=50013, times=1)
    result = await in_menu(world.bob, reply, "Report")
    assert result.ephemeral
    assert result.response is not None
    assert "could not cover" in text_of(result.response)
