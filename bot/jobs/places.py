"""Where a job's message goes: a thread on the recording, the thread it is in, a plain reply, or a direct message.

It finds and makes places and posts into them; what is posted is not known here. A source in a private or
age-restricted place is answered there and nowhere else: a thread inherits both from its channel.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from weakref import WeakValueDictionary

import discord
from discord import ui

from bot.discord_api import calls
from bot.discord_api.calls import Files, Gone, Refused
from bot.discord_api.permissions import missing_for_thread, missing_to_answer
from bot.discord_api.verdicts import TROUBLE
from bot.jobs.reply import Reply
from bot.jobs.sources import source_message
from bot.storage.records import Job, Place, ReplyAddress
from bot.views.layouts import is_marked

log = logging.getLogger(__name__)

MOST_SEARCHED = 300
"""How many messages after the one that was asked with may hide the answer."""

Writable = (
    discord.TextChannel | discord.Thread | discord.VoiceChannel | discord.StageChannel | discord.PartialMessageable
)
"""The channels that recordings are posted in."""


@dataclass(frozen=True)
class OpenPlace:
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

    async def open(self, job: Job, title: str) -> OpenPlace:
        """The place for the job's message; a new thread is called `title`. Raises Gone when the channel is no more."""
        channel = await self._channel(job)
        source = channel.get_partial_message(job.source_id) if job.source_id is not None else None
        if isinstance(channel, discord.PartialMessageable) or channel.guild is None:
            return OpenPlace(channel, source)
        missing = self.missing_for_thread(channel)
        if isinstance(channel, discord.TextChannel) and not missing and source is not None:
            thread, is_new = await self._thread_on(source, channel.guild, title)
            if thread is not None:
                return OpenPlace(thread, new_thread=thread if is_new else None)
        return OpenPlace(channel, source, missing)

    async def beside(self, job: Job) -> OpenPlace:
        """The place for a short word to a person in everybody's channel: no thread is opened for it. Raises Gone."""
        channel = await self._channel(job)
        return OpenPlace(channel, channel.get_partial_message(job.source_id) if job.source_id is not None else None)

    async def react(self, job: Job, emoji: str) -> None:
        """Mark the recording's message, where that is allowed; nobody is notified, and nobody waits for it."""
        channel = self._client.get_channel(job.channel_id)
        if not isinstance(channel, discord.abc.GuildChannel | discord.Thread) or job.source_id is None:
            return
        assert isinstance(channel, Writable)  # it holds messages
        permissions = channel.permissions_for(channel.guild.me)
        if permissions.add_reactions and permissions.read_message_history:
            message = channel.get_partial_message(job.source_id)
            await calls.attempt_quietly(message.add_reaction(emoji), "mark a recording")

    async def post(self, place: OpenPlace, view: ui.LayoutView, files: Files, *, silent: bool, nonce: str) -> Reply:
        """Post the message. Raises Gone, NotNow, Refused and TooLarge."""
        message = await calls.send(place.channel, view, files, reply_to=place.reply_to, silent=silent, nonce=nonce)
        return Reply.of(self._client, message)

    async def find(self, place: Place, now: datetime) -> ReplyAddress | None:
        """The message that belongs there and was posted before; None if there is none. Raises NotNow and Refused."""
        answers = place.interaction
        if answers is not None and now < answers.expires:
            found = await calls.fetch_answer(self._client, answers.token)
            return answers.reply(*found) if found is not None else None
        if answers is not None and answers.only_way:
            return None
        after = answers.id if answers is not None else place.source_id
        channels = [place.channel_id]
        if answers is None and place.source_id is not None:
            channels.insert(0, place.source_id)  # a thread has the number of the message that it is on
        for channel_id in channels:
            if message := await self._search(channel_id, after, partial(_belongs_to, place)):
                return ReplyAddress(channel_id, message.id, confined=answers is not None and answers.confined)
        return None

    async def _search(
        self, channel_id: int, after: int | None, matches: Callable[[discord.Message], bool]
    ) -> discord.Message | None:
        """The first of the bot's own messages there that matches."""
        start = discord.Object(after) if after is not None else None
        channel = self._client.get_partial_messageable(channel_id)
        try:
            async for message in channel.history(limit=MOST_SEARCHED, after=start, oldest_first=True):
                if message.author == self._client.user and matches(message):
                    return message
        except discord.NotFound:
            log.debug("there is no channel %d", channel_id)
        except TROUBLE as error:
            raise calls.as_fault(error, "look for a message") from error
        return None

    async def is_gone(self, job: Job) -> bool:
        """Whether the message that the job is about was deleted. Raises NotNow."""
        if job.source_id is None:
            return False
        try:
            source = source_message(self._client, job.channel_id, job.source_id)
            await calls.attempt(source, "look for a recording's message")
        except Gone:
            return True
        except Refused:
            log.info("job %d: I may not see whether its recording is still there", job.id)
        return False

    def file_limit(self, job: Job) -> int:
        """How many bytes a file may have where the job's message is."""
        guild = self._client.get_guild(job.guild_id) if job.guild_id is not None else None
        return guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    def is_age_restricted(self, job: Job) -> bool:
        """Whether the job's message is in a place that Discord shows to adults only; False where that is not known."""
        return job.guild_id is not None and _is_nsfw(self._client.get_channel(job.channel_id))

    async def deliver_late(self, job: Job, view: ui.LayoutView, files: Files, *, nonce: str) -> Reply | None:
        """Send the result to the asker where the interaction that it belongs to has expired. None: it went nowhere.

        Raises NotNow and TooLarge.
        """
        if job.reply is not None and job.reply.confined:
            log.warning("job %d: its interaction expired, and its result belongs nowhere else", job.id)
            return None
        try:
            user = self._client.get_user(job.user_id)
            if user is None:
                user = await calls.attempt(self._client.fetch_user(job.user_id), "find a user")
            message = await calls.send(user, view, files, nonce=nonce)
        except (Gone, Refused):
            log.warning("job %d: its interaction expired and its asker takes no direct messages", job.id)
            return None
        return Reply.of(self._client, message)

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


def _belongs_to(place: Place, message: discord.Message) -> bool:
    if is_marked(message, place.marker):
        return True
    cause = message.interaction_metadata
    return place.interaction is not None and cause is not None and cause.id == place.interaction.id


def is_confined(channel: object) -> bool:
    """Whether what belongs into `channel` may be shown nowhere else: it is age-restricted or a private thread."""
    return (isinstance(channel, discord.Thread) and channel.is_private()) or _is_nsfw(channel)


def _is_nsfw(channel: object) -> bool:
    kinds = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread | discord.ForumChannel
    return isinstance(channel, kinds) and channel.is_nsfw()
