"""What was accepted is answered once, whatever Discord, the clock or a finger does."""

import asyncio
import datetime
import io
from types import SimpleNamespace

import discord
import pytest
import simcord.backend.serializers
from PIL import Image
from simcord.http import FakeHTTPClient

from bot.jobs.live_message import LiveMessage
from bot.jobs.recordings import Recordings
from bot.storage.records import AttachmentAddress, NewJob
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

    await world.alice.click(reply, label="Again")
    second = await world.alice.click(reply, label="Again")

    assert second.ephemeral
    assert second.response is not None
    assert "already on it" in text_of(second.response)
    assert len(world.painter.orders) == 2
    await world.bob.click(reply, label="Again")
    assert len(world.painter.orders) == 3, "another person's click is another wish"


async def test_killed_between_painting_and_showing_the_same_picture_is_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    colours = iter(("teal", "red"))
    world.painter.image = lambda: Image.new("RGB", (64, 64), next(colours))

    async def killed(*_: object) -> None:
        await world.env.external_wait(asyncio.Event().wait(), reason="killed here")

    with monkeypatch.context() as patched:
        patched.setattr(LiveMessage, "finish", killed)
        await world.post_voice_note(world.alice, world.channel)
    await world.restart()

    assert len(world.painter.orders) == 1, "nothing is painted twice"
    picture = world.reply(world.channel).attachments[0]
    with Image.open(io.BytesIO(await picture.read())) as image:
        assert image.getpixel((0, 0)) == (0, 128, 128)


async def test_killed_while_painting_the_same_seed_is_painted_again(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    await world.restart()
    world.painter.finish_all()
    await world.env.settle()

    first, second = world.painter.orders
    assert first.request.seed == second.request.seed


async def test_accepted_while_the_clock_was_ahead(world: World) -> None:
    source = await world.alice.send(world.channel, "my recording")
    new = NewJob(world.alice.id, world.guild.id, world.channel.id, "en-US", "rain.wav", source_id=source.id)
    await world.accepted(new, noise(), created=world.env.now() + datetime.timedelta(minutes=10))

    await world.restart()

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_recording_is_fetched_although_discord_has_a_bad_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, failures = FakeHTTPClient.get_from_cdn, [503, 500, 520]

    async def failing(http: FakeHTTPClient, url: str) -> bytes:
        if failures:
            response = SimpleNamespace(status=failures.pop(), reason="a bad moment")
            raise discord.HTTPException(response, "failed to get asset")  # type: ignore[arg-type]
        return await fetch(http, url)

    monkeypatch.setattr(FakeHTTPClient, "get_from_cdn", failing)
    await world.post_voice_note(world.alice, world.channel)
    await world.env.advance_time(30)

    assert failures == []
    assert "picture.png" in names_of(world.reply(world.channel))


async def test_address_that_has_expired_is_asked_of_the_message(world: World) -> None:
    note = await world.alice.send(world.channel, "", attachments=[("rain.wav", noise())])
    await world.restart()  # nothing of it is left but what is written down
    await world.bot.services.jobs.forget_user(world.alice.id)
    (attachment,) = note.attachments
    stale = AttachmentAddress(attachment.id, attachment.url + "-stale", attachment.size)
    new = NewJob(
        world.bob.id, world.guild.id, world.channel.id, "en-US", "rain.wav", source_id=note.id, attachment=stale
    )
    await world.bot.services.store.accept(new, world.env.now())

    await world.restart()

    assert world.painter.orders[-1].request.user == str(world.bob.id)


async def test_recording_that_is_gone_is_told(world: World) -> None:
    note = await world.alice.send(world.channel, "a message without a recording")
    gone = AttachmentAddress(1, "https://cdn.discordapp.com/attachments/1/1/gone.ogg", 10)
    new = NewJob(
        world.alice.id, world.guild.id, world.channel.id, "en-US", "gone.ogg", source_id=note.id, attachment=gone
    )
    await world.bot.services.store.accept(new, world.env.now())

    await world.restart()

    (told,) = world.said(world.channel)
    assert "could not fetch this recording" in text_of(told)


async def test_killed_between_accepting_and_fetching_it_is_fetched_at_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: object) -> None:
        await world.env.external_wait(asyncio.Event().wait(), reason="killed here")

    with monkeypatch.context() as patched:
        patched.setattr(Recordings, "fetch", killed)
        await world.post_voice_note(world.alice, world.channel)
    assert await world.jobs_kept() == 1

    await world.restart()

    assert "picture.png" in names_of(world.reply(world.channel))
