"""Without the message content intent: commands, the message menu, mentions and direct messages still work."""

import discord
import pytest

from tests.bot.sounds import noise
from tests.bot.world import World, names_of, text_of

pytestmark = [
    pytest.mark.bot(message_content=False),
    pytest.mark.simcord(approved_intents=discord.Intents(guilds=True, guild_messages=True, dm_messages=True)),
]


async def test_recordings_in_channels_are_not_seen_and_nothing_is_said(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)

    assert world.said(world.channel) == []
    assert world.channel.threads == []


async def test_slash_command_works(world: World) -> None:
    result = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))

    assert result.response is not None
    assert "picture.png" in names_of(result.response)


async def test_message_menu_works(world: World) -> None:
    recording = await world.post_voice_note(world.alice, world.channel)

    await world.bob.context_menu(world.channel, "Imagine this sound", recording)

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_mention_with_a_recording_works(world: World) -> None:
    await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_direct_messages_work(world: World) -> None:
    await world.post_voice_note(world.alice.user, world.alice.user.dm_channel)

    (message,) = world.said(world.alice.user.dm_channel)
    assert "picture.png" in names_of(message)


async def test_mention_under_a_recording_that_cannot_be_seen_shows_the_way(world: World) -> None:
    recording = await world.post_voice_note(world.bob, world.channel)

    await world.alice.send(world.channel, f"<@{world.me.id}>", reply_to=recording)

    (answer,) = world.said(world.channel)
    assert "**Imagine this sound**" in text_of(answer)


async def test_settings_say_that_messages_cannot_be_read(world: World) -> None:
    result = await world.moderator(manage_guild=True).slash(world.channel, "imagine-sound settings")

    assert result.response is not None
    assert "does not let me read messages" in text_of(result.response)
