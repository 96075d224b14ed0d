"""*Larger*: the same picture with more pixels, in a message of its own, by the bundled upscaler."""

import asyncio
import io
import time
from pathlib import Path

import discord
import pytest
from PIL import Image

from core.settings import CoreSettings
from tests.bot.world import World, buttons_of, in_menu, names_of, text_of

UPSCALER = Path(__file__).parents[3] / "core/miniatures/upscaler-mini/upscaler-mini.safetensors"

pytestmark = pytest.mark.usefixtures("spandrel")


@pytest.fixture
def core_settings(core_settings: CoreSettings) -> CoreSettings:
    """With something that enlarges every painter's pictures."""
    return core_settings.model_copy(update={"upscale_model": UPSCALER})


@pytest.fixture
async def painted(world: World) -> World:
    """Alice's voice note has been painted."""
    await world.post_voice_note(world.alice, world.channel)
    return world


async def enlarged(world: World, count: int = 2) -> discord.Message:
    """The last of so many messages, once its picture is there; enlarging takes a thread some time."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        await world.env.settle()
        messages = world.said(world.thread_of(world.channel))
        if len(messages) == count and any(name.startswith("picture.") for name in names_of(messages[-1])):
            return messages[-1]
        await asyncio.sleep(0.05)
    raise AssertionError([text_of(message) for message in messages])


async def size_of(message: discord.Message) -> tuple[int, int]:
    return Image.open(io.BytesIO(await message.attachments[0].read())).size


async def test_picture_is_made_larger_in_a_message_of_its_own_which_tells_of_the_first(painted: World) -> None:
    first = painted.reply(painted.channel)
    assert list(buttons_of(first)) == ["Again", "4 more", "Larger", "Change", "⋯"]
    await painted.bob.click(first, label="Larger")

    larger = await enlarged(painted)
    before, after = await size_of(first), await size_of(larger)
    assert after == (2 * before[0], 2 * before[1])
    assert "larger, from [↗](" in text_of(larger)
    assert painted.bob.mention in text_of(larger)
    assert len(painted.painter.orders) == 1, "it is not painted anew"
    recipe = await in_menu(painted.bob, larger, "Recipe")
    assert recipe.response is not None
    assert "64 × 64 × 2" in text_of(recipe.response)


async def test_picture_can_be_made_larger_twice_and_no_more(painted: World) -> None:
    await painted.bob.click(painted.reply(painted.channel), label="Larger")
    await painted.bob.click(await enlarged(painted), label="Larger")
    largest = await enlarged(painted, 3)
    assert await size_of(largest) == (256, 256)
    assert "Larger" not in buttons_of(largest)


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_larger_counts_as_a_picture(painted: World) -> None:
    refused = await painted.alice.click(painted.reply(painted.channel), label="Larger")
    assert refused.ephemeral
    assert refused.response is not None
    assert "which is the limit" in text_of(refused.response)


async def test_two_clicks_at_once_are_one_larger_picture(painted: World) -> None:
    first = painted.reply(painted.channel)
    await painted.bob.click(first, label="Larger")
    again = await painted.bob.click(first, label="Larger")
    assert again.ephemeral
    await enlarged(painted)
    assert await painted.jobs_kept() == 2


async def test_larger_picture_that_a_restart_interrupted_is_made_after_it(painted: World) -> None:
    await painted.bob.click(painted.reply(painted.channel), label="Larger")
    await painted.restart()
    assert await size_of(await enlarged(painted)) == (128, 128)


async def test_without_an_upscaler_there_is_no_such_button(world: World) -> None:
    remove_upscaler(world)
    await world.post_voice_note(world.alice, world.channel)
    assert "Larger" not in buttons_of(world.reply(world.channel))


async def test_button_of_before_the_upscaler_was_removed_ends_in_a_sentence(painted: World) -> None:
    remove_upscaler(painted)
    await painted.bob.click(painted.reply(painted.channel), label="Larger")
    told = painted.said(painted.thread_of(painted.channel))[-1]
    assert names_of(told) == []
    assert "model" in text_of(told)
    assert buttons_of(told) == {}, "the button is where the picture is"


def remove_upscaler(world: World) -> None:
    models = world.bot.services.engine._models
    models._settings = models._settings.model_copy(update={"upscale_model": None})
