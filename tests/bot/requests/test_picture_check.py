"""A picture that should not be shown: covered, or one sentence to its asker, by where it would be; it costs nothing.

What decides is injected: red is what should not be shown.
"""

from typing import Any

import discord
import pytest
from PIL import Image

from bot.jobs.painted import encode
from bot.storage.records import RestrictedCheck
from bot.views.hiding import is_hidden
from core.checker import COVERED
from core.generation.protocol import Picture
from core.options import PictureCheck
from core.prompting.prompt import Prompt
from core.recipe import Recipe
from core.settings import CoreSettings
from tests.bot.sounds import noise
from tests.bot.world import World, components, menu_of, text_of

SENTENCE = "not shown here; please try another sound or other words"


@pytest.fixture
def core_settings(core_settings: CoreSettings, request: pytest.FixtureRequest) -> CoreSettings:
    """The usual ones with the check that the test is marked with, as `how`."""
    how: PictureCheck = getattr(request, "param", PictureCheck.BLOCK)
    return core_settings.model_copy(update={"picture_check": how})


@pytest.fixture
def world(world: World) -> World:
    """Whatever is painted is red."""
    world.painter.image = lambda: Image.new("RGB", (64, 64), "red")
    return world


def pictures_in(world: World) -> list[Any]:
    channels = [world.channel, *world.channel.threads]
    parts = (part for channel in channels for message in world.said(channel) for part in components(message))
    return [part for part in parts if part["type"] == 12]


async def asked(world: World) -> str:
    """Alice uploads a recording; all that is said to her alone, and in public."""
    result = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    followups = [text_of(message) for message in result.followups]
    return "\n".join([*followups, *(text_of(message) for message in world.said(world.channel))])


@pytest.mark.bot(pictures_per_user_hour=1)
async def test_blocked_picture_is_one_sentence_costs_nothing_and_is_not_kept(world: World) -> None:
    for _ in range(3):
        assert SENTENCE in await asked(world)
    assert len(world.painter.orders) == 3
    assert pictures_in(world) == []
    jobs = [await world.bot.services.store.job(number) for number in (1, 2, 3)]
    assert all(job is not None and job.outcome is None for job in jobs)
    assert not list((world.bot.services.settings.data_dir / "work").glob("picture-*"))
    world.painter.image = lambda: Image.new("RGB", (64, 64), "teal")
    await asked(world)
    assert len(pictures_in(world)) == 1


def test_of_several_pictures_in_a_message_all_are_covered_if_one_is() -> None:
    recipe = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (64, 64), "scripted", "1", None, ())
    image = Image.new("RGB", (64, 64), "teal")
    pictures = [Picture(image, recipe, 1.0, notes=notes) for notes in ((), (COVERED,))]
    assert encode(pictures, 100_000).outcome.notes == (COVERED,)


@pytest.mark.parametrize("core_settings", [PictureCheck.SPOILER], indirect=True)
async def test_covered_picture_says_why_and_that_is_written_down_for_a_restart(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    reply = world.reply(world.channel)
    assert is_hidden(reply)
    assert "may not be for everybody" in text_of(await menu_of(world.alice, reply))
    job = await world.bot.services.store.job(1)
    assert job is not None
    assert job.outcome is not None
    assert [note.key for note in job.outcome.notes] == ["covered"]


@pytest.mark.parametrize(
    ("chosen", "shown", "hidden"),
    [(RestrictedCheck.OFF, 1, False), (RestrictedCheck.SPOILER, 1, True), (RestrictedCheck.BLOCK, 0, False)],
)
async def test_age_restricted_channels_go_by_the_servers_own_setting(
    world: World, chosen: RestrictedCheck, shown: int, hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.TextChannel, "is_nsfw", lambda channel: channel.name == "adults")
    channel = world.guild.create_text_channel("adults")
    await world.bot.services.store.servers.change(world.guild.id, restricted_check=chosen)
    await world.post_voice_note(world.alice, channel)
    messages = [message for where in (channel, *channel.threads) for message in world.said(where)]
    pictures = [message for message in messages if message.attachments]
    assert [is_hidden(message) for message in pictures] == [hidden] * shown


@pytest.mark.parametrize("core_settings", [PictureCheck.OFF], indirect=True)
async def test_where_it_is_off_it_is_off_everywhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discord.TextChannel, "is_nsfw", lambda channel: True)
    await world.bot.services.store.servers.change(world.guild.id, restricted_check=RestrictedCheck.BLOCK)
    await world.post_voice_note(world.alice, world.channel)
    assert not is_hidden(world.reply(world.channel))
