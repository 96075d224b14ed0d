"""A person's limit holds whichever ways they take, alone and in pairs.

Every way alone and a part of the pairs; TABLES=all takes all of them (`make quotas`).
"""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import discord
import pytest
from simcord.builders import ChannelHandle

from bot.storage.records import Listening
from tests.bot.sounds import noise
from tests.bot.world import World, filled
from tests.tables import part

MOST = 2
ROUNDS = 2
"""So often each way is taken: one picture more than is allowed."""


@dataclass(frozen=True)
class Scene:
    """A world with a recording of Bob's, which the bot did not hear, and one that it painted, with its answer."""

    world: World
    place: ChannelHandle
    unheard: discord.Message
    answer: discord.Message

    @classmethod
    async def of(cls, world: World) -> "Scene":
        """Bob has asked for his own; his limit is his."""
        place: ChannelHandle = world.guild.create_text_channel("bobs")
        servers = world.bot.services.store.servers
        await world.bob.slash(place, "imagine-sound file", recording=("b.wav", noise()))
        await servers.change(world.guild.id, listening=Listening.CHOSEN, channels=(world.channel.id,))
        unheard = await world.post(world.bob, place)
        (answer,) = world.said(place)
        await servers.change(world.guild.id, listening=Listening.EVERYWHERE)
        return cls(world, place, unheard, answer)


Way = Callable[[Scene], Awaitable[object]]


async def post(scene: Scene) -> None:
    await scene.world.post_voice_note(scene.world.alice, scene.world.channel)


async def several_files(scene: Scene) -> None:
    await scene.world.post(scene.world.alice, scene.world.channel, *((f"{number}.wav", noise()) for number in range(4)))


async def command(scene: Scene) -> None:
    await scene.world.alice.slash(scene.world.channel, "imagine-sound file", recording=("a.wav", noise()))


async def menu(scene: Scene) -> None:
    await scene.world.alice.context_menu(scene.place, "Imagine this sound", scene.unheard)


async def mention(scene: Scene) -> None:
    await scene.world.alice.send(scene.place, f"<@{scene.world.me.id}>", reply_to=scene.unheard)


async def forward(scene: Scene) -> None:
    await scene.world.alice.forward(scene.unheard, scene.world.channel)


async def direct_message(scene: Scene) -> None:
    await scene.world.post_voice_note(scene.world.alice.user, scene.world.alice.user.dm_channel)


async def command_in_direct_messages(scene: Scene) -> None:
    await scene.world.alice.user.slash("imagine-sound file", recording=("a.wav", noise()))


async def paint_again(scene: Scene) -> None:
    await scene.world.alice.click(scene.answer, label="Again")


async def style(scene: Scene) -> None:
    editor = await scene.world.alice.click(scene.answer, label="Change")
    if editor.modal is not None:  # otherwise it is forgotten what is to be changed
        await scene.world.alice.submit_modal(editor, filled(editor, style="comic"))


async def edited_prompt(scene: Scene) -> None:
    editor = await scene.world.alice.click(scene.answer, label="Change")
    if editor.modal is not None:  # otherwise it is forgotten what is to be edited
        await scene.world.alice.submit_modal(editor, filled(editor, prompt="a dragon"))


async def another_channel(scene: Scene) -> None:
    await scene.world.post_voice_note(scene.world.alice, scene.world.guild.create_text_channel("another"))


async def another_server(scene: Scene) -> None:
    guild = scene.world.env.create_guild("Another")
    await scene.world.post_voice_note(guild.add_member(scene.world.alice.user), guild.create_text_channel("general"))


async def after_forget_me(scene: Scene) -> None:
    await scene.world.bot.services.jobs.forget_user(scene.world.alice.id)
    await post(scene)


async def after_a_deletion(scene: Scene) -> None:
    note = await scene.world.post_voice_note(scene.world.alice, scene.world.channel)
    await scene.world.alice.delete(note)


async def after_a_restart(scene: Scene) -> None:
    await scene.world.restart()
    await post(scene)


async def after_the_bot_was_removed(scene: Scene) -> None:
    await scene.world.bot.services.jobs.forget_guild(scene.world.guild.id)
    await scene.world.bot.services.store.servers.change(scene.world.guild.id, listening=Listening.EVERYWHERE)
    await post(scene)


async def with_a_higher_limit_of_the_servers(scene: Scene) -> None:
    await scene.world.bot.services.store.servers.change(scene.world.guild.id, pictures_per_user_hour=10_000)
    await post(scene)


WAYS: Mapping[str, Way] = {
    way.__name__: way
    for way in (
        post,
        several_files,
        command,
        menu,
        mention,
        forward,
        direct_message,
        command_in_direct_messages,
        paint_again,
        style,
        edited_prompt,
        another_channel,
        another_server,
        after_forget_me,
        after_a_deletion,
        after_a_restart,
        after_the_bot_was_removed,
        with_a_higher_limit_of_the_servers,
    )
}
PAIRS = list(itertools.combinations(WAYS, 2))


async def limit_holds(world: World, *ways: str) -> None:
    """Take each way in turn, again and again, and count."""
    scene = await Scene.of(world)
    before = len(world.painter.orders)
    for _ in range(ROUNDS):
        for way in ways:
            await WAYS[way](scene)
    assert 1 <= len(world.painter.orders) - before <= MOST


@pytest.mark.table
@pytest.mark.bot(pictures_per_user_hour=MOST)
@pytest.mark.parametrize("way", WAYS)
async def test_limit_holds_one_way(world: World, way: str) -> None:
    await limit_holds(world, way, way)


@pytest.mark.table
@pytest.mark.bot(pictures_per_user_hour=MOST)
@pytest.mark.parametrize(("one", "other"), part(PAIRS, every=13))
async def test_limit_holds_two_ways(world: World, one: str, other: str) -> None:
    await limit_holds(world, one, other)
