"""What every way in goes through: may this person ask, here, now? Then it is written down.

What is not taken is declined with the sentence to be said; who says it, and where, is for each way in to decide.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from weakref import WeakValueDictionary

import discord

from bot.settings import BotSettings
from bot.storage.records import GuildSettings, Job, NewJob
from bot.storage.store import LIMITS_LOOK_BACK, Store
from bot.views.texts import Translation
from core.errors import RecordingError, RecordingTooLarge
from core.generation.protocol import MAX_SEED

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sentence:
    """A text by its key, with what is to be filled in."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    """The request is in the store: it will be answered."""

    job: Job


@dataclass(frozen=True)
class Declined:
    """The request is not taken.

    `silently`: nobody asked, so nobody is told. `only_this`: another recording of the same person may be taken.
    `until`: it is possible again then.
    """

    reason: Sentence | RecordingError
    silently: bool = False
    only_this: bool = False
    until: datetime | None = None

    def text(self, t: Translation) -> str:
        """What the person is told."""
        if isinstance(self.reason, RecordingError):
            return t.error(self.reason)
        when = {"when": discord.utils.format_dt(self.until, "R")} if self.until else {}
        return t(self.reason.key, **self.reason.values, **when)


DOUBLE_CLICK_S = 3.0

KNOWN = Declined(Sentence("refused.known"), silently=True, only_this=True)
"""Discord has told of it before: it is being answered, or was."""


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

    def __init__(self, settings: BotSettings, store: Store, now: Callable[[], datetime], *, max_bytes: int) -> None:
        """Recordings of more than `max_bytes` are declined."""
        self._settings = settings
        self._store = store
        self._now = now
        self._max_bytes = max_bytes
        self._clicks: dict[tuple[object, ...], float] = {}
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def accept(self, new: NewJob, asker: Asker) -> Accepted | Declined:
        """Write the request down. Once accepted, it will be answered; the recording is fetched after that."""
        lock = self._locks.setdefault(asker.user_id, asyncio.Lock())
        async with lock:
            if new.request_key is not None and await self._store.is_known(new.request_key):
                return KNOWN
            settings = await self._store.guild(new.guild_id)
            if declined := await self._check(asker, new.guild_id, settings):
                return replace(declined, silently=declined.silently and not new.asked)
            if new.attachment is not None and new.attachment.size > self._max_bytes:
                error = RecordingTooLarge(new.attachment.size, self._max_bytes)
                return Declined(error, silently=not new.asked, only_this=True)
            job = await self._store.accept(_with_defaults(new, settings), self._now())
            return Accepted(job) if job is not None else KNOWN

    def repeats(self, click: tuple[object, ...]) -> bool:
        """Whether the same was clicked just now: a finger that comes down twice means one picture."""
        now = time.monotonic()
        self._clicks = {other: at for other, at in self._clicks.items() if now - at < DOUBLE_CLICK_S}
        repeated = click in self._clicks
        self._clicks.setdefault(click, now)
        return repeated

    def forget_click(self, click: tuple[object, ...]) -> None:
        """Nothing came of it, so that the next one is no repetition."""
        self._clicks.pop(click, None)

    async def check(self, asker: Asker, guild_id: int | None) -> Declined | None:
        """Why the asker may not ask for a picture now; None if they may."""
        return await self._check(asker, guild_id, await self._store.guild(guild_id))

    async def check_access(self, asker: Asker, guild_id: int | None) -> Declined | None:
        """The same for the blocked and for those without one of the roles, whatever they want."""
        return await self._check_access(asker, guild_id, await self._store.guild(guild_id))

    async def _check(self, asker: Asker, guild_id: int | None, settings: GuildSettings) -> Declined | None:
        return (
            await self._check_access(asker, guild_id, settings)
            or await self._check_waiting(asker, guild_id)
            or await self._check_hour(asker, guild_id, settings)
        )

    async def _check_access(self, asker: Asker, guild_id: int | None, settings: GuildSettings) -> Declined | None:
        blocked = asker.user_id in self._settings.blocked_users
        if blocked or (guild_id is not None and asker.user_id in await self._store.blocked(guild_id)):
            return Declined(Sentence("refused.blocked"), silently=True)
        if guild_id is not None and settings.roles and asker.role_ids.isdisjoint(settings.roles):
            return Declined(Sentence("refused.role"), silently=True)
        return None

    async def _check_waiting(self, asker: Asker, guild_id: int | None) -> Declined | None:
        mine = await self._store.unfinished(user_id=asker.user_id)
        if len(mine) >= self._settings.waiting_per_user:
            return Declined(Sentence("refused.waiting_user", {"count": len(mine)}))
        ours = await self._store.unfinished(guild_id=guild_id) if guild_id is not None else []
        if len(ours) >= self._settings.waiting_per_server:
            return Declined(Sentence("refused.waiting_server", {"count": len(ours)}))
        return None

    async def _check_hour(self, asker: Asker, guild_id: int | None, settings: GuildSettings) -> Declined | None:
        since = self._now() - LIMITS_LOOK_BACK
        most = settings.pictures_per_user_hour or self._settings.pictures_per_user_hour
        mine = await self._store.accepted_since(since, user_id=asker.user_id, guild_id=guild_id)
        if len(mine) >= most:
            return Declined(Sentence("refused.hour_user", {"most": most}), until=mine[-most] + LIMITS_LOOK_BACK)
        most = self._settings.pictures_per_server_hour
        ours = await self._store.accepted_since(since, guild_id=guild_id) if guild_id is not None else []
        if len(ours) >= most:
            return Declined(Sentence("refused.hour_server", {"most": most}), until=ours[-most] + LIMITS_LOOK_BACK)
        return None


def _with_defaults(new: NewJob, settings: GuildSettings) -> NewJob:
    """What the asker left open is the server's choice; the seed is chosen now, so that a picture that has to be
    painted again after a crash is the same."""
    options = replace(
        new.options,
        seed=new.options.seed if new.options.seed is not None else secrets.randbelow(MAX_SEED),
        style=new.options.style if new.options.style is not None else settings.style,
        max_seconds=new.options.max_seconds if new.options.max_seconds is not None else settings.seconds,
    )
    return replace(new, options=options)
