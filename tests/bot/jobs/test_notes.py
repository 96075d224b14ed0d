"""What a person should know of a recording and a picture: told to whoever wants to know, in their language."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.bot.sounds import RATE, noise, wav
from tests.bot.world import World, menu_of, text_of


async def test_miniature_says_that_it_is_one(world: World) -> None:
    world.painter.is_miniature = True

    await world.post_voice_note(world.alice, world.channel)

    assert "practice model" in text_of(world.reply(world.channel))


async def test_that_is_said_once_in_each_server(world: World) -> None:
    world.painter.is_miniature = True
    for member in (world.alice, world.bob):
        await world.post_voice_note(member, world.channel)

    told = [text_of(world.said(thread)[0]).count("practice model") for thread in world.channel.threads]
    assert sorted(told) == [0, 1]
    helped = await world.alice.slash(world.channel, "imagine-sound help")
    assert helped.response is not None
    assert "practice model" in text_of(helped.response)


async def test_long_recording_is_heard_in_part_and_says_so(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel, noise(12))

    assert "its first 10 seconds" in text_of(await menu_of(world.bob, world.reply(world.channel)))

    await world.alice.click(world.reply(world.channel), label="Again")
    _, again = world.said(world.thread_of(world.channel))
    assert "its first 10 seconds" in text_of(await menu_of(world.bob, again))


async def test_late_and_faint_sound_is_heard_and_says_from_where(world: World) -> None:
    late = np.concatenate([np.zeros(20 * RATE), 0.001 * np.random.default_rng(0).normal(size=RATE)])

    await world.post_voice_note(world.alice, world.channel, wav(late))

    text = text_of(await menu_of(world.bob, world.reply(world.channel)))
    assert "I listened from 0:20" in text
    assert "I turned it up" in text


async def test_note_survives_a_restart(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel, noise(15))

    await world.restart()
    world.painter.held = False
    world.painter.finish_all()
    await world.env.settle()

    assert "first 10 seconds" in text_of(await menu_of(world.bob, world.reply(world.channel)))


async def test_note_on_a_damaged_recording_survives_a_restart_and_speaks_the_readers_language(
    world: World, ffmpeg: Callable[..., None], tmp_path: Path
) -> None:
    guild = world.env.create_guild(preferred_locale="ja")
    channel = guild.create_text_channel("oto")
    member = guild.add_member(world.env.create_user("keiko"))
    (tmp_path / "rain.wav").write_bytes(noise(5))
    ffmpeg("-i", tmp_path / "rain.wav", "-c:a", "aac", "-movflags", "+faststart", tmp_path / "rain.m4a")
    whole = (tmp_path / "rain.m4a").read_bytes()
    world.painter.held = True
    await world.post(member, channel, ("rain.m4a", whole[: len(whole) // 2]))

    await world.restart()
    world.painter.finish_all()
    await world.env.settle()

    menu = await menu_of(member, world.reply(channel))
    assert "The recording is damaged" in text_of(menu), "the member's own language is English"
