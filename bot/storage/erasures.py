"""The messages that are to be removed, now or when they are due. What becomes of them is not known here."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.storage.database import Database
from bot.storage.records import Erasure, ReplyAddress
from bot.storage.tables import ErasureRow

NO_JOB = 0
"""In place of a job's number."""


class Erasures:
    """The list of them. What a job's withdrawal adds, the store writes together with that."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, reply: ReplyAddress, due: datetime, job_id: int = NO_JOB) -> None:
        """Have a message removed when it is due."""

        def note(session: Session) -> None:
            session.add(ErasureRow(job_id=job_id, since=due, reply=reply))

        await self._database.writer.write(note)

    async def waiting(self, job_id: int | None = None, *, due: datetime | None = None) -> list[Erasure]:
        """The messages that are to be removed (those of one job, those due by then), the oldest first."""
        query = select(ErasureRow).order_by(ErasureRow.id)
        query = query.where(ErasureRow.since <= due) if due is not None else query
        query = query.where(ErasureRow.job_id == job_id) if job_id is not None else query
        async with self._database.read() as session:
            return [row.as_erasure() for row in await session.scalars(query)]

    async def remove(self, erasure_id: int) -> None:
        """A message has been removed, or cannot be."""
        await self._database.execute(delete(ErasureRow).where(ErasureRow.id == erasure_id))
