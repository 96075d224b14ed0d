"""The bot: starts its parts in order, connects them to Discord, and takes them down again.

It alone knows all features, and builds what they work with; what the parts do is their own business.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import final

import discord
from discord import app_commands
from discord.ext import commands, tasks

from bot.discord_api import calls
from bot.discord_api.call_counts import counted
from bot.discord_api.clock import DiscordClock
from bot.discord_api.files import FileReader, ReadFile
from bot.discord_api.pacing import EditLimiter
from bot.discord_api.permissions import invite_link, missing_in
from bot.discord_api.recent_tokens import RecentTokens
from bot.jobs.gallery import Gallery
from bot.jobs.places import Places
from bot.jobs.recordings import Recordings
from bot.jobs.runner import JobRunner
from bot.jobs.services import JobServices, Tell
from bot.jobs.speakers import Speakers
from bot.jobs.turns import Turns
from bot.maintain import installation
from bot.requests.answering import tell_fault
from bot.requests.catch_up import CatchUp
from bot.requests.change import paint_changed
from bot.requests.commands import OPEN_TO_ALL, new_commands
from bot.requests.controls import JobButton
from bot.requests.editors import Editors
from bot.requests.gallery import GalleryButton
from bot.requests.gallery_events import GalleryEvents
from bot.requests.intake import Asker, Intake
from bot.requests.languages import Languages
from bot.requests.listener import Listener
from bot.requests.mine import MineButton
from bot.requests.privacy import PrivacyButton, SpeechSelect
from bot.requests.services import Interaction, ServiceClient, Services
from bot.requests.settings_panel import PageButton, SettingControl, change_numbers, change_words
from bot.requests.upkeep import Upkeep
from bot.restarts import Restarts
from bot.settings import BotSettings
from bot.storage.backup import Nightly
from bot.storage.database import StoreUnusable
from bot.storage.store import Store
from bot.views.editors import CHANGE_EDITOR, NUMBERS_EDITOR, WORDS_EDITOR
from bot.views.texts import CommandTranslator, Texts
from core.attribution import Inspector
from core.engine import Engine
from core.pace import Pace
from core.prompting.words import BLOCKED_WORDS, WordList, read_word_list
from core.stories.story import tell
from core.stories.workplace import remove_abandoned

log = logging.getLogger(__name__)

CLEAN_UP_MINUTES = 10
MOST_DOUBLINGS = 5
"""Of the pause before the gateway is tried again, which begins with at most two seconds."""
SWEEP_S = 10
"""So often jobs are taken up again for which Discord could not be reached."""


def _refused_words(data_dir: Path) -> WordList:
    """What whoever runs the bot lets nobody paint. A list that cannot be read is no list to go on without."""
    path = data_dir / BLOCKED_WORDS
    try:
        return read_word_list(path)
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnusable(f"{path} cannot be read ({error}); mend it, or remove it.") from error


class CommandTree(app_commands.CommandTree[ServiceClient]):
    """Tells the one who commanded when something fails, and logs it."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Who is blocked gets no answer to anything, but may have deleted what is kept of them."""
        if interaction.command is not None and interaction.command.qualified_name in OPEN_TO_ALL:
            return True
        intake = interaction.client.services.intake
        declined = await intake.check_access(Asker.of(interaction.user), interaction.guild_id)
        return declined is None or not declined.is_blocked

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        """A fault of the program: expected refusals are answered where they arise."""
        await tell_fault(interaction, error)


@final
class ImagineBot(ServiceClient):
    """The Discord client and all that it works with. Use as an async context manager, or call `close`."""

    def __init__(
        self, settings: BotSettings, engine: Engine, *, read_file: ReadFile | None = None, tell: Tell = tell
    ) -> None:
        """`read_file` takes the place of what reads recordings from Discord's hosts, `tell` of what tells stories."""
        clock = DiscordClock(discord.utils.utcnow)
        intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, guild_reactions=True)
        intents.message_content = settings.message_content
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=intents,
            tree_cls=CommandTree,
            allowed_mentions=discord.AllowedMentions.none(),
            shard_count=settings.shard_count,
            max_messages=None,
            http_trace=counted(clock.trace()),
        )
        self._reader = FileReader(engine.settings.audio_limits.max_bytes)
        self.services = self._build(settings, engine, clock.now, read_file or self._reader, tell)
        self._listener = Listener(self)

    def _build(
        self, settings: BotSettings, engine: Engine, now: Callable[[], datetime], read_file: ReadFile, tell: Tell
    ) -> Services:
        store, texts, places = Store(settings.database), Texts.load(), Places(self)
        job_services = JobServices(
            client=self,
            engine=engine,
            tell=tell,
            store=store,
            texts=texts,
            edit_limiter=EditLimiter(settings.edit_interval_s),
            places=places,
            recordings=Recordings(self, read_file),
            turns=Turns(),
            pace=Pace(),
            tokens=RecentTokens(),
            refused_words=_refused_words(settings.data_dir),
            speakers=Speakers(),
            now=now,
        )
        return Services(
            settings=settings,
            engine=engine,
            store=store,
            texts=texts,
            intake=Intake(settings, store, now, max_bytes=engine.settings.audio_limits.max_bytes),
            jobs=JobRunner(job_services, give_up_after=timedelta(hours=settings.give_up_hours)),
            gallery=Gallery(job_services),
            recordings=job_services.recordings,
            places=places,
            tokens=job_services.tokens,
            speakers=job_services.speakers,
            inspector=Inspector(engine, settings.data_dir),
            now=now,
        )

    async def setup_hook(self) -> None:
        """After login, before the gateway: open the store, add the features, make the commands known."""
        calls.repeat_passing_failures(self.http)
        await self.services.store.open()
        self.add_dynamic_items(
            JobButton, GalleryButton, MineButton, PrivacyButton, SpeechSelect, SettingControl, PageButton
        )
        await self.add_cog(self._listener)
        await self.add_cog(CatchUp(self, self._listener))
        await self.add_cog(GalleryEvents(self))
        await self.add_cog(Languages(self))
        everything = installation(self.services.settings, self.services.engine.settings)
        await self.add_cog(Upkeep(self, Nightly(everything), Restarts(self.services.settings.data_dir)))
        await self.add_cog(
            Editors({CHANGE_EDITOR: paint_changed, NUMBERS_EDITOR: change_numbers, WORDS_EDITOR: change_words})
        )
        for command in new_commands():
            self.tree.add_command(command)
        await self.tree.set_translator(CommandTranslator(self.services.texts))
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
        if not self._take_up.is_running():
            self._take_up.start()

    async def on_shard_connect(self, shard_id: int) -> None:
        """Where a connection breaks again and again, the library would wait for up to a quarter of an hour."""
        backoff = getattr(self.shards[shard_id]._parent, "_backoff", None)  # a library's inside, which may change
        if backoff is not None:
            backoff._max = MOST_DOUBLINGS

    async def on_message(self, message: discord.Message, /) -> None:
        """There are no text commands; `listener.py` reads the messages."""

    async def close(self) -> None:
        """Let running jobs end within the deadline, put the rest off, and take everything down but the engine."""
        if self.is_closed():
            return
        self._clean_up.cancel()
        self._take_up.cancel()
        # what comes now is read after the next start; what is at hand is written down before anything is closed
        await asyncio.gather(self._listener.stop(), self.services.jobs.drain(self.services.settings.drain_seconds))
        await super().close()
        await self._reader.close()
        await self.services.store.close()

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
        if await self.services.store.notes.value("commands") == fingerprint:
            return
        await self.tree.sync()
        await self.services.store.notes.set_value("commands", fingerprint)
        log.info("told Discord about %d commands", len(payload))

    @tasks.loop(seconds=SWEEP_S)
    async def _take_up(self) -> None:
        """Go on with what the last run left, and with what was put off. A loop ends for good at its first error."""
        try:
            await self.services.jobs.sweep()
        except Exception:
            log.exception("could not take up what was put off; I try again soon")

    @tasks.loop(minutes=CLEAN_UP_MINUTES)
    async def _clean_up(self) -> None:
        """Delete what has been kept long enough. A loop ends for good at its first error, so that none gets out."""
        store, kept = self.services.store, timedelta(days=self.services.settings.keep_days)
        try:
            await asyncio.to_thread(remove_abandoned)
            gone = await store.purge(self.services.now() - kept, self.services.now())
        except Exception:
            log.exception("could not delete what has been kept long enough; I try again soon")
        else:
            if gone:
                log.info("deleted %d old recipes", gone)
