"""A server with a gallery, for tests: who shares what there, and what is in it."""

from collections.abc import Sequence

import aiosqlite
import discord
import pytest
from simcord.actors import MemberActor
from simcord.backend.models import Overwrite
from simcord.builders import ChannelHandle
from simcord.enums import OverwriteType

from bot.storage.records import Job
from tests.bot.world import World, in_menu, text_of


class Server:
    """A server with a gallery, and a picture of Alice's in another channel."""

    def __init__(self, world: World, gallery: ChannelHandle) -> None:
        self.world = world
        self.gallery = gallery

    @property
    def picture(self) -> discord.Message:
        return self.world.reply(self.world.channel)

    @property
    def copies(self) -> list[discord.Message]:
        return self.world.said(self.gallery)

    async def share(self, who: MemberActor | None = None) -> str:
        """What the one who presses *Share* is told."""
        result = await in_menu(who or self.world.alice, self.picture, "Share")
        assert result.ephemeral
        assert result.response is not None
        return text_of(result.response)

    async def choose(self, **settings: object) -> None:
        await self.world.bot.services.store.servers.change(self.world.guild.id, **settings)

    async def star(self, *people: MemberActor) -> None:
        for person in people:
            await person.react(self.picture, "⭐")

    def passers_by(self, count: int) -> list[MemberActor]:
        return [self.world.guild.add_member(self.world.env.create_user(f"fan{number}")) for number in range(count)]

    async def let_star(self) -> None:
        await in_menu(self.world.alice, self.picture, "Let ⭐ share my pictures")

    def hide(self, channel: ChannelHandle, *, but: Sequence[int] = ()) -> None:
        """Let nobody but the bot (and a few) see a channel."""
        view = discord.Permissions.view_channel.flag
        overwrites = [Overwrite(self.world.guild.id, OverwriteType.ROLE, allow=0, deny=view)]
        overwrites += [Overwrite(who, OverwriteType.MEMBER, allow=view, deny=0) for who in (self.world.me.id, *but)]
        self.world.env.backend.edit_channel(channel.id, {}, overwrites=overwrites)

    async def job(self) -> Job:
        job = await self.world.bot.services.store.job(1)
        assert job is not None
        return job

    async def rows(self) -> int:
        """How many copies the database knows, with those that were taken out."""
        async with aiosqlite.connect(self.world.bot.services.store.path) as database:
            (row,) = await database.execute_fetchall("SELECT count(*) FROM gallery")
            return int(row[0])

    def requests(self) -> int:
        """How many calls the bot has made."""
        return len(self.world.env.http_requests)


@pytest.fixture
async def server(world: World) -> Server:
    server = Server(world, world.guild.create_text_channel("gallery"))
    await server.choose(gallery=server.gallery.id, gallery_stars=2)
    await world.post_voice_note(world.alice, world.channel)
    return server
