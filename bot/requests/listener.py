"""What messages ask for: recordings posted where the bot listens, mentions, direct messages; and what deletions undo.

It decides whether a message is a request and hands it to the intake; how requests are answered is not known here.
"""

import logging
from collections import deque
from functools import partial

import discord
from discord import ui
from discord.ext import commands

from bot.client import ImagineBot
from bot.discord_api import calls as discord_calls
from bot.discord_api.attachments import fetch, find_recordings
from bot.discord_api.permissions import names_of, plan_reply
from bot.requests.intake import Asker, Refused
from bot.storage.records import GuildSettings, Listening, NewJob
from bot.views.texts import Speaker
from core.errors import RecordingError

log = logging.getLogger(__name__)

REPEAT_AFTER_S = 600
"""A refusal without an end is repeated to the same person after this long."""


class Listener(commands.Cog):
    """Reads messages."""

    def __init__(self, bot: ImagineBot) -> None:
        self.bot = bot
        self._deleted: deque[int] = deque(maxlen=1000)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """The gate: only people's messages that ask for a picture pass."""
        if message.author.bot or message.webhook_id is not None or message.is_system():
            return
        by_name = self._is_asked(message)
        settings = await self.bot.store.guild(message.guild.id if message.guild else None)
        recordings = find_recordings(message)
        if message.guild is not None and settings.listening is Listening.NOWHERE:
            if by_name:
                await self._say(message.channel, self._speaker(message)("answer.commands_only"), reply_to=message)
        elif recordings and (by_name or message.guild is None or listens_in(settings, message.channel)):
            await self._take(message, message, recordings, by_name=by_name or message.guild is None)
        elif by_name:
            await self._take_referenced(message)
        elif message.guild is None:
            await self._hint_once_a_day(message)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """What the message asked for is given up, and the replies to it are removed."""
        self._deleted.append(payload.message_id)
        await self.bot.jobs.message_deleted(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """The same for many messages at once."""
        self._deleted.extend(payload.message_ids)
        for message_id in payload.message_ids:
            await self.bot.jobs.message_deleted(message_id)

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Say hello once, and how to change where the bot listens."""
        channel = guild.system_channel
        if channel is None or not channel.permissions_for(guild.me).send_messages:
            return
        if await self.bot.store.say_once(f"welcome:{guild.id}"):
            say = self.bot.texts.speaker(guild.preferred_locale)
            key = "welcome" if self.bot.intents.message_content else "welcome.no_content"
            await self._say(channel, say(key))

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Nothing is kept of a server that the bot has left."""
        await self.bot.store.forget_guild(guild.id)
        await self.bot.store.unsay(f"welcome:{guild.id}")

    def _is_asked(self, message: discord.Message) -> bool:
        """Whether the bot is mentioned in words; a mere reply to one of its messages does not count."""
        assert self.bot.user is not None
        return f"<@{self.bot.user.id}>" in message.content or f"<@!{self.bot.user.id}>" in message.content

    async def _take_referenced(self, message: discord.Message) -> None:
        """A mention under somebody's recording means that recording."""
        source = await self._referenced(message)
        recordings = find_recordings(source) if source is not None else []
        if source is not None and recordings:
            await self._take(message, source, recordings, by_name=True)
            return
        say = self._speaker(message)
        key = "answer.nothing_to_hear" if self.bot.intents.message_content else "answer.nothing_to_hear.no_content"
        await self._say(message.channel, say(key), reply_to=message)

    async def _referenced(self, message: discord.Message) -> discord.Message | None:
        reference = message.reference
        if reference is None or reference.message_id is None:
            return None
        if isinstance(reference.resolved, discord.Message):
            return reference.resolved
        return await discord_calls.attempt_quietly(
            message.channel.fetch_message(reference.message_id), "fetch the message that was replied to"
        )

    async def _take(
        self,
        message: discord.Message,
        source: discord.Message,
        recordings: list[discord.Attachment],
        *,
        by_name: bool,
    ) -> None:
        """Accept each recording as a job of `message`'s author."""
        if not await self._may_answer(message):
            return
        say = self._speaker(message)
        await discord_calls.attempt_quietly(message.channel.typing(), "show that I am listening")
        for recording in recordings:
            new = NewJob(
                user_id=message.author.id,
                guild_id=message.guild.id if message.guild else None,
                channel_id=source.channel.id,
                locale=say.locale,
                filename=recording.filename,
                source_id=source.id,
                asked=by_name,
            )
            try:
                job = await self.bot.intake.accept(
                    new,
                    Asker.of(message.author),
                    partial(fetch, recording, self.bot.engine.settings.max_file_mb),
                )
            except Refused as refused:
                await self._tell_refused(message, refused, say, by_name=by_name)
                return
            except RecordingError as error:
                if not by_name:
                    log.info("not taken up: %s", error)
                    continue
                await self._say(message.channel, self.bot.explain(say.locale, error), reply_to=message)
                continue
            if source.id in self._deleted:
                await self.bot.jobs.message_deleted(source.id)
                return
            await self.bot.jobs.start(job)

    async def _may_answer(self, message: discord.Message) -> bool:
        """Whether the bot can answer here; if not, what is missing is named, once for each channel."""
        if message.guild is None:
            return True
        permissions = message.channel.permissions_for(message.guild.me)
        plan = plan_reply(message.channel, permissions)
        await self._forget_what_was_said(message, missing=plan.missing, wanted=plan.wanted)
        if not plan.missing:
            return True
        log.info("cannot answer in channel %d: %s missing", message.channel.id, ", ".join(plan.missing))
        if await self.bot.store.say_once(f"missing:{message.channel.id}:{','.join(plan.missing)}"):
            say = self._speaker(message)
            text = say("answer.missing", permissions=names_of(plan.missing, say))
            may_write = (
                permissions.send_messages_in_threads
                if isinstance(message.channel, discord.Thread)
                else permissions.send_messages
            )
            if may_write and permissions.view_channel:
                await self._say(message.channel, text)
            else:
                await self._say(message.author, f"{message.channel.mention}: {text}")  # type: ignore[union-attr]
        return False

    async def _forget_what_was_said(
        self, message: discord.Message, *, missing: tuple[str, ...], wanted: tuple[str, ...]
    ) -> None:
        """A permission that was given and taken away again is named again."""
        if not missing:
            await self.bot.store.unsay(f"missing:{message.channel.id}:")
        if not wanted:
            await self.bot.store.unsay(f"thread:{message.channel.id}")

    async def _tell_refused(self, message: discord.Message, refused: Refused, say: Speaker, *, by_name: bool) -> None:
        """Say why, but not again and again to somebody who posts one recording after the other."""
        if refused.silently and not by_name:
            return
        now = discord.utils.utcnow().timestamp()
        window = refused.until.timestamp() if refused.until else now // REPEAT_AFTER_S
        if await self.bot.store.say_once(f"limit:{message.author.id}:{refused.key}:{window:.0f}"):
            await self._say(message.channel, refused.text(say), reply_to=message)

    async def _hint_once_a_day(self, message: discord.Message) -> None:
        day = discord.utils.utcnow().date().isoformat()
        if await self.bot.store.say_once(f"limit:hint:{message.channel.id}:{day}"):
            await self._say(message.channel, self._speaker(message)("answer.nothing_to_hear"))

    async def _say(
        self, channel: discord.abc.Messageable, text: str, *, reply_to: discord.Message | None = None
    ) -> None:
        view = ui.LayoutView(timeout=None)
        view.add_item(ui.TextDisplay(text))
        try:
            await discord_calls.send(channel, view, reply_to=reply_to)
        except discord_calls.Gone:
            log.info("nobody to tell: %s", text)

    def _speaker(self, message: discord.Message) -> Speaker:
        """A message says nothing of its author's language; its server does."""
        return self.bot.texts.speaker(
            message.guild.preferred_locale if message.guild else discord.Locale.american_english
        )


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
