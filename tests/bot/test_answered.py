"""What was accepted is answered once, whatever Discord, the clock or a finger does."""

import datetime

import simcord.backend.serializers

from bot.storage.records import NewJob
from tests.bot.sounds import noise
from tests.bot.world import World, names_of, text_of


async def test_event_that_the_gateway_delivers_again_is_answered_once(world: World) -> None:
    note = await world.post_voice_note(world.alice, world.channel)
    stored = world.env.backend.get_message(note.channel.id, note.id)

    for _ in range(2):
        payload = simcord.backend.serializers.message_payload(world.env.backend, stored)
        world.env.backend.emit("MESSAGE_CREATE", payload)
        await world.env.settle()

    assert len(world.painter.orders) == 1
    assert len(world.said(world.thread_of(world.channel))) == 1


async def test_event_that_is_delivered_again_after_a_restart_is_answered_once(world: World) -> None:
    note = await world.post_voice_note(world.alice, world.channel)
    stored = world.env.backend.get_message(note.channel.id, note.id)
    await world.restart()

    world.env.backend.emit("MESSAGE_CREATE", simcord.backend.serializers.message_payload(world.env.backend, stored))
    await world.env.settle()

    assert len(world.painter.orders) == 1


async def test_finger_that_comes_down_twice_paints_one_picture(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    reply = world.reply(world.channel)

    await world.alice.click(reply, label="Paint again")
    second = await world.alice.click(reply, label="Paint again")

    assert second.ephemeral
    assert second.response is not None
    assert "already on it" in text_of(second.response)
    assert len(world.painter.orders) == 2
    await world.bob.click(reply, label="Paint again")
    assert len(world.painter.orders) == 3, "another person's click is another wish"


async def test_accepted_while_the_clock_was_ahead(world: World) -> None:
    source = await world.alice.send(world.channel, "my recording")
    new = NewJob(world.alice.id, world.guild.id, world.channel.id, "en-US", "rain.wav", source_id=source.id)
    await world.bot.services.store.accept(new, world.env.now() + datetime.timedelta(minutes=10), noise())

    await world.restart()

    assert "picture.png" in names_of(world.reply(world.channel))
