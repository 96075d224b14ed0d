"""Where a job's message goes: a thread on the recording, the thread it is in, a plain reply, or a direct message.

It finds and makes places and posts into them; what is posted is not known here. A source in a private or
age-restricted place is answered there and nowhere else: a thread inherits both from its channel.
"""

import asyncio
import logging
from dataclasses import dataclass
from weakref import WeakValueDictionary

import discord
from discord import ui

from bot.discord_api import calls
from bot.discord_api.calls import Files, Gone
from bot.discord_api.permissions import missing_for_thread, missing_to_answer
from bot.jobs.reply import Reply
from bot.storage.records import Job

log = logging.getLogger(__name__)

Writable = (
    discord.TextChannel | discord.Thread | discord.VoiceChannel | discord.StageChannel | discord.PartialMessageable
)
"""The channels that recordings are posted in."""


@dataclass(frozen=True)
class Place:
    """Where to post, as a reply to what, and which permissions would have made a thread possible."""

    channel: discord.abc.Messageable
    reply_to: discord.PartialMessage | None = None
    missing_for_thread: tuple[str, ...] = ()
    new_thread: discord.Thread | None = None


class Places:
    """Finds the place for each job's message."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def is_in(self, guild_id: int | None) -> bool:
        """Whether the bot is a member of that server; a user's own installation works elsewhere, too."""
        return guild_id is not None and self._client.get_guild(guild_id) is not None

    def missing_to_answer(self, channel: object) -> tuple[str, ...]:
        """Without which permissions the bot can answer nowhere to a message in `channel`."""
        if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            return ()  # a direct message
        assert isinstance(channel, discord.abc.Messageable)  # it holds messages
        return missing_to_answer(channel, channel.permissions_for(channel.guild.me))

    def missing_for_thread(self, channel: object) -> tuple[str, ...]:
        """Without which permissions it answers in the channel instead of in a thread."""
        if not isinstance(channel, discord.TextChannel):
            return ()
        return missing_for_thread(channel, channel.permissions_for(channel.guild.me))

    async def open(self, job: Job, title: str) -> Place:
        """The place for the job's message; a new thread is called `title`. Raises Gone when the channel is no more."""
        channel = await self._channel(job)
        source = channel.get_partial_message(job.source_id) if job.source_id is not None else None
        if isinstance(channel, discord.PartialMessageable) or channel.guild is None:
            return Place(channel, source)
        missing = self.missing_for_thread(channel)
        if isinstance(channel, discord.TextChannel) and not missing and source is not None:
            thread, is_new = await self._thread_on(source, channel.guild, title)
            if thread is not None:
                return Place(thread, new_thread=thread if is_new else None)
        return Place(channel, source, missing)

    async def post(self, place: Place, view: ui.LayoutView, files: Files, *, silent: bool) -> Reply:
        """Post the message. Raises Gone when that is not possible any more."""
        message = await calls.send(place.channel, view, files, reply_to=place.reply_to, silent=silent)
        if message is None:
            raise Gone("there is no place to post in")
        return Reply.of(self._client, message)

    def file_limit(self, job: Job) -> int:
        """How many bytes a file may have where the job's message is."""
        guild = self._client.get_guild(job.guild_id) if job.guild_id is not None else None
        return guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    async def deliver_late(self, job: Job, view: ui.LayoutView, files: Files) -> Reply | None:
        """Send the result to the asker where the interaction that it belongs to has expired. None: it went nowhere."""
        if job.reply is not None and job.reply.confined:
            log.warning("job %d: its interaction expired, and its result belongs nowhere else", job.id)
            return None
        user = await self._user(job.user_id)
        message = await calls.send(user, view, files) if user is not None else None
        if message is None:
            log.warning("job %d: its interaction expired and its asker takes no direct messages", job.id)
            return None
        return Reply.of(self._client, message)

    async def _user(self, user_id: int) -> discord.User | None:
        return self._client.get_user(user_id) or await calls.attempt_quietly(
            self._client.fetch_user(user_id), "find a user"
        )

    async def _channel(self, job: Job) -> Writable:
        if job.guild_id is None:
            return self._client.get_partial_messageable(job.channel_id)
        channel = self._client.get_channel(job.channel_id) or await calls.attempt(
            self._client.fetch_channel(job.channel_id), "find a channel"
        )
        if not isinstance(channel, Writable):
            raise Gone("the channel cannot be written to")
        return channel

    async def _thread_on(
        self, source: discord.PartialMessage, guild: discord.Guild, title: str
    ) -> tuple[discord.Thread | None, bool]:
        """The thread on a message (its id is the message's), and whether it had to be made."""
        async with self._locks.setdefault(source.id, asyncio.Lock()):
            thread = guild.get_thread(source.id)
            if thread is not None:
                return thread, False
            return await calls.create_thread(source, title), True


def is_confined(channel: object) -> bool:
    """Whether what belongs into `channel` may be shown nowhere else: it is age-restricted or a private thread."""
    if isinstance(channel, discord.Thread):
        return channel.is_private() or channel.is_nsfw()
    return isinstance(channel, discord.TextChannel | discord.VoiceChannel | discord.StageChannel) and channel.is_nsfw()
