"""Stories as they are really told, heard, cut and filmed; only the painter is scripted."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import discord
import numpy as np
import pytest
from simcord.actors import MemberActor

from core.engine import Engine
from core.hearing.samples import birdsong, make_wav, rain, siren
from core.options import PictureCheck
from core.stories.events import StoryEvent
from core.stories.story import StoryOptions, tell
from tests.bot.storyteller import ScriptedStory
from tests.bot.world import World, in_menu, names_of, text_of

THREE = make_wav(np.concatenate([siren(5), rain(5), birdsong(5)]))


class RealStory(ScriptedStory):
    """Nothing is scripted; waiting for its events is declared to the simulator as waiting for the outside."""

    async def tell(
        self,
        engine: Engine,
        recording: bytes | Path,
        options: StoryOptions,
        *,
        user: str = "",
        refuses: Callable[[str], bool] = lambda text: False,
        allows_words: Callable[[], bool] = lambda: True,
        check: PictureCheck | None = None,
    ) -> AsyncGenerator[StoryEvent, None]:
        told = tell(engine, recording, options, user=user, refuses=refuses, allows_words=allows_words, check=check)
        async with aclosing(told) as events:
            async for event in events:
                yield event


@pytest.fixture
def story() -> ScriptedStory:
    return RealStory()


async def until(world: World, is_so: Callable[[], bool]) -> None:
    """Wait for it; what is told in threads takes some time."""
    ends = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < ends, [text_of(message) for message in messages(world)]
        await asyncio.sleep(0.05)
        await world.env.settle()


def messages(world: World) -> list[discord.Message]:
    """The bot's, in all threads."""
    return [message for thread in world.channel.threads for message in world.said(thread)]


def films(world: World) -> list[discord.Message]:
    return [message for message in messages(world) if "film.mp4" in names_of(message)]


async def ask(world: World, who: MemberActor, picture: discord.Message) -> None:
    told = (await in_menu(who, picture, "Make a film")).response
    assert told is not None
    await who.click(told, label="Make the film")


async def test_recording_of_three_things_becomes_a_film_that_plays(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel, THREE)
    await ask(world, world.alice, messages(world)[0])
    await until(world, lambda: bool(films(world)))

    (film,) = films(world)
    assert names_of(film) == ["film.mp4", "picture-1.png", "picture-2.png", "picture-3.png"]
    data = await film.attachments[0].read()
    assert data[4:8] == b"ftyp"
    assert "0:00 " in text_of(film)
    seeds = {order.request.seed for order in world.painter.orders[1:]}
    assert len(seeds) == 1, "one hand"


async def test_two_stories_and_a_picture_are_painted_side_by_side(world: World) -> None:
    """None waits until another one is over."""
    await world.post_voice_note(world.alice, world.channel, THREE)
    await world.post_voice_note(world.bob, world.channel, THREE)
    hers, his = messages(world)
    world.painter.held = True
    await ask(world, world.alice, hers)
    await ask(world, world.bob, his)
    carol = world.guild.add_member(world.env.create_user("carol"))
    await carol.slash(world.channel, "imagine-sound file", recording=("rain.wav", make_wav(rain(2))))
    await until(world, lambda: len(world.painter.open) == 3)

    users = {order.request.user for order in world.painter.open.values()}
    assert users == {str(world.alice.id), str(world.bob.id), str(carol.id)}
    world.painter.finish_all()
    await until(world, lambda: len(films(world)) == 2)
