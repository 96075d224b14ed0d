"""What nobody asked the bot about and cannot be painted disturbs nobody: no thread, no message."""

import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from bot.storage.records import Taken
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
    assert_quiet(world)
    assert await world.bot.services.store.unfinished() == []

    await world.post(world.alice, world.channel, (name, make()), content=f"<@{world.me.id}>")
    assert world.channel.threads == []
    assert len(world.said(world.channel)) == 1


def assert_quiet(world: World) -> None:
    """No message, no thread, nobody notified."""
    assert world.channel.threads == []
    assert world.said(world.channel) == []
    assert [one for one in world.env.http_requests if one.method == "POST" and "/messages" in one.path] == []


def reactions(world: World) -> list[str]:
    return [unquote(one.path.split("/")[-2]) for one in world.env.http_requests if "/reactions/" in one.path]


async def test_it_is_marked_as_not_painted_where_that_is_allowed(world: World) -> None:
    await world.post(world.alice, world.channel, ("quiet.wav", silence()))
    assert reactions(world) == ["🔇"]


async def test_it_is_not_marked_where_reactions_are_not_allowed(world: World) -> None:
    await world.post(world.alice, world.channel_without("add_reactions"), ("quiet.wav", silence()))
    assert reactions(world) == []
    assert_quiet(world)


async def test_what_other_bots_and_webhooks_post_is_not_taken(world: World) -> None:
    """Nor what the bot itself posts, which it would otherwise answer for ever."""
    for author in (world.me.id, world.env.create_user("robot", bot=True).id):
        payloads = world.env.backend.store_attachments(world.channel.id, [("rain.wav", noise())])
        world.env.backend.create_message(world.channel.id, author, "", attachments=payloads)
    await world.env.settle()
    assert world.channel.threads == []
    assert await world.jobs_kept() == 0


@pytest.mark.bot(waiting_per_user=10)
async def test_ten_broken_files_at_once_get_no_answer(world: World) -> None:
    await world.post(world.alice, world.channel, *((f"{number}.ogg", b"OggS") for number in range(10)))
    await world.env.advance_time(5)
    assert_quiet(world)


async def test_forwarded_silence_gets_no_answer(world: World) -> None:
    note = await world.post(world.bob, world.guild.create_text_channel("elsewhere"), ("quiet.wav", silence()))
    await world.alice.forward(note, world.channel)
    await world.env.advance_time(5)
    assert_quiet(world)


async def test_message_without_sound_gets_no_answer(world: World) -> None:
    await world.alice.send(world.channel, "no sound here", attachments=[("cat.png", picture()), ("notes.txt", b"hi")])
    assert_quiet(world)


@pytest.mark.parametrize(
    ("taken", "answered"),
    [(Taken.VOICE, ["voice"]), (Taken.SOUNDS, ["voice", "sound"]), (Taken.VIDEOS, ["voice", "sound", "video"])],
)
async def test_moderators_say_what_is_taken_up_unasked(world: World, taken: Taken, answered: list[str]) -> None:
    assert (await world.bot.services.store.servers.settings(world.guild.id)).taken is Taken.SOUNDS
    manager = world.moderator(manage_guild=True)
    panel = await manager.slash(world.channel, "imagine-sound settings")
    assert panel.response is not None
    await manager.select(panel.response, [taken.value], custom_id="settings:taken")

    posted = {
        (await world.post_voice_note(world.alice, world.channel)).id: "voice",
        (await world.post(world.alice, world.channel, ("rain.wav", noise()))).id: "sound",
        (await world.post(world.alice, world.channel, ("film.mp4", noise()))).id: "video",
    }

    assert [posted[thread.id] for thread in world.channel.threads] == answered


async def test_video_is_painted_when_somebody_asks_for_it(world: World) -> None:
    await world.post(world.alice, world.channel, ("film.mp4", noise()), content=f"<@{world.me.id}>")
    assert "picture.png" in names_of(world.reply(world.channel))


async def test_what_is_told_to_one_person_goes_after_a_minute_also_after_a_restart(world: World) -> None:
    mention = f"<@{world.me.id}>"
    await world.post(world.alice, world.channel, ("broken.ogg", b"OggS"), content=mention)
    await world.bob.send(world.channel, mention)
    assert len(world.said(world.channel)) == 2

    await world.env.advance_time(30)
    await world.restart()
    await world.bot.services.jobs.sweep()
    assert len(world.said(world.channel)) == 2
    await world.pass_time(1)
    await world.bot.services.jobs.sweep()

    assert world.said(world.channel) == []


async def test_command_on_a_broken_file_is_told_to_nobody_else(world: World) -> None:
    result = await world.alice.slash(world.channel, "imagine-sound file", recording=("broken.ogg", b"OggS"))

    (told,) = result.followups
    assert told.ephemeral
    assert "not a recording" in text_of(told)
    assert world.said(world.channel) == []


async def test_silence_of_a_command_can_be_painted_all_the_same(world: World) -> None:
    result = await world.alice.slash(world.channel, "imagine-sound file", recording=("quiet.wav", silence()))
    (told,) = result.followups

    await world.alice.click(told, label="Paint the silence")

    (painted,) = world.said(world.channel)
    assert "picture.png" in names_of(painted)


async def test_mute_video_gets_no_answer_unless_asked(
    world: World, ffmpeg: Callable[..., None], tmp_path: Path
) -> None:
    meme = ("meme.mp4", mute_video(ffmpeg, tmp_path))

    await world.post(world.alice, world.channel, meme)
    assert world.channel.threads == []
    assert world.said(world.channel) == []

    await world.post(world.alice, world.channel, meme, content=f"<@{world.me.id}>")
    (told,) = world.said(world.channel)
    assert "no sound track" in text_of(told)


async def test_direct_message_is_always_answered(world: World) -> None:
    channel = world.alice.user.dm_channel
    await world.post_voice_note(world.alice.user, channel, silence())

    (message,) = world.said(channel)
    assert "nothing but silence" in text_of(message)


async def test_menu_on_a_silent_recording_is_answered_to_the_one_who_asked_alone(world: World) -> None:
    message = await world.post(world.alice, world.channel, ("quiet.wav", silence()))
    menu = await world.bob.context_menu(world.channel, "Imagine this sound", message)

    told = next(followup for followup in menu.followups if "nothing but silence" in text_of(followup))
    assert told.flags.ephemeral
    assert world.said(world.channel) == []
    assert world.channel.threads == []

    await world.bob.click(told, label="Paint the silence")
    (painted,) = world.said(world.channel)
    assert names_of(painted) == ["picture.png"]


async def test_menu_whose_interaction_was_forgotten_is_answered_beside_the_recording(world: World) -> None:
    message = await world.post(world.alice, world.channel, ("quiet.wav", silence()))
    world.bot.services.tokens.keep = lambda *args: None  # type: ignore[method-assign]
    await world.bob.context_menu(world.channel, "Imagine this sound", message)

    (told,) = world.said(world.channel)
    assert "nothing but silence" in text_of(told)


async def test_what_can_be_painted_is_answered_unasked_and_its_buttons_are_asked(world: World) -> None:
    await world.post(world.alice, world.channel, ("rain.wav", noise()))
    assert "picture.png" in names_of(world.reply(world.channel))

    await world.bob.click(world.reply(world.channel), label="Again")
    again = await world.bot.services.store.job(2)
    assert again is not None
    assert again.asked
