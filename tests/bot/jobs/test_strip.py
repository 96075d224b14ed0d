"""The sound's strip in the reply: after the words, in ink, then below the picture in its colours."""

import io
import threading
from typing import Any

import discord
import numpy as np
import pytest
from PIL import Image
from simcord.http import router

from core import engine
from core.hearing.palette import palette_of
from core.hearing.strip import Strip, strip_png, weave
from tests.bot.world import World, components, names_of


async def strip_in(message: discord.Message, name: str) -> Image.Image:
    (file,) = (attachment for attachment in message.attachments if attachment.filename == name)
    return Image.open(io.BytesIO(await file.read()))


def media_of(message: discord.Message) -> list[str]:
    """What stands in a message, from top to bottom: names of pictures, and texts."""
    return [
        component["items"][0]["media"]["url"].rpartition("/")[2] if component["type"] == 12 else "text"
        for component in components(message)
        if component["type"] in (10, 12)
    ]


async def test_strip_is_in_ink_until_there_is_a_picture_and_then_below_it_in_its_colours(world: World) -> None:
    world.painter.image = lambda: Image.new("RGB", (64, 64), (20, 40, 160))
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    waiting = world.reply(world.channel)
    world.painter.finish_all()
    await world.env.settle()
    painted = world.reply(world.channel)

    ink, coloured = await strip_in(waiting, "strip-ink.png"), await strip_in(painted, "strip.png")
    assert np.asarray(ink.convert("RGBA"))[..., 3].min() < 128
    assert coloured.size == ink.size == (1280, 108)
    (job,) = [await world.bot.services.store.job(1)]
    assert job is not None
    assert job.outcome is not None
    assert job.outcome.palette == palette_of(Image.new("RGB", (64, 64), (20, 40, 160)))
    assert job.outcome.palette.ground == (20, 40, 160)
    strip = await world.bot.services.store.strip(job)
    assert strip is not None
    assert coloured.tobytes() == Image.open(io.BytesIO(strip_png(strip, job.outcome.palette))).tobytes()
    title, picture, below, *_ = media_of(painted)
    assert (title, picture, below) == ("text", "picture.png", "strip.png")


async def test_painted_again_it_stands_on_the_same_strip_in_the_new_pictures_colours(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    world.painter.image = lambda: Image.new("RGB", (64, 64), (200, 180, 20))

    await world.alice.click(world.reply(world.channel), label="Paint again")

    first, second = world.said(world.thread_of(world.channel))
    assert names_of(first) == names_of(second) == ["strip.png", "picture.png"]
    jobs = [await world.bot.services.store.job(number) for number in (1, 2)]
    strips = [await world.bot.services.store.strip(job) for job in jobs if job is not None]
    assert strips[0] == strips[1] != None  # noqa: E711
    assert (await strip_in(second, "strip.png")).convert("RGB") != (await strip_in(first, "strip.png")).convert("RGB")


async def test_what_was_heard_is_sent_before_its_strip_is_woven(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, in_time = threading.Event(), []
    dispatch = router.dispatch

    def notice(backend: Any, method: str, path: str, **options: Any) -> Any:
        answer = dispatch(backend, method, path, **options)
        if method == "POST" and path.endswith("/messages"):
            sent.set()
        return answer

    def weave_later(*heard: Any) -> Strip:
        in_time.append(sent.wait(10))
        return weave(*heard)

    monkeypatch.setattr(router, "dispatch", notice)
    monkeypatch.setattr(engine, "weave", weave_later)

    await world.post_voice_note(world.alice, world.channel)

    assert in_time == [True]
    assert names_of(world.reply(world.channel)) == ["strip.png", "picture.png"]


async def test_strip_that_cannot_be_woven_keeps_no_picture_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Strip:
        raise ValueError("no sound")

    monkeypatch.setattr(engine, "weave", fail)

    await world.post_voice_note(world.alice, world.channel)

    assert names_of(world.reply(world.channel)) == ["picture.png"]
