"""Stories under way: how they are cut, their painted scenes, and their films until these are shown.

The pictures and the film are files that a job's row names, and go with the job's end as all its files do.
"""

import asyncio
from dataclasses import replace

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.storage.database import Database
from bot.storage.files import WorkFiles, keep
from bot.storage.records import JobState
from bot.storage.story import PaintedScene, Story
from bot.storage.tables import JobRow, LedgerRow
from core.events import HeardSummary


class Stories:
    """By the number of the job that a story is."""

    def __init__(self, database: Database, files: WorkFiles) -> None:
        self._write = database.writer.write
        self._files = files

    async def keep_cut(self, job_id: int, heard: HeardSummary, story: Story) -> None:
        """Note what was heard and how it is cut; from now on the story counts as so many pictures."""

        def note(session: Session) -> None:
            row = _waiting(session, job_id)
            if row is not None and row.story is not None:
                row.heard, row.story = heard, story
                _count(session, job_id, len(story.scenes))

        await self._write(note)

    async def keep_scene(self, job_id: int, scene: PaintedScene, picture: bytes) -> None:
        """Keep a scene's picture, a PNG, until the film is shown or given up."""
        name = _name_of(job_id, scene.number)
        await keep(self._files, name, picture)

        def note(session: Session) -> bool:
            row = _waiting(session, job_id)
            if row is None or row.story is None:
                return False
            others = (other for other in row.story.painted if other.number != scene.number)
            row.story = replace(row.story, painted=(*others, scene))
            return True

        if not await self._write(note):  # it was withdrawn meanwhile
            await asyncio.to_thread(self._files.remove, name)

    async def picture(self, job_id: int, number: int) -> bytes | None:
        """The picture of a scene that was painted before; None where it is gone."""
        return await asyncio.to_thread(self._files.read, _name_of(job_id, number))

    async def keep_film(self, job_id: int, film: bytes, lost: tuple[int, ...]) -> None:
        """Keep a film until it is shown, and note which scenes it lacks the pictures of."""
        name = f"film-{job_id}.mp4"
        await keep(self._files, name, film)

        def note(session: Session) -> bool:
            row = _waiting(session, job_id)
            if row is None or row.story is None:
                return False
            row.picture, row.story = name, replace(row.story, lost=lost)
            return True

        if not await self._write(note):
            await asyncio.to_thread(self._files.remove, name)

    async def count(self, job_id: int, pictures: int) -> None:
        """From now on the story counts as so many pictures, or as it did where that is fewer."""
        await self._write(lambda session: _count(session, job_id, pictures))


def files_of(job_id: int, story: Story) -> set[str]:
    """The names of the pictures that are kept of a story."""
    return {_name_of(job_id, scene.number) for scene in story.painted}


def _waiting(session: Session, job_id: int) -> JobRow | None:
    return session.scalar(select(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.WAITING))


def _count(session: Session, job_id: int, pictures: int) -> None:
    counted = select(LedgerRow.id).where(LedgerRow.job_id == job_id).order_by(LedgerRow.id)
    session.execute(delete(LedgerRow).where(LedgerRow.id.in_(counted.offset(pictures).limit(-1))))


def _name_of(job_id: int, number: int) -> str:
    return f"scene{number}-{job_id}.png"
