"""Where a job's message goes: a thread on the recording, the thread it is in, a plain reply, or a direct message.

It finds and makes places and posts into them; what is posted is `conversation.py`'s business. A source in a private or
age-restricted place is answered there and nowhere else: a thread inherits both from its channel.
"""

import asyncio
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

import discord
from discord import ui

from bot.discord_api import calls as discord_calls
from bot.discord_api.calls import Gone
from bot.discord_api.permissions import Place, plan_reply
from bot.jobs.reply import Reply
from bot.storage.records import Job

log = logging.getLogger(__name__)

Writable = (
    discord.TextChannel | discord.Thread | discord.VoiceChannel | discord.StageChannel | discord.PartialMessageable
)
"""The channels that recordings are posted in."""


@dataclass(frozen=True)
class OpenPlace:
    """Where to post, as a reply to what, and which permissions would have made a thread possible."""

    channel: discord.abc.Messageable
    reply_to: discord.PartialMessage | None = None
    wanted: tuple[str, ...] = ()
    new_thread: discord.Thread | None = None


class Places:
    """Finds the place for each job's message."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def open(self, job: Job, title: str) -> OpenPlace:
        """The place for the job's message; a new thread is called `title`. Raises Gone when the channel is no more."""
        channel = await self._channel(job)
        source = channel.get_partial_message(job.source_id) if job.source_id is not None else None
        if isinstance(channel, discord.PartialMessageable) or channel.guild is None:
            return OpenPlace(channel, source)
        plan = plan_reply(channel, channel.permissions_for(channel.guild.me))
        if plan.place is Place.NEW_THREAD and source is not None:
            thread, is_new = await self._thread_on(source, channel.guild, title)
            if thread is not None:
                return OpenPlace(thread, new_thread=thread if is_new else None)
        return OpenPlace(channel, source, plan.wanted)

    async def post(self, place: OpenPlace, view: ui.LayoutView, files: Mapping[str, bytes], *, silent: bool) -> Reply:
        """Post the message. Raises Gone when that is not possible any more."""
        sent = [discord.File(io.BytesIO(data), filename=name) for name, data in files.items()]
        message = await discord_calls.send(place.channel, view, sent, reply_to=place.reply_to, silent=silent)
        if message is None:
            raise Gone("there is no place to post in")
        return Reply.of(self._client, message)

    def file_limit(self, job: Job) -> int:
        """How many bytes a file may have where the job's message is."""
        guild = self._client.get_guild(job.guild_id) if job.guild_id is not None else None
        return guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    async def deliver_late(self, job: Job, view: ui.LayoutView, files: Mapping[str, bytes]) -> Reply | None:
        """Send the result to the asker where the interaction that it belongs to has expired. None: it went nowhere."""
        if job.reply is not None and job.reply.sheltered:
            log.warning("job %d: its interaction expired, and its result belongs nowhere else", job.id)
            return None
        sent = [discord.File(io.BytesIO(data), filename=name) for name, data in files.items()]
        user = await self._user(job.user_id)
        message = await discord_calls.send(user, view, sent) if user is not None else None
        if message is None:
            log.warning("job %d: its interaction expired and its asker takes no direct messages", job.id)
            return None
        return Reply.of(self._client, message)

    async def _user(self, user_id: int) -> discord.User | None:
        return self._client.get_user(user_id) or await discord_calls.attempt_quietly(
            self._client.fetch_user(user_id), "find a user"
        )

    async def _channel(self, job: Job) -> Writable:
        if job.guild_id is None:
            return self._client.get_partial_messageable(job.channel_id)
        channel = self._client.get_channel(job.channel_id) or await discord_calls.attempt(
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
            return await discord_calls.create_thread(source, title), True


def is_sheltered(channel: object) -> bool:
    """Whether what belongs into `channel` may be shown nowhere else: it is age-restricted or a private thread."""
    if isinstance(channel, discord.Thread):
        return channel.is_private() or channel.is_nsfw()
    return isinstance(channel, discord.TextChannel | discord.VoiceChannel | discord.StageChannel) and channel.is_nsfw()
