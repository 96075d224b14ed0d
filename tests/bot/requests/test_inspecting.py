"""*Did this bot paint it?*: told to one person, in their language, whatever is in the message; nothing is kept."""

import io

import numpy as np
import pytest
from PIL import Image
from simcord.results import InteractionResult

from bot.discord_api.attachments import find_pictures
from bot.requests.inspecting import MOST_PICTURES
from bot.storage.records import Listening
from core.generation.protocol import Picture
from core.pictures import to_png
from core.prompting.prompt import Prompt
from core.provenance.key_file import KEY_FILE
from core.provenance.watermark import MarkingKey
from core.recipe import Mark, Recipe
from tests.bot.requests.test_languages import speaks
from tests.bot.sounds import noise
from tests.bot.world import World, text_of

ASK = "Did this bot paint it?"
KEY = MarkingKey(bytes(range(32)))
OWN = KEY.pattern(3)


def plain(kind: str = "PNG", **how: object) -> bytes:
    """A picture without anything in it."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, kind, **how)
    return out.getvalue()


def claiming(mark: Mark | None) -> bytes:
    """A picture whose recipe claims `mark`."""
    recipe = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (64, 64), "some model", "1", None, (), mark=mark)
    return to_png(Picture(Image.new("RGB", (64, 64), "teal"), recipe, 1.0))


def wide() -> bytes:
    out = io.BytesIO()
    Image.new("1", (40_000, 4000)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
async def world(world: World) -> World:
    """With a key. The painter finds no noise in pictures, unless a test says so."""
    (world.bot.services.settings.data_dir / KEY_FILE).write_bytes(bytes(range(32)))
    world.painter.noise = np.zeros((4, 8, 8), np.float32)
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.NOWHERE)
    return world


async def asked(world: World, *files: tuple[str, bytes]) -> str:
    """Alice has posted files, and Bob asks; what he alone is told."""
    message = await world.post(world.alice, world.channel, *files)
    return told(await world.bob.context_menu(world.channel, ASK, message))


def told(result: InteractionResult) -> str:
    assert result.ephemeral
    assert result.response is not None
    return text_of(result.response)


async def test_picture_that_was_painted_here_is_known_and_another_is_not(world: World) -> None:
    world.painter.noise = OWN.signs((4, 64, 64))
    assert await asked(world, ("p.png", claiming(OWN.mark))) == (
        "Yes, I painted it: its noise carries a mark that only my key can make (by chance at most 1 in 1,000,000,000)."
    )
    assert (await asked(world, ("p.jpg", plain("JPEG")))).startswith("Yes, I painted it")
    assert {request.user for request in world.painter.inspected} == {str(world.bob.id)}
    world.painter.noise = np.zeros((4, 8, 8), np.float32)
    assert "which proves nothing" in await asked(world, ("p.webp", plain("WEBP")))
    assert await world.jobs_kept() == 0
    assert all(message.flags.ephemeral for message in world.said(world.channel))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("forged.png", claiming(OWN.mark), "its pixels do not match"),
        ("other.png", claiming(Mark("01234567", 3)), "another bot's mark"),
        ("plain.png", claiming(None), "which anybody can write"),
        ("cut.png", claiming(OWN.mark)[:300], "not a picture that I can read"),
        ("huge.png", wide(), "too large (40000x4000 pixels, at most 64 million)"),
        ("large.png", bytes(1_000_001), "1.0 MB, more than the 1 MB"),
        (
            "moving.gif",
            plain("GIF", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")]),
            "which proves nothing",
        ),
        ("film.mp4", b"\0\0\0\x18ftypmp42", "There is no picture in this message"),
        ("film.png", b"\0\0\0\x18ftypmp42", "not a picture that I can read"),
        ("notes.txt", b"hello", "There is no picture in this message"),
    ],
)
async def test_whatever_is_in_the_message_is_one_sentence(world: World, name: str, data: bytes, says: str) -> None:
    assert says in await asked(world, (name, data))


async def test_several_pictures_are_told_apart_and_no_more_than_four_are_looked_at(world: World) -> None:
    files = [("a.png", claiming(OWN.mark)), ("b.txt", b"hello"), ("c.png", b"none"), *[("d.png", plain())] * 4]
    lines = (await asked(world, *files)).split("\n")
    assert len(lines) == MOST_PICTURES + 1
    assert lines[0].startswith("1. I can't say so: it carries a recipe that I marked")
    assert lines[1].startswith("2. This is not a picture")
    assert lines[-1] == "-# Only the first 4 pictures were looked at."


async def test_the_bots_own_answer_can_be_asked_about_in_ones_own_language(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.EVERYWHERE)
    await world.post_voice_note(world.alice, world.channel)
    reply = world.reply(world.channel)
    assert [picture.filename for picture in find_pictures(reply)] == ["picture.png"]
    speaks(world, world.bob, "de")
    answer = told(await world.bob.context_menu(world.thread_of(world.channel), ASK, reply))
    assert "Das kann ich nicht sagen" in answer


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_asking_has_a_limit_and_costs_no_picture(world: World) -> None:
    message = await world.post(world.alice, world.channel, ("p.png", plain()))
    answers = [told(await world.bob.context_menu(world.channel, ASK, message)) for _ in range(4)]
    assert ["proves nothing" in answer for answer in answers] == [True, True, True, False]
    assert "recordings or pictures looked into" in answers[-1]
    await world.bob.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    assert len(world.painter.orders) == 1


async def test_painter_that_cannot_tell_and_a_key_that_cannot_be_read_are_said(world: World) -> None:
    world.painter.noise = None
    assert "cannot tell" in await asked(world, ("p.png", plain()))
    (world.bot.services.settings.data_dir / KEY_FILE).write_bytes(b"cut off")
    answer = await asked(world, ("p.png", plain()))
    assert "in the log" in answer
    assert str(world.bot.services.settings.data_dir) not in answer
