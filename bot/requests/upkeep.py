"""What goes on by itself while the bot runs: the backup of each night, and what its owner is told.

Whoever has no dashboard learns from one direct message a day at most that something needs them. It names no person, no
server and no file.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from enum import StrEnum

import discord
from discord.ext import commands, tasks

from bot.discord_api import calls
from bot.discord_api.markdown import joined
from bot.discord_api.nonces import nonce
from bot.requests.services import ServiceClient
from bot.restarts import Restarts
from bot.storage.backup import Nightly
from core.fetching import free_bytes

log = logging.getLogger(__name__)

LOOK_MINUTES = 10
LITTLE_DISK_BYTES = 1_000_000_000
TOLD = "owner_told"
"""The note of when the owner was last told."""
TOLD_EVERY = timedelta(days=1)


class Need(StrEnum):
    """What whoever runs the bot should know of; the key of its text."""

    RESTARTS = "owner.restarts"
    DISK = "owner.disk"
    BACKUP = "owner.backup"


class Upkeep(commands.Cog):
    """Looks after the data, and tells the application's owner of what needs them."""

    def __init__(self, client: ServiceClient, nightly: Nightly, restarts: Restarts) -> None:
        self._client = client
        self._services = client.services
        self._nightly = nightly
        self._restarts = restarts

    async def cog_unload(self) -> None:
        """Stop. A backup that is being made comes to its end, or is not there."""
        self._look.cancel()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Connected. Discord may say this more than once."""
        if not self._look.is_running():
            self._look.start()

    @tasks.loop(minutes=LOOK_MINUTES)
    async def _look(self) -> None:
        """A loop ends for good at its first error, so that none gets out."""
        try:
            if self._look.current_loop > 0:  # just after a start there is other work to do
                await self._back_up()
            await self._tell_owner(self._services.now())
        except Exception:
            log.exception("could not look after the data; I try again soon")

    async def _back_up(self) -> None:
        if await self._nightly.make_if_due(self._services.now()):
            await self._services.store.empty_log()  # which could not be, as long as the backup was reading

    async def _tell_owner(self, now: datetime) -> None:
        needs = await self._needs()
        if not needs:
            return
        told = await self._services.store.notes.value(TOLD)
        if told is not None and now - datetime.fromisoformat(told) < TOLD_EVERY:
            return
        # noted first: whatever becomes of it, there is no second one today
        await self._services.store.notes.set_value(TOLD, now.isoformat())
        log.warning("telling the owner: %s", ", ".join(needs))
        try:
            await self._send(needs, now)
        except calls.CallFailed as error:
            log.warning("the application's owner could not be told: %s", error)

    async def _needs(self) -> list[Need]:
        found = {
            Need.RESTARTS: await asyncio.to_thread(self._restarts.are_many),
            Need.DISK: await asyncio.to_thread(free_bytes, self._services.settings.data_dir) < LITTLE_DISK_BYTES,
            Need.BACKUP: self._nightly.has_failed,
        }
        return [need for need, is_there in found.items() if is_there]

    async def _send(self, needs: list[Need], now: datetime) -> None:
        application = await calls.attempt(self._client.application_info(), "ask who owns the application")
        owner_id = application.team.owner_id if application.team is not None else application.owner.id
        if owner_id is None:
            log.warning("nobody owns the application")
            return
        owner = await calls.attempt(self._client.fetch_user(owner_id), "find the application's owner")
        locale = await self._services.store.people.locale(owner.id) or str(discord.Locale.american_english)
        t = self._services.texts.translation(locale)
        text = joined("\n", t("owner.head"), *(t(need) for need in needs), t("owner.foot"))
        await calls.send(owner, calls.plain(text), nonce=nonce(application.id, TOLD, now.date()))
