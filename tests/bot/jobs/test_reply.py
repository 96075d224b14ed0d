"""The reply: what was heard at once, then the queue, progress, the picture, all in one message."""

import asyncio
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import discord
import numpy as np
import pytest
from PIL import Image

from bot.jobs import painted
from bot.views.naming import name_of, title_of
from bot.views.texts import Texts
from bot.views.wording import picture_alt_text, things_line
from core import hearer
from core.engine import DEFAULTS
from core.errors import OutOfMemory
from core.events import Heard
from core.options import ImagineOptions
from tests.bot.sounds import noise, silence
from tests.bot.world import World, alt_texts_of, buttons_of, names_of, text_of

ENGLISH = Texts.load().translation("en-US")


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32)).save(out, "JPEG")
    return out.getvalue()


async def test_what_was_heard_is_shown_before_the_picture_with_its_place_in_the_queue(world: World) -> None:
    world.painter.held = True

    await world.post_voice_note(world.alice, world.channel)

    message = world.reply(world.channel)
    best = (await world.heard()).top[0]
    assert text_of(message).startswith(f"**{name_of(ENGLISH, best)}")
    assert text_of(message).endswith("\n-# Number 1 in line")
    assert names_of(message) == []
    assert list(buttons_of(message)) == ["Cancel"]


async def test_progress_preview_and_picture_come_in_the_same_message(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    first = world.reply(world.channel)
    (order,) = world.painter.orders

    world.painter.step(order, 2, jpeg())
    await world.env.settle()
    painting = world.reply(world.channel)
    world.painter.finish(order)
    await world.env.settle()
    painted = world.reply(world.channel)

    assert first.id == painting.id == painted.id
    assert "2 of 4" in text_of(painting)
    assert names_of(painting) == ["preview-1-2.jpg"]
    assert f"painted by a model for {world.alice.mention}" in text_of(painted)
    assert names_of(painted) == ["picture.png"]
    assert "2 of 4" not in text_of(painted)


async def test_every_picture_has_an_alternative_text(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    world.painter.step(world.painter.orders[0], 2, jpeg())
    await world.env.settle()
    during = alt_texts_of(world.reply(world.channel))
    world.painter.finish_all()
    await world.env.settle()

    after = alt_texts_of(world.reply(world.channel))

    assert len(during) == len(after) == 1
    assert all(during)
    heard = await world.heard()
    assert after[0] == picture_alt_text(ENGLISH, heard, ImagineOptions())


async def test_thread_bears_the_sounds_name(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)

    title = title_of(ENGLISH, (await world.heard()).top)
    assert world.thread_of(world.channel).name == title
    assert text_of(world.reply(world.channel)).startswith(things_line(ENGLISH, (await world.heard()).top))


async def test_words_that_were_made_from_the_sound_are_not_in_the_message(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)

    assert world.painter.orders[0].request.prompt.text not in text_of(world.reply(world.channel))


async def test_nobody_is_pinged(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.alice.user, world.alice.user.dm_channel)

    for channel in (world.thread_of(world.channel), world.alice.user.dm_channel):
        (message,) = world.said(channel)
        stored = world.env.backend.get_message(channel.id, message.id)
        assert world.alice.mention in text_of(message)
        assert stored.ping_user_ids == []
        assert not stored.mention_everyone


async def test_words_from_people_cannot_ping_or_format(world: World) -> None:
    await world.alice.slash(
        world.channel, "imagine-sound file", recording=("rain.wav", noise()), prompt="@everyone **loud**"
    )

    (message,) = world.said(world.channel)
    assert world.env.backend.get_message(world.channel.id, message.id).ping_user_ids == []
    assert r"\*\*loud\*\*" in text_of(message)


def speckled() -> Image.Image:
    """A picture that PNG cannot make small: about 120 kB."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8))


async def test_picture_too_large_as_png_is_sent_smaller(world: World) -> None:
    world.painter.image = speckled
    world.bot.services.places.file_limit = lambda job: 60_000  # type: ignore[method-assign]

    await world.post_voice_note(world.alice, world.channel)

    message = world.reply(world.channel)
    (picture,) = (attachment for attachment in message.attachments if attachment.filename.startswith("picture"))
    assert picture.filename == "picture.webp"
    assert picture.size <= 60_000


async def test_limit_is_the_servers(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.alice.user, world.alice.user.dm_channel)
    here, private = await world.bot.services.store.job(1), await world.bot.services.store.job(2)
    assert here
    assert private

    assert world.bot.services.places.file_limit(here) == world.bot.get_guild(world.guild.id).filesize_limit  # type: ignore[union-attr]
    assert world.bot.services.places.file_limit(private) == discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES


async def test_picture_that_discord_finds_too_large_is_sent_smaller(world: World) -> None:
    world.painter.held = True
    world.painter.image = speckled
    await world.post_voice_note(world.alice, world.channel)
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=413, code=40005)

    world.painter.finish_all()
    await world.env.settle()

    assert names_of(world.reply(world.channel)) == ["picture.webp"]


async def test_final_state_is_sent_although_discord_has_a_bad_minute(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=503, times=3)

    world.painter.finish_all()
    await world.env.advance_time(80)

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_message_that_may_not_be_edited_any_more_is_followed_by_a_new_one(world: World) -> None:
    new = await world.answered_in_a_new_message()

    assert "picture.png" in names_of(new)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("song.mp3", b"this is no sound at all", "not a recording that I can read"),
        ("empty.wav", b"", "empty"),
        ("silence.wav", silence(), "nothing but silence"),
        ("large.wav", b"0" * 1_100_000, "more than the 1 MB"),
        ("cut.wav", noise()[:44], "no sound"),
    ],
)
async def test_bad_recording_gets_one_friendly_sentence_and_the_next_is_heard(
    world: World, name: str, data: bytes, sentence: str
) -> None:
    await world.post(world.alice, world.channel, (name, data), content=f"<@{world.me.id}>")
    threads = world.channel.threads
    said = world.said(threads[0] if threads else world.channel)
    assert len(said) == 1
    assert sentence in text_of(said[0])
    assert names_of(said[0]) in ([], ["strip-ink.png"])

    await world.post_voice_note(world.bob, world.channel)
    assert any("picture.png" in names_of(message) for t in world.channel.threads for message in world.said(t))


async def test_painting_that_fails_is_told_and_the_next_is_painted(world: World) -> None:
    world.painter.error = OutOfMemory("This picture does not fit into the device's memory; ask for a smaller one.")
    await world.post_voice_note(world.alice, world.channel)
    message = world.reply(world.channel)
    assert "does not fit into the device's memory" in text_of(message)
    assert list(buttons_of(message)) == ["Again"]

    world.painter.error = None
    await world.alice.click(message, label="Again")

    assert "picture.png" in names_of(world.said(world.thread_of(world.channel))[1])


async def test_fault_of_the_program_is_told_without_details_and_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Image.Image:
        raise AssertionError("a secret path")

    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    world.painter.image = lambda: None  # type: ignore[assignment, return-value]
    world.painter.finish_all()
    await world.env.settle()

    assert "Something went wrong on my side" in text_of(world.reply(world.channel))
    assert "Traceback" not in text_of(world.reply(world.channel))
    assert any(record.exc_info for record in caplog.records if record.name == "bot.jobs.answer_run")


async def test_five_people_at_once_get_their_own_answers(world: World) -> None:
    world.painter.held = True
    people = [world.guild.add_member(world.env.create_user(f"person{number}")) for number in range(5)]
    for person in people:
        await world.post_voice_note(person, world.channel)

    positions = [text_of(world.said(thread)[0]).count("in line") for thread in world.channel.threads]
    world.painter.finish_all()
    await world.env.settle()

    assert positions == [1] * 5
    assert {order.request.user for order in world.painter.orders} == {str(person.id) for person in people}
    texts = [text_of(world.said(thread)[0]) for thread in world.channel.threads]
    assert all(sum(person.mention in text for text in texts) == 1 for person in people)
    assert all("painted by a model for" in text for text in texts)


@pytest.mark.bot(edit_interval_s=30)
async def test_edits_wait_for_their_turn_and_the_final_state_is_sent(world: World) -> None:
    def edits() -> int:
        return sum(request.method == "PATCH" for request in world.env.http_requests)

    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    (order,) = world.painter.orders
    before = edits()
    for step in (1, 2, 3):
        world.painter.step(order, step)
        await world.env.settle()
    assert edits() - before <= 1

    world.painter.finish(order)
    await world.env.advance_time(61)

    assert edits() - before <= 3
    assert "picture.png" in names_of(world.reply(world.channel))


async def test_message_comes_before_what_was_heard_where_hearing_takes_long(world: World) -> None:
    hear, may_hear = world.bot.services.engine.hear, asyncio.Event()

    async def hear_later(recording: bytes | Path, options: ImagineOptions = DEFAULTS, **more: Any) -> Heard:
        await world.env.external_wait(may_hear.wait(), reason="slow ears")
        return await hear(recording, options, **more)

    world.bot.services.engine.hear = hear_later  # type: ignore[method-assign]
    await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")
    await world.env.advance_time(3)
    listening = world.reply(world.channel)
    may_hear.set()
    await world.env.settle()

    assert "Listening" in text_of(listening)
    assert names_of(world.reply(world.channel)) == ["picture.png"]
    assert world.thread_of(world.channel).name == title_of(ENGLISH, (await world.heard()).top)


IN_THREADS = ((hearer, "weave"), (painted, "palette_of"), (painted, "encode_picture"))


async def test_hearing_weaving_and_encoding_leave_the_event_loop_free(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, str] = {}

    def noticing(module: object, name: str) -> Callable[..., object]:
        function = getattr(module, name)

        def call(*args: object) -> object:
            threads[name] = threading.current_thread().name
            return function(*args)

        return call

    for module, name in IN_THREADS:
        monkeypatch.setattr(module, name, noticing(module, name))

    await world.post_voice_note(world.alice, world.channel)

    assert set(threads) == {name for _, name in IN_THREADS}
    assert threading.main_thread().name not in threads.values()


async def test_silence_is_painted_only_if_somebody_wants_that(world: World) -> None:
    await world.post(world.alice, world.channel, ("quiet.wav", silence()), content=f"<@{world.me.id}>")

    (message,) = world.said(world.channel)
    assert "nothing but silence" in text_of(message)
    assert list(buttons_of(message)) == ["Paint the silence"]
    assert world.painter.orders == []

    await world.bob.click(message, label="Paint the silence")

    assert [order.request.prompt.text for order in world.painter.orders] == ["a quiet empty landscape at dawn"]
    painted = world.said(world.channel)[1]
    assert "“" not in text_of(painted), "nobody said these words"
    await world.bob.click(painted, label="Again")
    assert len(world.painter.orders) == 2


async def test_thread_that_was_closed_meanwhile_is_opened_for_the_picture(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=400, code=50083)

    world.painter.finish_all()
    await world.env.settle()

    thread = world.thread_of(world.channel)
    path = f"/channels/{thread.id}"
    changes = [one.json for one in world.env.http_requests if (one.method, one.path) == ("PATCH", path)]
    assert changes == [{"archived": False}, {"archived": True}], "opened, and left as it was"
    assert "picture.png" in names_of(world.reply(world.channel))


async def test_reply_that_may_not_be_touched_for_an_hour_ends_the_job(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=403, code=50001, times=None)

    world.painter.finish_all()
    await world.pass_time(10)
    assert len(await world.bot.services.store.unfinished()) == 1, "somebody may allow it again"
    await world.pass_time(60)

    assert len(world.bot.services.jobs) == 0
    assert await world.bot.services.store.unfinished() == []
