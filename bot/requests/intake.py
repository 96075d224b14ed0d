"""What every way in goes through: may this person ask, here, now? Then it is written down.

What is not taken is declined with the sentence to be said; who says it, and where, is for each way in to decide.
"""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import discord

from bot.discord_api.markdown import Markdown
from bot.requests.recently import Recently
from bot.settings import BotSettings
from bot.storage.ledger import LIMITS_LOOK_BACK, Spending, Spent, Usage
from bot.storage.records import (
    Films,
    GuildSettings,
    Job,
    NewJob,
    OwnWords,
    SpeechChoice,
    SpeechUse,
)
from bot.storage.store import Store
from bot.storage.story import Story
from bot.storage.writer import CannotWrite
from bot.views.texts import Translation
from core.errors import RecordingError, RecordingTooLarge
from core.generation.protocol import MAX_SEED
from core.options import ImagineOptions
from core.stories.cutting import MOST_SCENES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sentence:
    """A text by its key, with what is to be filled in."""

    key: str
    values: Mapping[str, int] = field(default_factory=dict)


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

    @property
    def is_blocked(self) -> bool:
        """Whether the asker is to hear nothing at all from the bot."""
        return self == BLOCKED

    @property
    def is_known(self) -> bool:
        """Whether Discord has told of the same request before, which has its answer."""
        return self == KNOWN

    @property
    def kind(self) -> str:
        """What it is about, whatever the values: a sentence of one kind is not said to somebody all the time."""
        return self.reason.key if isinstance(self.reason, Sentence) else type(self.reason).__name__

    def text(self, t: Translation) -> Markdown:
        """What the person is told."""
        if isinstance(self.reason, RecordingError):
            return t.error(self.reason)
        when = {"when": Markdown(discord.utils.format_dt(self.until, "R"))} if self.until else {}
        return t(self.reason.key, **self.reason.values, **when)


DOUBLE_CLICK_S = 3.0
"""A finger that comes down twice within this means one picture."""

SAID_AGAIN_AFTER_S = 7 * 24 * 3600.0
"""What somebody was told is said once more after this long."""

KNOWN = Declined(Sentence("refused.known"), silently=True, only_this=True)
"""Discord has told of it before: it is being answered, or was."""


BLOCKED = Declined(Sentence("refused.blocked"), silently=True)
"""Nothing at all is said to them."""

FREE_REFUSALS = 10
"""So many recordings that could not be had cost nothing within an hour."""

HEARD_A_PICTURE = 3
"""So many recordings may be heard for each picture that may be asked for."""

NOTHING_CHOSEN = ImagineOptions()

CANNOT_WRITE = Declined(Sentence("refused.cannot_write"))

WRITTEN_WITHIN_S = 2.5
"""Whoever posts a recording is told after this long that it cannot be written down."""


@dataclass(frozen=True)
class Limits:
    """How many requests of a person and of a server may be unfinished, and how many pictures asked for within an hour:
    by a person wherever, by one in this server, by the server, and by all together (None: as many as they like)."""

    waiting_user: int
    waiting_guild: int
    hour_user: int
    hour_user_here: int
    hour_guild: int
    hour_process: int | None


@dataclass(frozen=True)
class Asker:
    """Who asks, with their roles where there are any, and whether they may manage messages there."""

    user_id: int
    role_ids: frozenset[int] = frozenset()
    is_moderator: bool = False

    @classmethod
    def of(cls, user: discord.User | discord.Member) -> "Asker":
        """The asker that `user` is."""
        if not isinstance(user, discord.Member):
            return cls(user.id)
        permissions = user.resolved_permissions or user.guild_permissions
        return cls(user.id, frozenset(role.id for role in user.roles), permissions.manage_messages)


class Intake:
    """Accepts requests."""

    def __init__(self, settings: BotSettings, store: Store, now: Callable[[], datetime], *, max_bytes: int) -> None:
        """Recordings of more than `max_bytes` are declined."""
        self._settings = settings
        self._store = store
        self._now = now
        self._max_bytes = max_bytes
        self.clicks = Recently(DOUBLE_CLICK_S)
        self.told_of_four = Recently(SAID_AGAIN_AFTER_S)
        """Who knows that four pictures count as four."""

    async def accept(
        self,
        new: NewJob,
        asker: Asker,
        *,
        before: ImagineOptions = NOTHING_CHOSEN,
        within_s: float = WRITTEN_WITHIN_S,
    ) -> Accepted | Declined:
        """Write the request down. Once accepted, it will be answered; the recording is fetched after that.

        `before` is what was chosen for the picture that is painted again: its words are not the asker's own. One that
        cannot be written down within `within_s` seconds is declined, and will not be answered.
        """
        settings = await self._store.servers.settings(new.guild_id)
        if declined := await self._check_access(asker, new.guild_id, settings):
            return declined if declined.is_blocked else replace(declined, silently=not new.asked)
        if _words_of(new.options) != _words_of(before) and not may_use_own_words(asker, settings):
            return Declined(Sentence("refused.own_words"))
        if not may_be_chosen(new.options.adapter, settings):
            return Declined(Sentence("refused.adapter"))
        if new.heard is None and new.attachment is not None and new.attachment.size > self._max_bytes:
            error = RecordingTooLarge(new.attachment.size, self._max_bytes)
            return Declined(error, silently=not new.asked, only_this=True)
        now, limits = self._now(), self._limits(settings)
        if new.story is not None and settings.films is Films.NEVER:
            return Declined(Sentence("refused.films"))
        new = new if new.story is None else replace(new, story=Story(_pictures_of_film(limits)))
        try:
            outcome = await self._store.accept(
                _with_defaults(new, settings, await self._store.people.speech(new.speaker_id)),
                now,
                partial(refusal, limits, new.guild_id, new.pictures),
                within_s=within_s,
            )
        except CannotWrite as error:
            log.error("a request was declined: %s", error)
            return CANNOT_WRITE
        match outcome:
            case None:
                return KNOWN
            case Job():
                return Accepted(outcome)
            case Declined():
                return outcome

    async def admit_hearing(self, asker: Asker, guild_id: int | None) -> Declined | None:
        """Count a recording that is to be heard for one person alone; or why it is not."""
        if declined := await self.check_access(asker, guild_id):
            return declined
        most = HEARD_A_PICTURE * self._settings.pictures_per_user_hour
        return await self._store.spend_hearing(asker.user_id, guild_id, self._now(), partial(hearing_refusal, most))

    async def check_access(self, asker: Asker, guild_id: int | None) -> Declined | None:
        """Why somebody is not served at all, whatever they want: the blocked, and those without one of the roles."""
        return await self._check_access(asker, guild_id, await self._store.servers.settings(guild_id))

    async def _check_access(self, asker: Asker, guild_id: int | None, settings: GuildSettings) -> Declined | None:
        if asker.user_id in self._settings.blocked_users:
            return BLOCKED
        if guild_id is None:
            return None
        if self._settings.allowed_servers and guild_id not in self._settings.allowed_servers:
            return Declined(Sentence("refused.server"), silently=True)
        if await self._store.servers.is_blocked(guild_id, asker.user_id):
            return BLOCKED
        if settings.roles and asker.role_ids.isdisjoint(settings.roles):
            return Declined(Sentence("refused.role"), silently=True)
        return None

    async def pictures_an_hour(self, guild_id: int | None) -> int:
        """How many pictures a person may ask for there within an hour."""
        return self._limits(await self._store.servers.settings(guild_id)).hour_user_here

    async def pictures_of_film(self, guild_id: int | None) -> int:
        """As how many pictures a film counts there at most."""
        return _pictures_of_film(self._limits(await self._store.servers.settings(guild_id)))

    def _limits(self, settings: GuildSettings) -> Limits:
        """A server may only ask for less than whoever runs the bot allows."""
        most = self._settings.pictures_per_user_hour
        return Limits(
            waiting_user=self._settings.waiting_per_user,
            waiting_guild=self._settings.waiting_per_server,
            hour_user=most,
            hour_user_here=min(most, settings.pictures_per_user_hour or most),
            hour_guild=self._settings.pictures_per_server_hour,
            hour_process=self._settings.pictures_per_hour,
        )


def _pictures_of_film(limits: Limits) -> int:
    """One for each of its scenes, but no more than there are within an hour."""
    most = (limits.hour_user, limits.hour_user_here, limits.hour_guild, limits.hour_process)
    return min(MOST_SCENES, *(pictures for pictures in most if pictures is not None))


def refusal(limits: Limits, guild_id: int | None, pictures: int, usage: Usage) -> Declined | None:
    """Why so many `pictures` more may not be asked for now."""
    if usage.waiting_user >= limits.waiting_user:
        return Declined(Sentence("refused.waiting_user", {"count": usage.waiting_user}))
    if usage.waiting_guild >= limits.waiting_guild:
        return Declined(Sentence("refused.waiting_server", {"count": usage.waiting_guild}))
    mine = pictures_of(usage.user)
    here = tuple(spending.at for spending in mine if spending.guild_id == guild_id)
    everywhere = tuple(spending.at for spending in mine)
    for key, asked, most in (
        ("refused.hour_user", everywhere, limits.hour_user),
        ("refused.hour_user", here, limits.hour_user_here),
        ("refused.hour_server", usage.guild, limits.hour_guild),
        ("refused.hour_process", usage.process, limits.hour_process),
    ):
        if most is None or pictures == 0 or len(asked) + pictures <= most:
            continue
        if pictures > most:
            return Declined(Sentence("refused.too_many", {"most": most, "count": pictures}))
        sentence = Sentence(key, {"most": most}) if pictures == 1 else Sentence("refused.several", {"count": pictures})
        return Declined(sentence, until=asked[pictures - most - 1] + LIMITS_LOOK_BACK)
    return None


def hearing_refusal(most: int, usage: Usage) -> Declined | None:
    """Why nothing more is heard for somebody now, for whom `most` recordings an hour are."""
    heard = [spending.at for spending in usage.user if spending.kind in (Spent.HEARD, Spent.RECORDING)]
    if len(heard) < most:
        return None
    return Declined(Sentence("refused.hour_heard", {"most": most}), until=heard[-most] + LIMITS_LOOK_BACK)


def may_use_own_words(asker: Asker, settings: GuildSettings) -> bool:
    """Whether the asker may say what is painted."""
    match settings.own_words:
        case OwnWords.EVERYONE:
            return True
        case OwnWords.ROLES:
            return asker.is_moderator or not asker.role_ids.isdisjoint(settings.own_words_roles)
        case OwnWords.MODERATORS:
            return asker.is_moderator
        case OwnWords.NOBODY:
            return False


def may_be_chosen(adapter: str | None, settings: GuildSettings) -> bool:
    """Whether a server's moderators allow an adapter: one of a person's face is not for every server."""
    return adapter is None or settings.adapters is None or adapter in settings.adapters


def may_be_recognised(new: NewJob, settings: GuildSettings, choice: SpeechChoice) -> bool:
    """Whether what is said in a new recording may be, for whoever asks. `choice` is the speaker's.

    Posting a recording where the bot listens, or asking for it by name, is asking.
    """
    if settings.speech is SpeechUse.NEVER or choice is SpeechChoice.NEVER:
        return False
    if settings.speech is SpeechUse.ASKED and not new.asked:
        return False
    return new.speaker_id == new.user_id or choice is SpeechChoice.ANYONE


def _words_of(options: ImagineOptions) -> tuple[str | None, ...]:
    return options.prompt, options.negative_prompt, options.said


def pictures_of(spendings: Sequence[Spending]) -> list[Spending]:
    """Those that count as pictures: recordings that could not be had do so only from the eleventh on."""
    refused = [index for index, spending in enumerate(spendings) if spending.kind is Spent.REFUSED]
    free = frozenset(refused[:FREE_REFUSALS])
    counted = (spending for index, spending in enumerate(spendings) if index not in free)
    return [spending for spending in counted if spending.kind is not Spent.HEARD]


def _with_defaults(new: NewJob, settings: GuildSettings, choice: SpeechChoice) -> NewJob:
    """What the asker left open is the server's choice, and so is the language, since others read the answer, too; the
    seed is chosen now, so that a picture that has to be painted again after a crash is the same.

    `choice` is the speaker's; of a recording that is heard already, it was asked for then.
    """
    is_known = new.heard is not None
    options = replace(
        new.options,
        spoken_words=new.options.spoken_words and (is_known or may_be_recognised(new, settings, choice)),
        speech_language=settings.speech_language,
        seed=new.options.seed if new.options.seed is not None else secrets.randbelow(MAX_SEED),
        style=new.options.style if new.options.style is not None else settings.style,
        max_seconds=new.options.max_seconds if new.options.max_seconds is not None else settings.seconds,
    )
    return replace(new, options=options, locale=settings.language or new.locale)
