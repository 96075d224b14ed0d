"""What the tests do and see: posting recordings, reading the bot's messages, looking into its store."""

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

import aiosqlite
import discord
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle, UserHandle
from simcord.env import Env
from simcord.results import InteractionResult, ResponseMessage, to_discord_message

from bot.client import ImagineBot
from bot.storage.records import Job, NewJob
from core.events import HeardSummary
from tests.bot.painter import ScriptedPainter
from tests.bot.sounds import noise

VOICE = 1 << 13


PATIENCE_S = 60.0
"""Real seconds. A busy machine may need more than the five after which simcord gives up; they also say which timers are
due, so that they cannot be more. What hangs hangs again."""


def _be_patient(env: Env) -> None:
    settle = env._settle_internal

    async def settle_patiently(**how: Any) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await settle(**how)
            except TimeoutError:
                if "_deadline" in how or time.monotonic() >= until:
                    raise

    env._settle_internal = settle_patiently  # type: ignore[method-assign]


class World:
    """A server, its members and the bot."""

    def __init__(self, env: Env, painter: ScriptedPainter, make_bot: Callable[[], ImagineBot]) -> None:
        self.env = env
        _be_patient(env)
        self.painter = painter
        self.make_bot = make_bot
        self.bot = self._adopt(cast(ImagineBot, env.bot))
        self.guild = env.create_guild("Soundscape")
        self.channel = self.guild.create_text_channel("general")
        self.alice = self.guild.add_member(env.create_user("alice"))
        self.bob = self.guild.add_member(env.create_user("bob"))

    @property
    def me(self) -> discord.ClientUser:
        """The bot's user."""
        assert self.bot.user is not None
        return self.bot.user

    def _adopt(self, bot: ImagineBot) -> ImagineBot:
        bot.services.engine.env = self.env  # type: ignore[attr-defined]
        return bot

    async def restart(self) -> None:
        """The process ends without warning; a new one starts on the same data."""
        bot = self._adopt(self.make_bot())
        await self.env.restart_bot(bot)
        self.bot = bot
        await self.env.settle()

    def moderator(self, **permissions: bool) -> MemberActor:
        role = self.guild.create_role("Moderators", permissions=discord.Permissions(**permissions))
        return self.guild.add_member(self.env.create_user("mod"), roles=[role])

    def channel_without(self, *permissions: str) -> ChannelHandle:
        """A text channel in which the bot lacks these permissions."""
        assert self.bot.user is not None
        overwrite = discord.PermissionOverwrite(**dict.fromkeys(permissions, False))
        return self.guild.create_text_channel("restricted", overwrites={self.bot.user: overwrite})

    async def post_voice_note(
        self, member: MemberActor | UserHandle, channel: ChannelHandle, data: bytes | None = None
    ) -> discord.Message:
        payloads = self.env.backend.store_attachments(channel.id, [("voice-message.ogg", data or noise())])
        payloads[0] |= {"duration_secs": 1.0, "waveform": "AAAA", "content_type": "audio/ogg"}
        message = self.env.backend.create_message(channel.id, member.id, "", attachments=payloads, flags=VOICE)
        await self.env.settle()
        return to_discord_message(self.env, message)

    async def post(
        self, member: MemberActor, channel: ChannelHandle, *files: tuple[str, bytes], content: str = ""
    ) -> discord.Message:
        return await member.send(channel, content, attachments=files or [("rain.wav", noise())])

    async def answered_in_a_new_message(self) -> discord.Message:
        """Alice's voice note, painted when its message may not be edited any more; returns the one in its place."""
        self.painter.held = True
        await self.post_voice_note(self.alice, self.channel)
        self.env.inject_error("PATCH", "/channels/*/messages/*", status=429, code=30046)
        self.painter.finish_all()
        await self.env.settle()
        _, new = self.said(self.thread_of(self.channel))
        return new

    async def remove_bot(self) -> None:
        """Remove the bot from the server. What was asked before is forgotten."""
        self.env.backend.emit("GUILD_DELETE", {"id": str(self.guild.id)})
        await self.env.settle()

    async def answered_after_the_interaction_expired(self) -> None:
        """Alice's command where the bot is no member, painted when the interaction that it depends on is over."""
        await self.remove_bot()
        self.painter.held = True
        await self.alice.slash(self.channel, "imagine-sound file", recording=("rain.wav", noise()))
        await self.pass_time(16)
        self.painter.finish_all()
        await self.env.settle()

    async def pass_time(self, minutes: int) -> None:
        """Minutes of the simulator's time, in parts: it gives up where one takes longer than five seconds of ours."""
        for _ in range(minutes):
            await self.env.advance_time(60)

    def thread_of(self, channel: ChannelHandle) -> ChannelHandle:
        (thread,) = channel.threads
        return thread

    async def heard(self, job_id: int = 1) -> HeardSummary:
        """What a job heard, according to the store."""
        job = await self.bot.services.store.job(job_id)
        assert job is not None
        assert job.heard is not None
        return job.heard

    async def accepted(self, new: NewJob, recording: bytes, *, created: datetime.datetime | None = None) -> Job:
        """A job that was accepted, with its recording fetched, and that nothing has begun to answer."""
        store = self.bot.services.store
        job = await store.accept(new, created or self.env.now())
        assert job is not None
        await store.keep_recording(job.id, recording)
        return job

    async def jobs_kept(self) -> int:
        """How many jobs are in the database."""
        async with aiosqlite.connect(self.bot.services.store.path) as database:
            (row,) = await database.execute_fetchall("SELECT count(*) FROM jobs")
            return int(row[0])

    async def jobs_remembered(self) -> int:
        """How many jobs are in the database of which more is kept than their key."""
        columns = "guild_id, author_id, source_id, attachment, interaction, reply, heard, strip_of, outcome, picture"
        async with aiosqlite.connect(self.bot.services.store.path) as database:
            rows = await database.execute_fetchall(f"SELECT user_id, channel_id, filename, {columns} FROM jobs")
            return sum(any(row) for row in rows)

    def said(self, channel: ChannelHandle) -> list[discord.Message]:
        """The bot's messages in a channel, without Discord's own notices of new threads."""
        assert self.bot.user is not None
        mine = (message for message in channel.history() if message.author.id == self.bot.user.id)
        return [message for message in mine if message.type is not discord.MessageType.thread_created]

    def reply(self, channel: ChannelHandle) -> discord.Message:
        """The bot's one message in the only thread of a channel."""
        (message,) = self.said(self.thread_of(channel))
        return message


class Clicker(Protocol):
    """A member of a server, or somebody in direct messages."""

    async def click(self, message: Any, *, label: str | None = None, custom_id: str | None = None) -> InteractionResult:
        """Press a button."""
        ...


async def menu_of(who: Clicker, message: discord.Message) -> ResponseMessage:
    """What *⋯* under a picture shows to somebody."""
    (menu,) = (await who.click(message, label="⋯")).followups
    return menu


async def in_menu(who: Clicker, message: discord.Message, label: str) -> InteractionResult:
    """Press a button behind *⋯*."""
    return await who.click(await menu_of(who, message), label=label)


def filled(shown: InteractionResult, **changes: str) -> dict[str, Any]:
    """What an editor that was `shown` sends back when only some fields are changed."""
    assert shown.modal is not None
    fields = [label["component"] for label in shown.modal["components"]]
    left = {field["custom_id"]: field.get("value") or "" for field in fields if field["type"] == 4}
    for field in fields:
        if field["type"] == 3:
            left[field["custom_id"]] = next(o["value"] for o in field["options"] if o.get("default"))
    changed = {**left, **changes}
    return {f["custom_id"]: [changed[f["custom_id"]]] if f["type"] == 3 else changed[f["custom_id"]] for f in fields}


def components(message: discord.Message | ResponseMessage) -> Iterator[dict[str, Any]]:
    """All components of a message, as Discord sees them."""

    def walk(items: Sequence[Any]) -> Iterator[dict[str, Any]]:
        for item in items:
            data = item if isinstance(item, dict) else item.to_dict()
            yield data
            yield from walk(data.get("components") or [])
            if data.get("accessory"):
                yield data["accessory"]

    yield from walk(message.components)


def text_of(message: discord.Message | ResponseMessage) -> str:
    """All that a message says."""
    return "\n".join(component["content"] for component in components(message) if component.get("content"))


def buttons_of(message: discord.Message | ResponseMessage) -> dict[str, str]:
    """The labels of a message's buttons, with their custom ids."""
    return {item["label"]: item["custom_id"] for item in components(message) if item["type"] == 2}


def alt_texts_of(message: discord.Message | ResponseMessage) -> list[str | None]:
    """The alternative text of every picture in a message, in order."""
    found: list[str | None] = []
    for component in components(message):
        if component["type"] == 12:
            found += [item.get("description") for item in component["items"]]
        if component["type"] == 11:
            found.append(component.get("description"))
    return found


def names_of(message: discord.Message | ResponseMessage) -> list[str]:
    """The names of a message's files."""
    return [attachment.filename for attachment in message.attachments]
