"""What has been asked for, as limits count it: from a table of its own, so that forgetting a job gives nothing back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage.records import JobState
from bot.storage.tables import JobRow, LedgerRow


class Spent(StrEnum):
    """What a request costs, as limits count it."""

    PICTURE = "picture"
    """Something heard before is painted again."""
    RECORDING = "recording"
    """A recording is heard, and painted."""
    HEARD = "heard"
    """A recording is heard for one person, and not painted."""
    REFUSED = "refused"
    """The recording could not be had."""


@dataclass(frozen=True)
class Spending:
    """A request of the last hour: when, where, and what it cost."""

    at: datetime
    guild_id: int | None
    kind: Spent


@dataclass(frozen=True)
class Usage:
    """What has been asked for, as far as limits count it, the oldest first: how many requests of the person and of the
    server are unfinished; what the person has spent within the hour, wherever; what the server has, and the process."""

    waiting_user: int
    waiting_guild: int
    user: tuple[Spending, ...]
    guild: tuple[datetime, ...]
    process: tuple[datetime, ...]


PICTURES = (Spent.PICTURE, Spent.RECORDING)
"""What a server's and the process's limits count."""
LIMITS_LOOK_BACK = timedelta(hours=1)
"""How far back the limits count what was asked for."""


def usage_of(session: Session, user_id: int, guild_id: int | None, now: datetime) -> Usage:
    """What a person, a server, and all together have asked for."""
    waiting = select(func.count()).select_from(JobRow).where(JobRow.state == JobState.WAITING)
    spent = select(LedgerRow).where(LedgerRow.at > now - LIMITS_LOOK_BACK).order_by(LedgerRow.at)
    pictures = select(LedgerRow.at).where(LedgerRow.at > now - LIMITS_LOOK_BACK, LedgerRow.kind.in_(PICTURES))
    in_guild = LedgerRow.guild_id == guild_id
    mine = session.scalars(spent.where(LedgerRow.user_id == user_id))
    has_guild = guild_id is not None
    return Usage(
        waiting_user=session.scalar(waiting.where(JobRow.user_id == user_id)) or 0,
        waiting_guild=session.scalar(waiting.where(JobRow.guild_id == guild_id)) or 0 if has_guild else 0,
        user=tuple(Spending(row.at, row.guild_id, Spent(row.kind)) for row in mine),
        guild=tuple(session.scalars(pictures.where(in_guild).order_by(LedgerRow.at))) if has_guild else (),
        process=tuple(session.scalars(pictures.order_by(LedgerRow.at))),
    )
