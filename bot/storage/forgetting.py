"""What forgetting takes away, and what it leaves. Within a transaction of the store's."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, delete, literal, select, update
from sqlalchemy.orm import Session

from bot.storage.records import JobState
from bot.storage.tables import ErasureRow, JobRow, StripRow
from core.options import ImagineOptions


def forget_jobs(session: Session, job_ids: Sequence[int], now: datetime) -> None:
    """Nothing stays of the jobs but their keys, for an hour from now."""
    columns = (
        "guild_id",
        "author_id",
        "heard",
        "outcome",
        "picture",
        "attachment",
        "reply",
        "reply_id",
        "source_id",
        "strip_of",
        "origin",
    )
    nothing = dict.fromkeys((*columns, "ending", "interaction"))
    nobody = {"user_id": 0, "channel_id": 0, "locale": "", "filename": "", "options": ImagineOptions()}
    mine = update(JobRow).where(JobRow.id.in_(job_ids))
    # the clock may have been set back since: the key has to last as long as what limits count
    latest = case((JobRow.created > now, JobRow.created), else_=literal(now, JobRow.created.type))
    session.execute(mine.values(**nothing, **nobody, state=JobState.FORGOTTEN, created=latest))
    session.execute(delete(StripRow).where(StripRow.job_id.in_(job_ids)))


def forget_recordings(session: Session, author_id: int, now: datetime) -> None:
    """What others made of somebody's recordings loses what was heard in them, and how it was painted; so do the
    messages that show it."""
    rows = list(session.scalars(select(JobRow).where(JobRow.author_id == author_id)))
    theirs = [row.id for row in rows]
    shown = [row for row in rows if row.reply is not None]
    session.add_all(ErasureRow(job_id=row.id, since=now, reply=row.reply, but_picture=True) for row in shown)
    session.flush()
    what_was_heard = dict.fromkeys(("heard", "outcome", "strip_of", "author_id", "source_id", "attachment", "origin"))
    of_theirs = update(JobRow).where(JobRow.id.in_(theirs))
    session.execute(of_theirs.values(**what_was_heard, filename="", options=ImagineOptions()))
    session.execute(delete(StripRow).where(StripRow.job_id.in_(theirs)))
