"""The sound's strip: woven after the words have been sent, and shown to whoever asks in the picture's colours."""

import io
import threading
from typing import Any

import discord
import pytest
from PIL import Image
from simcord.http import router
from simcord.results import ResponseMessage

from core import hearer
from core.hearing.palette import palette_of
from core.hearing.strip import Strip, strip_png, weave
from tests.bot.world import World, components, menu_of, names_of


async def strip_in(menu: ResponseMessage) -> Image.Image:
    (file,) = menu.attachments
    return Image.open(io.BytesIO(await file.read()))


def edge_of(message: discord.Message) -> int | None:
    """The colour of a message's container."""
    return next(components(message)).get("accent_color")


async def test_strip_is_sent_to_whoever_asks_in_the_pictures_colours(world: World) -> None:
    world.painter.image = lambda: Image.new("RGB", (64, 64), (20, 40, 160))
    await world.post_voice_note(world.alice, world.channel)
    assert names_of(world.reply(world.channel)) == ["picture.png"]

    coloured = await strip_in(await menu_of(world.bob, world.reply(world.channel)))

    job = await world.bot.services.store.job(1)
    assert job is not None
    assert job.outcome is not None
    assert job.outcome.palette == palette_of(Image.new("RGB", (64, 64), (20, 40, 160)))
    strip = await world.bot.services.store.strip(job)
    assert strip is not None
    assert coloured.tobytes() == Image.open(io.BytesIO(strip_png(strip, job.outcome.palette))).tobytes()


async def test_message_is_edged_in_the_strips_loud_colour_once_there_is_a_picture(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    assert edge_of(world.reply(world.channel)) is None
    world.painter.finish_all()
    await world.env.settle()

    job = await world.bot.services.store.job(1)
    assert job is not None
    assert job.outcome is not None
    assert job.outcome.palette is not None
    assert edge_of(world.reply(world.channel)) == discord.Colour.from_rgb(*job.outcome.palette.loud).value


async def test_painted_again_it_has_the_same_strip_in_the_new_pictures_colours(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    world.painter.image = lambda: Image.new("RGB", (64, 64), (200, 180, 20))

    await world.alice.click(world.reply(world.channel), label="Again")

    first, second = [await menu_of(world.bob, message) for message in world.said(world.thread_of(world.channel))]
    jobs = [await world.bot.services.store.job(number) for number in (1, 2)]
    strips = [await world.bot.services.store.strip(job) for job in jobs if job is not None]
    assert strips[0] == strips[1] != None  # noqa: E711
    assert (await strip_in(second)).convert("RGB") != (await strip_in(first)).convert("RGB")


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
    monkeypatch.setattr(hearer, "weave", weave_later)

    await world.post_voice_note(world.alice, world.channel)

    assert in_time == [True]
    assert names_of(world.reply(world.channel)) == ["picture.png"]


async def test_strip_that_cannot_be_woven_keeps_no_picture_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Strip:
        raise ValueError("no sound")

    monkeypatch.setattr(hearer, "weave", fail)

    await world.post_voice_note(world.alice, world.channel)

    assert names_of(world.reply(world.channel)) == ["picture.png"]
