"""*What is this sound?*: told to one person, and nothing else happens."""

import pytest
from simcord.results import InteractionResult

from bot.storage.records import Listening
from tests.bot.sounds import noise, silence
from tests.bot.world import World, alt_texts_of, names_of, text_of

ASK = "What is this sound?"


async def asked(world: World, data: bytes, name: str = "note.wav") -> InteractionResult:
    """Alice has posted a file where the bot does not listen, and Bob asks what it is."""
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.NOWHERE)
    message = await world.post(world.alice, world.channel, (name, data))
    return await world.bob.context_menu(world.channel, ASK, message)


async def test_what_can_be_heard_is_told_with_times_and_its_strip(world: World) -> None:
    result = await asked(world, noise())

    assert result.ephemeral
    assert result.response is not None
    first, *lines = text_of(result.response).split("\n")
    assert first.startswith("### **Waterfall")
    assert lines[0].startswith("0:00 · **Waterfall** · ")
    assert names_of(result.response) == ["strip.png"]
    assert all(alt_texts_of(result.response))


async def test_nothing_is_painted_nothing_is_kept_and_nobody_else_hears_of_it(world: World) -> None:
    await asked(world, noise())

    assert world.painter.orders == []
    assert await world.jobs_kept() == 0
    assert world.channel.threads == []
    assert all(message.flags.ephemeral for message in world.said(world.channel))


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (silence(), "quiet.wav", "nothing but silence"),
        (b"OggS", "broken.ogg", "not a recording"),
        (b"hello", "notes.txt", "no recording"),
    ],
)
async def test_what_cannot_be_heard_is_one_sentence(world: World, data: bytes, name: str, says: str) -> None:
    result = await asked(world, data, name)
    assert result.ephemeral
    assert result.response is not None
    assert says in text_of(result.response)


async def test_whoever_does_not_want_to_be_heard_is_not(world: World) -> None:
    await world.bot.services.store.people.set_unheard(world.alice.id, unheard=True)
    result = await asked(world, noise())
    assert result.response is not None
    assert "does not want" in text_of(result.response)


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_three_times_as_many_recordings_are_heard_as_pictures_painted(world: World) -> None:
    note = await world.post_voice_note(world.bob, world.channel)  # counts as heard, and as a picture
    told = [await world.bob.context_menu(world.channel, ASK, note) for _ in range(3)]

    texts = [text_of(one.response) for one in told if one.response is not None]
    assert ["Waterfall" in text for text in texts] == [True, True, False]
    assert "You have had 3 recordings or pictures looked into" in texts[-1]


@pytest.mark.bot(pictures_per_user_hour=1, pictures_per_server_hour=1, pictures_per_hour=1)
async def test_what_is_only_heard_costs_no_picture(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.NOWHERE)
    note = await world.post_voice_note(world.bob, world.channel)
    for _ in range(3):
        await world.bob.context_menu(world.channel, ASK, note)

    await world.bob.context_menu(world.channel, "Imagine this sound", note)

    assert len(world.painter.orders) == 1


async def test_it_works_where_the_bot_is_no_member(world: World) -> None:
    message = await world.post(world.alice, world.channel, content="listen")
    await world.remove_bot()

    result = await world.bob.context_menu(world.channel, ASK, message)

    assert result.response is not None
    assert "Waterfall" in text_of(result.response)
