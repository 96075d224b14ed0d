"""What messages ask for: recordings posted where the bot listens, mentions, direct messages; and what deletions undo.

It decides whether a message is a request and hands it to the intake; how requests are answered is not known here.
"""

import asyncio
import logging
from collections import deque
from dataclasses import replace

import discord
from discord.ext import commands

from bot.discord_api import calls
from bot.discord_api.attachments import Kind, address_of, find_recordings, is_forwarded, kind_of
from bot.discord_api.markdown import Markdown
from bot.discord_api.nonces import nonce
from bot.jobs.eraser import TOLD_FOR
from bot.requests.cursor import Cursor
from bot.requests.intake import Asker, Declined
from bot.requests.languages import public_language
from bot.requests.recently import Recently
from bot.requests.services import ServiceClient
from bot.storage.records import GuildSettings, Listening, NewJob, ReplyAddress, Taken
from bot.views.texts import Translation
from bot.views.wording import names_of
from core.options import ImagineOptions

log = logging.getLogger(__name__)

FINISHED_WITHIN_S = 3.0
"""Longer than a request may take to be written down."""
HINT_AFTER_S = 86_400.0
REPEAT_AFTER_S = 600.0
"""A sentence is said to the same person again after this long."""


class Listener(commands.Cog):
    """Reads messages."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._services = client.services
        self._deleted: deque[int] = deque(maxlen=1000)
        self._told = Recently(REPEAT_AFTER_S)
        self._hinted = Recently(HINT_AFTER_S)
        self._stopped = False
        self.cursor = Cursor()

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """A message as it comes."""
        if not self._stopped:
            with self.cursor.dealing_with(message.id):
                await self._read(message, missed=False)

    async def take_missed(self, message: discord.Message) -> None:
        """A message that came while nobody listened: what it asks for is answered without notifying anybody."""
        if not self._stopped:
            await self._read(message, missed=True)

    async def stop(self) -> None:
        """Read no more messages: they are read after the next start. Returns when those at hand are dealt with."""
        self._stopped = True
        waited = 0.0
        while not self.cursor.is_idle and waited < FINISHED_WITHIN_S:
            await asyncio.sleep(0.05)
            waited += 0.05

    async def _read(self, message: discord.Message, *, missed: bool) -> None:
        """The gate: only people's messages that ask for a picture pass."""
        if message.author.bot or message.webhook_id is not None or message.is_system():
            return
        by_name, guild = self._is_asked(message), message.guild
        settings = await self._services.store.servers.settings(guild.id if guild else None)
        recordings = find_recordings(message)
        if guild is not None and not by_name:
            recordings = [recording for recording in recordings if is_taken(settings, message, recording)]
        unasked = bool(recordings) and guild is not None and listens_in(settings, message.channel)
        if not (by_name or unasked or guild is None):
            return
        asker = Asker.of(message.author)
        if declined := await self._services.intake.check_access(asker, guild.id if guild else None):
            if by_name and not declined.is_blocked:
                await self._tell_declined(message, replace(declined, silently=False), missed=missed)
        elif guild is not None and settings.listening is Listening.NOWHERE:
            if by_name:
                await self._answer(message, "answer.commands_only", missed=missed)
        elif recordings and unasked and not by_name and await self._services.store.people.is_unheard(message.author.id):
            log.info("a recording is not heard, as its author wants it")
        elif recordings:
            await self._take(message, message, recordings, by_name=by_name or guild is None, missed=missed)
        elif by_name:
            await self._take_referenced(message, missed=missed)
        else:
            await self._hint_once_a_day(message)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """What the message asked for is given up, and the replies to it are removed."""
        self._deleted.append(payload.message_id)
        await self._services.jobs.message_deleted(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """The same for many messages at once."""
        self._deleted.extend(payload.message_ids)
        for message_id in payload.message_ids:
            await self._services.jobs.message_deleted(message_id)

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Say hello once, and how to change where the bot listens."""
        channel = guild.system_channel
        if channel is None or not channel.permissions_for(guild.me).send_messages:
            return
        if await self._services.store.notes.claim(f"welcome:{guild.id}"):
            t = self._services.texts.translation(guild.preferred_locale)
            key = "welcome" if self._services.settings.message_content else "welcome.no_content"
            await self._tell(channel, t(key))

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Nothing is kept of a server that the bot has left."""
        await self._services.jobs.forget_guild(guild.id)
        await self._services.store.notes.reset(f"welcome:{guild.id}")

    def _is_asked(self, message: discord.Message) -> bool:
        """Whether the bot is mentioned in words; a mere reply to one of its messages does not count."""
        assert self._client.user is not None
        return f"<@{self._client.user.id}>" in message.content or f"<@!{self._client.user.id}>" in message.content

    async def _take_referenced(self, message: discord.Message, *, missed: bool) -> None:
        """A mention under somebody's recording means that recording."""
        source = await self._referenced(message)
        recordings = find_recordings(source) if source is not None else []
        if source is not None and recordings:
            if source.author != message.author and await self._services.store.people.is_unheard(source.author.id):
                await self._answer(message, "refused.unheard", missed=missed)
                return
            await self._take(message, source, recordings, by_name=True, missed=missed)
            return
        has_content = self._services.settings.message_content
        key = "answer.nothing_to_hear" if has_content else "answer.nothing_to_hear.no_content"
        await self._answer(message, key, missed=missed)

    async def _referenced(self, message: discord.Message) -> discord.Message | None:
        reference = message.reference
        if reference is None or reference.message_id is None:
            return None
        if isinstance(reference.resolved, discord.Message):
            return reference.resolved
        return await calls.attempt_quietly(
            message.channel.fetch_message(reference.message_id), "fetch the message that was replied to"
        )

    async def _take(
        self,
        message: discord.Message,
        source: discord.Message,
        recordings: list[discord.Attachment],
        *,
        by_name: bool,
        missed: bool,
    ) -> None:
        """Accept each recording as a job of `message`'s author."""
        if not await self._may_answer(message):
            return
        t = await self._language_for(message)
        for recording in recordings:
            new = NewJob(
                user_id=message.author.id,
                guild_id=message.guild.id if message.guild else None,
                channel_id=source.channel.id,
                locale=t.locale,
                filename=recording.filename,
                author_id=source.author.id,
                source_id=source.id,
                attachment=address_of(recording),
                options=ImagineOptions(spoken_words=not is_forwarded(source, recording)),
                request_key=f"m:{message.id}:{recording.id}",
                asked=by_name,
            )
            outcome = await self._services.intake.accept(new, Asker.of(message.author))
            if isinstance(outcome, Declined):
                await self._tell_declined(message, outcome, missed=missed)
                if outcome.only_this:
                    continue
                return
            if source.id in self._deleted:
                await self._services.jobs.message_deleted(source.id)
                return
            if missed:
                await self._services.jobs.take_up(outcome.job)
                continue
            await self._services.jobs.start(outcome.job)
            await calls.attempt_quietly(message.channel.typing(), "show that I am listening")

    async def _may_answer(self, message: discord.Message) -> bool:
        """Whether the bot can answer here; if not, what is missing is named, once for each channel."""
        if message.guild is None:
            return True
        missing = self._services.places.missing_to_answer(message.channel)
        await self._reset_notices(message, missing)
        if not missing:
            return True
        log.info("cannot answer in channel %d: %s missing", message.channel.id, ", ".join(missing))
        if await self._services.store.notes.claim(f"missing:{message.channel.id}:{','.join(missing)}"):
            t = await self._language_for(message)
            text = t("answer.missing", permissions=names_of(missing, t))
            permissions = message.channel.permissions_for(message.guild.me)
            may_write = (
                permissions.send_messages_in_threads
                if isinstance(message.channel, discord.Thread)
                else permissions.send_messages
            )
            if may_write and permissions.view_channel:
                await self._tell(message.channel, text)
            else:
                await self._tell(message.author, Markdown(f"{message.channel.mention}: {text}"))  # type: ignore[union-attr]
        return False

    async def _reset_notices(self, message: discord.Message, missing: tuple[str, ...]) -> None:
        """A permission that was given and taken away again is named again."""
        if not missing:
            await self._services.store.notes.reset(f"missing:{message.channel.id}:")
        if not self._services.places.missing_for_thread(message.channel):
            await self._services.store.notes.reset(f"thread:{message.channel.id}")

    async def _tell_declined(self, message: discord.Message, declined: Declined, *, missed: bool) -> None:
        """Say why, unless nobody asked."""
        text = declined.text(await self._language_for(message))
        if declined.silently:
            log.info("not taken up: %s", text)
            return
        await self._say(message, declined.kind, text, missed=missed)

    async def _hint_once_a_day(self, message: discord.Message) -> None:
        if not self._hinted.again(message.channel.id):
            t = await self._language_for(message)
            await self._tell(message.channel, t("answer.nothing_to_hear"))

    async def _answer(self, message: discord.Message, key: str, *, missed: bool) -> None:
        t = await self._language_for(message)
        await self._say(message, key, t(key), missed=missed)

    async def _say(self, message: discord.Message, kind: str, text: Markdown, *, missed: bool) -> None:
        """Answer a message in a sentence: one of a kind to a person in a channel in ten minutes, whatever they post."""
        if self._told.again((message.author.id, message.channel.id, kind)):
            log.info("not said again: %s", text)
            return
        number = nonce(message.id, text)  # Discord may tell of the message twice, also after a restart
        try:
            said = await calls.send(message.channel, calls.plain(text), reply_to=message, silent=missed, nonce=number)
        except calls.CallFailed:
            log.info("nobody to tell: %s", text)
            return
        if message.guild is not None:
            address = ReplyAddress(said.channel.id, said.id)
            await self._services.store.erasures.add(address, self._services.now() + TOLD_FOR)

    async def _tell(self, channel: discord.abc.Messageable, text: Markdown) -> None:
        try:
            await calls.send(channel, calls.plain(text))
        except calls.CallFailed:
            log.info("nobody to tell: %s", text)

    async def _language_for(self, message: discord.Message) -> Translation:
        """A message says nothing of its author's language."""
        return await public_language(self._services, message.guild, message.author)


def is_taken(settings: GuildSettings, message: discord.Message, recording: discord.Attachment) -> bool:
    """Whether a recording is taken up without being asked for."""
    match settings.taken:
        case Taken.VOICE:
            return message.flags.voice or kind_of(recording) is Kind.VOICE
        case Taken.SOUNDS:
            return kind_of(recording) is not Kind.VIDEO
        case Taken.VIDEOS:
            return True


def listens_in(settings: GuildSettings, channel: "discord.abc.MessageableChannel") -> bool:
    """Whether recordings in `channel` are taken up without being asked; a thread counts as its channel."""
    match settings.listening:
        case Listening.EVERYWHERE:
            return True
        case Listening.CHOSEN:
            parent = channel.parent_id if isinstance(channel, discord.Thread) else None
            return channel.id in settings.channels or parent in settings.channels
        case Listening.MENTIONED | Listening.NOWHERE:
            return False
