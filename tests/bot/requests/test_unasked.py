"""What nobody asked the bot about and cannot be painted disturbs nobody: no thread, no message."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.bot.sounds import noise, silence
from tests.bot.world import World, names_of, text_of


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return out.getvalue()


def mute_video(ffmpeg: Callable[..., None], directory: Path) -> bytes:
    ffmpeg("-f", "lavfi", "-i", "color=c=red:s=64x64:r=5:d=1", directory / "film.mp4")
    return (directory / "film.mp4").read_bytes()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "broken ogg": ("broken.ogg", lambda: b"OggS" + bytes(range(256))),
    "renamed picture": ("holiday.mp3", picture),
    "silence": ("quiet.wav", silence),
    "no bytes": ("empty.wav", lambda: b""),
    "too large": ("large.wav", lambda: bytes(1_100_000)),
}


@pytest.mark.parametrize("file", FILES)
async def test_file_that_cannot_be_painted_gets_no_answer_unless_asked(world: World, file: str) -> None:
    name, make = FILES[file]

    await world.post(world.alice, world.channel, (name, make()))
    await world.env.advance_time(5)
    assert world.channel.threads == []
    assert world.said(world.channel) == []
    assert await world.bot.services.store.unfinished() == []

    await world.post(world.alice, world.channel, (name, make()), content=f"<@{world.me.id}>")
    threads = world.channel.threads
    assert len(world.said(threads[0] if threads else world.channel)) == 1


async def test_mute_video_gets_no_answer_unless_asked(
    world: World, ffmpeg: Callable[..., None], tmp_path: Path
) -> None:
    meme = ("meme.mp4", mute_video(ffmpeg, tmp_path))

    await world.post(world.alice, world.channel, meme)
    assert world.channel.threads == []
    assert world.said(world.channel) == []

    await world.post(world.alice, world.channel, meme, content=f"<@{world.me.id}>")
    assert "no sound track" in text_of(world.reply(world.channel))


async def test_direct_message_is_always_answered(world: World) -> None:
    channel = world.alice.user.dm_channel
    await world.post_voice_note(world.alice.user, channel, silence())

    (message,) = world.said(channel)
    assert "nothing but silence" in text_of(message)


async def test_menu_on_a_silent_recording_is_answered(world: World) -> None:
    message = await world.post(world.alice, world.channel, ("quiet.wav", silence()))
    await world.bob.context_menu(world.channel, "Imagine this sound", message)

    assert "nothing but silence" in text_of(world.reply(world.channel))


async def test_what_can_be_painted_is_answered_unasked_and_its_buttons_are_asked(world: World) -> None:
    await world.post(world.alice, world.channel, ("rain.wav", noise()))
    assert "picture.png" in names_of(world.reply(world.channel))

    await world.bob.click(world.reply(world.channel), label="Again")
    again = await world.bot.services.store.job(2)
    assert again is not None
    assert again.asked
