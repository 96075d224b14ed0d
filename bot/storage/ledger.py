"""What has been asked for, as limits count it: from a table of its own, so that forgetting a job gives nothing back."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage.records import JobState, Spending, Spent, Usage
from bot.storage.tables import JobRow, LedgerRow

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
