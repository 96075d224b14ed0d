"""Copies of pictures in the servers' galleries, and whose pictures others may share. Why they are shared is not known
here.

A copy is written down before it is posted, one for each picture's message: whatever happens then, there is no second,
and it goes with what it is a copy of.
"""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from bot.storage.database import Database
from bot.storage.forgetting import withdraw_copies
from bot.storage.records import GalleryCopy, JobState, ReplyAddress
from bot.storage.tables import ErasureRow, GalleryRow, JobRow, StarredRow

_ON_ITS_WAY = GalleryRow.copy_id.is_(None) & ~GalleryRow.is_removed
_THERE = GalleryRow.copy_id.is_not(None)


class Galleries:
    """By the message that a copy is of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, copy: GalleryCopy) -> bool:
        """Write a copy down that is about to be posted. False: there is one already, or its picture is gone."""
        is_shown = JobRow.id == copy.job_id, JobRow.state == JobState.DONE, JobRow.reply_id == copy.original_id
        added = insert(GalleryRow).values(**asdict(copy)).on_conflict_do_nothing().returning(GalleryRow.original_id)

        def claim(session: Session) -> bool:
            if session.scalar(select(JobRow.id).where(*is_shown)) is None:
                return False
            return session.scalar(added) is not None

        return await self._database.writer.write(claim)

    async def find(self, original_id: int) -> GalleryCopy | None:
        """The copy of a picture's message, also one that was taken out."""
        async with self._database.read() as session:
            row = await session.get(GalleryRow, original_id)
            return row.as_copy() if row else None

    async def on_their_way(self) -> list[GalleryCopy]:
        """The copies of which it is not known that they were posted, the oldest first."""
        async with self._database.read() as session:
            rows = await session.scalars(select(GalleryRow).where(_ON_ITS_WAY).order_by(GalleryRow.after_id))
            return [row.as_copy() for row in rows]

    async def last(self, most: int, guild_id: int | None = None) -> list[GalleryCopy]:
        """The last copies (of a server), the newest first."""
        query = select(GalleryRow).where(_THERE).order_by(GalleryRow.copy_id.desc()).limit(most)
        query = query.where(GalleryRow.guild_id == guild_id) if guild_id is not None else query
        async with self._database.read() as session:
            return [row.as_copy() for row in await session.scalars(query)]

    async def kept_of(self, user_id: int) -> list[GalleryCopy]:
        """The copies of pictures that were painted for a person, or from a person's recordings."""
        about = (GalleryRow.user_id == user_id) | (GalleryRow.author_id == user_id)
        async with self._database.read() as session:
            rows = await session.scalars(select(GalleryRow).where(about).order_by(GalleryRow.after_id))
            return [row.as_copy() for row in rows]

    async def note_posted(self, copy: GalleryCopy, copy_id: int, now: datetime) -> bool:
        """A copy is there. False: it was withdrawn meanwhile, and is to be removed."""

        def note(session: Session) -> bool:
            row = session.get(GalleryRow, copy.original_id)
            if row is not None and not row.is_removed and row.copy_id in (None, copy_id):
                row.copy_id = copy_id
                return True
            session.add(ErasureRow(job_id=copy.job_id, since=now, reply=ReplyAddress(copy.gallery_id, copy_id)))
            return False

        return await self._database.writer.write(note)

    async def release(self, original_id: int) -> None:
        """A copy could not be posted, and may be another time."""
        await self._database.execute(delete(GalleryRow).where(GalleryRow.original_id == original_id, _ON_ITS_WAY))

    async def withdraw(self, original_id: int, now: datetime) -> list[int]:
        """The picture's message is gone: have its copy removed. Returns the job that it was of, if there was one."""
        gone = GalleryRow.original_id == original_id
        return await self._database.writer.write(lambda session: withdraw_copies(session, gone, now))

    async def message_deleted(self, message_id: int, now: datetime) -> list[int]:
        """A message is gone. If it was a copy, it does not come back; if there is a copy of it, that is to be removed.

        Returns the jobs whose copies are to be removed. For a message without a copy nothing is written.
        """
        known = select(GalleryRow.original_id)
        known = known.where((GalleryRow.original_id == message_id) | (GalleryRow.copy_id == message_id))
        async with self._database.read() as session:
            original_id = await session.scalar(known)
        if original_id == message_id:
            return await self.withdraw(message_id, now)
        if original_id is not None:
            taken_out = update(GalleryRow).where(GalleryRow.original_id == original_id)
            await self._database.execute(taken_out.values(copy_id=None, is_removed=True))
        return []

    async def channel_deleted(self, channel_id: int, now: datetime) -> list[int]:
        """A channel or thread is gone, with all messages in it. Returns the jobs whose copies are to be removed."""
        within = (GalleryRow.channel_id == channel_id) | (GalleryRow.parent_id == channel_id)
        went_with_it = delete(GalleryRow).where(GalleryRow.gallery_id == channel_id, ~GalleryRow.is_removed)

        def withdraw(session: Session) -> list[int]:
            session.execute(went_with_it)
            return withdraw_copies(session, within, now)

        return await self._database.writer.write(withdraw)

    async def may_be_starred(self, user_id: int) -> bool:
        """Whether others may share a person's pictures."""
        async with self._database.read() as session:
            return await session.get(StarredRow, user_id) is not None

    async def let_star(self, user_id: int, *, allowed: bool) -> None:
        """Note that others may, or may no longer, share a person's pictures."""
        if allowed:
            await self._database.execute(insert(StarredRow).values(user_id=user_id).on_conflict_do_nothing())
        else:
            await self._database.execute(delete(StarredRow).where(StarredRow.user_id == user_id))
