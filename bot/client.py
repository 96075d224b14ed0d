"""The bot: starts its parts in order, connects them to Discord, and takes them down again.

It owns the engine, the store and the jobs; what they do is their own business.
"""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import final

import discord
from discord import app_commands
from discord.ext import commands, tasks

from bot.discord_api import calls as discord_calls
from bot.discord_api.pacing import Pacer
from bot.discord_api.permissions import invite_link, missing_for_interaction, missing_in, names_of
from bot.jobs.job_run import Workshop
from bot.jobs.places import Places, is_sheltered
from bot.jobs.runner import Jobs
from bot.requests.controls import JobButton, StyleSelect
from bot.requests.intake import Asker, Intake, Refused
from bot.settings import BotSettings
from bot.storage.records import NewJob, ReplyAddress
from bot.storage.store import Store
from bot.views.layouts import Screen, build_layout
from bot.views.texts import CommandTranslator, Texts
from core.engine import Engine
from core.errors import RecordingError

log = logging.getLogger(__name__)


class CommandTree(app_commands.CommandTree["ImagineBot"]):
    """Tells the one who commanded when something fails, and logs it."""

    async def on_error(
        self, interaction: "discord.Interaction[ImagineBot]", error: app_commands.AppCommandError, /
    ) -> None:
        """A fault of the program: expected refusals are answered where they arise."""
        log.error("a command failed", exc_info=error)
        await discord_calls.answer(interaction, interaction.client.texts.speaker(interaction.locale)("status.fault"))


@final
class ImagineBot(commands.AutoShardedBot):
    """The Discord client and all that it works with. Use as an async context manager, or call `close`."""

    def __init__(self, settings: BotSettings, engine: Engine) -> None:
        intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
        intents.message_content = settings.message_content
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=intents,
            tree_cls=CommandTree,
            allowed_mentions=discord.AllowedMentions.none(),
            shard_count=settings.shard_count,
            max_messages=None,
        )
        self.settings = settings
        self.engine = engine
        self.texts = Texts.load()
        self.store = Store(settings.database)
        self.pacer = Pacer(settings.edit_interval_s)
        self.places = Places(self)
        self.intake = Intake(settings, self.store, discord.utils.utcnow)
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self.jobs = Jobs(
            Workshop(
                client=self,
                engine=engine,
                store=self.store,
                texts=self.texts,
                pacer=self.pacer,
                places=self.places,
                drawing=self._drawing,
                now=discord.utils.utcnow,
            ),
            resume_within=timedelta(minutes=settings.resume_minutes),
        )
        self._resumed = False

    async def setup_hook(self) -> None:
        """After login, before the gateway: open the store, load the extensions, make the commands known."""
        discord_calls.repeat_passing_failures(self.http)
        await self.store.open()
        self.add_dynamic_items(JobButton, StyleSelect)
        await self._add_features()
        await self.tree.set_translator(CommandTranslator(self.texts))
        await self._sync_commands()
        self._clean_up.start()
        assert self.application_id is not None
        log.info("invite me with %s", invite_link(self.application_id))

    async def on_ready(self) -> None:
        """Connected: go on with what the last run left. Discord may say this more than once."""
        log.info("connected as %s, in %d servers", self.user, len(self.guilds))
        for guild in self.guilds:
            if missing := missing_in(guild):
                log.warning("in the server %s (%d) I lack: %s", guild.name, guild.id, ", ".join(missing))
        if not self._resumed:
            self._resumed = True
            await self.jobs.resume()

    async def on_message(self, message: discord.Message, /) -> None:
        """There are no text commands; `listener.py` reads the messages."""

    async def close(self) -> None:
        """Let running jobs end within the deadline, put the rest off, and take everything down."""
        if self.is_closed():
            return
        self._clean_up.cancel()
        await self.jobs.drain(self.settings.drain_seconds)
        await super().close()
        await self.engine.close()
        await self.store.close()
        self._drawing.shutdown(wait=True)

    async def answer_request(
        self,
        interaction: "discord.Interaction[ImagineBot]",
        new: NewJob,
        fetch: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        """Accept a request made by an interaction; its answer becomes the job's message."""
        say = self.texts.speaker(interaction.locale)
        asker = Asker.of(interaction.user)
        if missing := missing_for_interaction(interaction):
            await discord_calls.answer(interaction, say("answer.missing", permissions=names_of(missing, say)))
            return
        try:
            await self.intake.check(asker, new.guild_id)
        except Refused as refused:
            await discord_calls.answer(interaction, refused.text(say))
            return
        if not await discord_calls.defer(interaction, ephemeral=False, thinking=True):
            return
        try:
            job = await self.intake.accept(new, asker, fetch)
        except (Refused, RecordingError) as error:
            text = error.text(say) if isinstance(error, Refused) else self.explain(say.locale, error)
            await discord_calls.attempt_quietly(interaction.delete_original_response(), "withdraw an answer")
            await discord_calls.answer(interaction, text)
            return
        layout = build_layout(Screen(job.id, say("status.listening")), say)
        message = await discord_calls.attempt_quietly(
            interaction.edit_original_response(view=layout), "answer a request"
        )
        if message is not None:
            address = ReplyAddress(message.channel.id, message.id, sheltered=is_sheltered(interaction.channel))
            if not self._reaches(interaction):
                address = replace(address, token=interaction.token, expires=interaction.expires_at)
            await self.store.set_reply(job.id, address)
            job = replace(job, reply=address)
        await self.jobs.start(job)

    def explain(self, locale: str, error: RecordingError) -> str:
        """What a person is told about a recording that cannot be heard."""
        return self.texts.speaker(locale).error(error)

    def _reaches(self, interaction: "discord.Interaction[ImagineBot]") -> bool:
        """Whether the bot can edit the interaction's message with its own token, which does not expire."""
        if interaction.guild_id is None:
            return interaction.context.dm_channel is True
        return self.get_guild(interaction.guild_id) is not None and interaction.app_permissions.view_channel

    async def _add_features(self) -> None:
        """What people see of the bot; these modules are typed by this one, so they are imported late."""
        from bot.requests import commands as slash_commands
        from bot.requests import listener

        await self.add_cog(listener.Listener(self))
        slash_commands.add_to(self)

    async def _sync_commands(self) -> None:
        """Tell Discord about the commands, if they have changed since the last time: it allows this rarely."""
        translator = self.tree.translator
        payload = [
            await command.get_translated_payload(self.tree, translator) if translator else command.to_dict(self.tree)
            for command in self.tree.get_commands()
        ]
        fingerprint = hashlib.sha256(
            json.dumps([self.application_id, payload], sort_keys=True, default=str).encode()
        ).hexdigest()
        if await self.store.note("commands") == fingerprint:
            return
        await self.tree.sync()
        await self.store.set_note("commands", fingerprint)
        log.info("told Discord about %d commands", len(payload))

    @tasks.loop(hours=24)
    async def _clean_up(self) -> None:
        """Delete what has been kept long enough."""
        gone = await self.store.purge(discord.utils.utcnow() - timedelta(days=self.settings.keep_days))
        await self.store.unsay("limit:")
        log.info("deleted %d old recipes", gone)
