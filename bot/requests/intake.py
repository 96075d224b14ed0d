"""What every way in goes through: may this person ask, here, now? Then the recording is fetched and written down.

Refusals are exceptions with the text to be said; who says it, and where, is for the listener, the commands and the
controls to decide. Nothing is painted here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from weakref import WeakValueDictionary

import discord

from bot.settings import BotSettings
from bot.storage.records import GuildSettings, Job, NewJob
from bot.storage.store import LIMITS_LOOK_BACK, Store
from bot.views.texts import Speaker

log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is not accepted. `silently`: unless asked by name, the bot says nothing about it."""

    def __init__(self, key: str, *, silently: bool = False, until: datetime | None = None, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.silently = silently
        self.until = until
        self.values = values

    def text(self, say: Speaker) -> str:
        """What the person is told."""
        when = {"when": discord.utils.format_dt(self.until, "R")} if self.until else {}
        return say(self.key, **self.values, **when)


@dataclass(frozen=True)
class Asker:
    """Who asks, with their roles where there are any."""

    user_id: int
    role_ids: frozenset[int] = frozenset()

    @classmethod
    def of(cls, user: discord.User | discord.Member) -> "Asker":
        """The asker that `user` is."""
        roles = user.roles if isinstance(user, discord.Member) else []
        return cls(user.id, frozenset(role.id for role in roles))


class Intake:
    """Accepts requests, one at a time for each person."""

    def __init__(self, settings: BotSettings, store: Store, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._store = store
        self._now = now
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def accept(self, new: NewJob, asker: Asker, fetch: Callable[[], Awaitable[bytes]] | None = None) -> Job:
        """Write the request down, with the recording that `fetch` gives. When this returns, the job will be answered.

        Raises Refused, or whatever `fetch` raises.
        """
        lock = self._locks.setdefault(asker.user_id, asyncio.Lock())
        async with lock:
            settings = await self.check(asker, new.guild_id)
            recording = await fetch() if fetch is not None else None
            return await self._store.accept(_with_defaults(new, settings), self._now(), recording)

    async def check(self, asker: Asker, guild_id: int | None) -> GuildSettings:
        """The server's settings, if the asker may ask for a picture now. Raises Refused."""
        settings = await self._store.guild(guild_id)
        await self.check_access(asker, guild_id, settings)
        await self._check_waiting(asker, guild_id)
        await self._check_hour(asker, guild_id, settings)
        return settings

    async def check_access(self, asker: Asker, guild_id: int | None, settings: GuildSettings) -> None:
        """Raises Refused for the blocked and for those without one of the roles."""
        blocked = asker.user_id in self._settings.blocked_users
        if blocked or (guild_id is not None and asker.user_id in await self._store.blocked(guild_id)):
            raise Refused("refused.blocked", silently=True)
        if guild_id is not None and settings.roles and asker.role_ids.isdisjoint(settings.roles):
            raise Refused("refused.role", silently=True)

    async def _check_waiting(self, asker: Asker, guild_id: int | None) -> None:
        mine = await self._store.unfinished(user_id=asker.user_id)
        if len(mine) >= self._settings.waiting_per_user:
            raise Refused("refused.waiting_user", count=len(mine))
        if guild_id is not None:
            ours = await self._store.unfinished(guild_id=guild_id)
            if len(ours) >= self._settings.waiting_per_server:
                raise Refused("refused.waiting_server", count=len(ours))

    async def _check_hour(self, asker: Asker, guild_id: int | None, settings: GuildSettings) -> None:
        since = self._now() - LIMITS_LOOK_BACK
        most = settings.pictures_per_user_hour or self._settings.pictures_per_user_hour
        mine = await self._store.accepted_since(since, user_id=asker.user_id, guild_id=guild_id)
        if len(mine) >= most:
            raise Refused("refused.hour_user", until=mine[-most] + LIMITS_LOOK_BACK, most=most)
        most = self._settings.pictures_per_server_hour
        if guild_id is not None:
            ours = await self._store.accepted_since(since, guild_id=guild_id)
            if len(ours) >= most:
                raise Refused("refused.hour_server", until=ours[-most] + LIMITS_LOOK_BACK, most=most)


def _with_defaults(new: NewJob, settings: GuildSettings) -> NewJob:
    """What the asker left open is the server's choice."""
    options = replace(
        new.options,
        style=new.options.style if new.options.style is not None else settings.style,
        max_seconds=new.options.max_seconds if new.options.max_seconds is not None else settings.seconds,
    )
    return replace(new, options=options)
