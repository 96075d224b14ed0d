"""What must outlive the process: accepted jobs, recipes, server settings and block lists, in one SQLite file.

A job is written here before anyone is told that it is queued. A recording's bytes are kept only until its job ends.
This module knows nothing of Discord beyond ids, and decides nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from bot.storage.copies import BACKUPS_LIVE, delete_old_copies
from bot.storage.database import Database
from bot.storage.erasures import NO_JOB, Erasures
from bot.storage.files import WorkFiles, keep
from bot.storage.forgetting import forget_jobs, forget_person, forget_server
from bot.storage.forgotten import Forgotten, request_value
from bot.storage.gallery import Galleries
from bot.storage.ledger import LIMITS_LOOK_BACK, Spent, Usage, usage_of
from bot.storage.notes import Notes
from bot.storage.people import People
from bot.storage.records import (
    Ending,
    Job,
    JobState,
    NewJob,
    Outcome,
    Place,
    ReplyAddress,
    Waiting,
)
from bot.storage.servers import Servers
from bot.storage.stories import Stories, files_of
from bot.storage.tables import (
    ErasureRow,
    ExportRow,
    JobRow,
    LedgerRow,
    RunRow,
    StripRow,
)
from core.events import HeardSummary
from core.hearing.strip import Strip

log = logging.getLogger(__name__)

T = TypeVar("T")

PURGED_AT_ONCE = 200


class Store:
    """The database. `open` before use, `close` at the end. `run` is the number of this start of the bot."""

    run = 0

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = WorkFiles(path.parent / "work")
        self._database = Database(path)
        self._forgotten = self._database.forgotten
        self._sessions = self._database.read
        self._write = self._database.writer.write
        self.servers = Servers(self._database)
        self.people = People(self._database)
        self.notes = Notes(self._database)
        self.erasures = Erasures(self._database)
        self.galleries = Galleries(self._database)
        self.stories = Stories(self._database, self._files)

    async def open(self) -> None:
        """Create the file and its tables where they are missing. Raises StoreUnusable."""
        await self._database.open()
        await self.notes.open()
        await self.notes.reset("limit:")  # of older versions, which noted when somebody was told
        self.run = await self._write(_begin_run)
        async with self._sessions() as session:
            unpainted = await session.scalars(  # what is said may be unknown of what was heard
                select(JobRow.id).where(JobRow.state == JobState.WAITING, JobRow.outcome.is_(None))
            )
            pictures = await session.scalars(select(JobRow.picture).where(JobRow.state == JobState.WAITING))
            is_story = JobRow.state == JobState.WAITING, JobRow.story.is_not(None)
            stories = await session.execute(select(JobRow.id, JobRow.story).where(*is_story))
            named = {_recording_of(job_id) for job_id in unpainted} | {name for name in pictures if name is not None}
            named |= {name for job_id, story in stories if story for name in files_of(job_id, story)}
        suspects = await asyncio.to_thread(self._files.marked)
        if suspects:
            log.warning("the last run ended while it worked on the jobs %s", ", ".join(map(str, suspects)))
            await self._database.execute(
                update(JobRow).where(JobRow.id.in_(suspects)).values(attempts=JobRow.attempts + 1)
            )
        await asyncio.to_thread(self._files.sweep, named)

    async def close(self) -> None:
        """Write what waits to be written, and close the file."""
        await self._database.close()

    async def accept(
        self,
        new: NewJob,
        now: datetime,
        admit: Callable[[Usage], T | None] = lambda usage: None,
        *,
        within_s: float | None = None,
    ) -> Job | T | None:
        """Write a job down; None where the request was accepted before, by its key.

        `admit` says from what its asker has asked for already why it may not be; whatever it returns is returned.
        Raises CannotWrite where nothing can be written for `within_s` seconds.
        """
        values = {column.name: getattr(new, column.name) for column in fields(NewJob)}
        values |= {"state": JobState.WAITING, "attempts": 0, "created": now, "run": self.run}
        values |= {"reply_id": new.reply.message_id if new.reply else None, "author_id": new.author_id or new.user_id}

        def add(session: Session) -> Job | T | None:
            known = select(JobRow.id).where(JobRow.request_key == new.request_key)
            if new.request_key is not None and session.scalar(known) is not None:
                return None
            refused = admit(usage_of(session, new.user_id, new.guild_id, now))
            if refused is not None:
                return refused
            job_id = session.scalar(insert(JobRow).values(**values).returning(JobRow.id))
            kind = Spent.RECORDING if new.heard is None else Spent.PICTURE
            spent = {"at": now, "job_id": job_id, "user_id": new.user_id, "guild_id": new.guild_id, "kind": kind}
            session.add_all(LedgerRow(**spent) for _ in range(new.pictures))
            session.flush()
            job: Job = session.get_one(JobRow, job_id).as_job()
            return job

        return await self._write(add, within_s=within_s, urgent=True)

    async def spend_hearing(
        self, user_id: int, guild_id: int | None, now: datetime, admit: Callable[[Usage], T | None]
    ) -> T | None:
        """Count a recording that is only heard, unless `admit` says from what was asked for why it may not be.

        Whatever that returns is returned.
        """

        def spend(session: Session) -> T | None:
            refused = admit(usage_of(session, user_id, guild_id, now))
            if refused is None:
                session.add(LedgerRow(at=now, job_id=NO_JOB, user_id=user_id, guild_id=guild_id, kind=Spent.HEARD))
            return refused

        return await self._write(spend)

    async def job(self, job_id: int) -> Job | None:
        """The job, or None if it is unknown or has been forgotten."""
        async with self._sessions() as session:
            row = await session.get(JobRow, job_id)
            return row.as_job() if row else None

    async def keep_recording(self, job_id: int, data: bytes) -> Path:
        """Keep the bytes that are to be heard until they have been; returns their file."""
        name = _recording_of(job_id)
        await keep(self._files, name, data)
        return self._files.path(name)

    async def recording(self, job_id: int) -> Path | None:
        """The file that is still to be heard, if it has been fetched."""
        path = self._files.path(_recording_of(job_id))
        return path if await asyncio.to_thread(path.is_file) else None

    def mark_as_begun(self, job_id: int) -> None:
        """Note that work on the job begins, for the next start to see if the process does not outlive it. Any thread.

        Only the end of the process matters, not that of the whole computer, so that nothing is flushed.
        """
        self._files.mark(job_id)

    def unmark(self, job_id: int) -> None:
        """The work has ended, however. Any thread."""
        self._files.unmark(job_id)

    async def strip(self, job: Job) -> Strip | None:
        """The strip of the sound that `job` is about."""
        async with self._sessions() as session:
            return await session.scalar(select(StripRow.strip).where(StripRow.job_id == (job.strip_of or job.id)))

    async def set_reply(self, job_id: int, reply: ReplyAddress) -> None:
        """Note where the job's message is. Of a job that was withdrawn meanwhile, that is what is to be removed."""

        def note(session: Session) -> None:
            is_wanted = JobRow.state.in_((JobState.WAITING, JobState.DONE))
            kept = update(JobRow).where(JobRow.id == job_id, is_wanted).values(reply=reply, reply_id=reply.message_id)
            if session.execute(kept.returning(JobRow.id)).one_or_none() is None:
                session.execute(update(ErasureRow).where(ErasureRow.job_id == job_id).values(reply=reply))

        await self._write(note)

    async def lose_reply(self, job_id: int) -> None:
        """The job's message is about to be replaced: its removal says nothing of the job."""
        await self._database.execute(update(JobRow).where(JobRow.id == job_id).values(reply=None, reply_id=None))

    async def set_heard(self, job_id: int, heard: HeardSummary, strip: Strip | None) -> None:
        """Note what was heard, and the sound's strip. The recording is kept: what is said in it is not known yet."""

        def note(session: Session) -> None:
            kept = update(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.WAITING).values(heard=heard)
            is_wanted = session.execute(kept.returning(JobRow.id)).one_or_none() is not None
            if is_wanted and strip is not None:
                session.merge(StripRow(job_id=job_id, strip=strip))

        await self._write(note)

    async def set_understood(self, job_id: int, heard: HeardSummary, strip: Strip | None = None) -> None:
        """The same with what was said, or where nothing is to be; the recording is no longer needed and is deleted."""
        await self.set_heard(job_id, heard, strip)
        await asyncio.to_thread(self._files.remove, _recording_of(job_id))

    async def keep_picture(self, job_id: int, outcome: Outcome, data: bytes, ending: str) -> None:
        """Keep a picture that is painted until it has been shown."""
        name = f"picture-{job_id}.{ending}"
        await keep(self._files, name, data)
        is_wanted = JobRow.id == job_id, JobRow.state == JobState.WAITING
        kept = update(JobRow).where(*is_wanted).values(outcome=outcome, picture=name).returning(JobRow.id)

        def note(session: Session) -> bool:
            return session.execute(kept).one_or_none() is not None

        if not await self._write(note):  # it was withdrawn meanwhile
            await asyncio.to_thread(self._files.remove, name)

    async def kept_picture(self, job: Job) -> bytes | None:
        """The file of a picture that was painted before; None where there is none (any more)."""
        return await asyncio.to_thread(self._files.read, job.picture) if job.picture is not None else None

    async def set_ending(self, job_id: int, ending: Ending) -> bool:
        """Note how a job ends without a picture, and what is still to be said of it; False if it had ended before."""
        unended = JobRow.state == JobState.WAITING, JobRow.ending.is_(None)
        set_now = update(JobRow).where(JobRow.id == job_id, *unended).values(ending=ending).returning(JobRow.id)

        def note(session: Session) -> bool:
            return session.execute(set_now).one_or_none() is not None

        return await self._write(note)

    async def finish(self, job_id: int, state: JobState) -> bool:
        """End a waiting job, and delete what was under way; False if it had ended before."""
        ended = update(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.WAITING)
        nothing = {"picture": None, "attachment": None, "interaction": None, "ending": None}
        ended = ended.values(state=state, **nothing).returning(JobRow.id)

        def end(session: Session) -> bool:
            return session.execute(ended).one_or_none() is not None

        has_ended = await self._write(end)
        await asyncio.to_thread(self._files.remove_of, job_id)
        return has_ended

    async def withdraw(self, job_id: int, place: Place, reply: ReplyAddress | None, now: datetime) -> None:
        """Give a job up, forget it, and have its message removed: `reply`, or what the job knew of it."""

        def withdraw(session: Session) -> None:
            row = session.get(JobRow, job_id)
            if row is None:
                return
            known = reply or row.reply
            if known is not None or row.state == JobState.WAITING:
                session.add(ErasureRow(job_id=job_id, since=now, place=place, reply=known))
            session.flush()
            if row.state != JobState.FORGOTTEN:
                self._forgotten.add(session, Forgotten.REQUEST, request_value(job_id, row.created), now)
            forget_jobs(session, [job_id], now)

        await self._write(withdraw)

    async def leave_nothing(self, job_id: int) -> None:
        """Of a job that was withdrawn and is not worked on any more: remove its files, and empty the database's log."""
        await asyncio.to_thread(self._files.remove_of, job_id)
        await self._database.writer.empty_log()

    async def empty_log(self) -> None:
        """Let nothing that was deleted be left in the database's log."""
        await self._database.writer.empty_log()

    async def note_refused(self, job_id: int) -> None:
        """The recording of a job could not be had, which costs less than a picture."""
        await self._database.execute(update(LedgerRow).where(LedgerRow.job_id == job_id).values(kind=Spent.REFUSED))

    async def unfinished(
        self, *, user_id: int | None = None, author_id: int | None = None, guild_id: int | None = None
    ) -> list[Job]:
        """The waiting jobs (of a person, about a person's recordings, in a server), the oldest first."""
        query = select(JobRow).where(JobRow.state == JobState.WAITING).order_by(JobRow.id)
        query = query.where(JobRow.user_id == user_id) if user_id is not None else query
        query = query.where(JobRow.author_id == author_id) if author_id is not None else query
        query = query.where(JobRow.guild_id == guild_id) if guild_id is not None else query
        async with self._sessions() as session:
            return [row.as_job() for row in await session.scalars(query)]

    async def waiting(self) -> list[Waiting]:
        """All jobs that are not ended, the oldest first, as far as it takes to know which to go on with."""
        columns = JobRow.id, JobRow.attempts, JobRow.created, JobRow.run
        query = select(*columns).where(JobRow.state == JobState.WAITING).order_by(JobRow.id)
        async with self._sessions() as session:
            return [Waiting(*row) for row in await session.execute(query)]

    async def jobs_of_message(self, message_id: int) -> list[Job]:
        """The jobs that this message asked for, or whose reply it is."""
        query = select(JobRow).where((JobRow.source_id == message_id) | (JobRow.reply_id == message_id))
        async with self._sessions() as session:
            return [row.as_job() for row in await session.scalars(query)]

    async def pictures_of(self, user_id: int, most: int) -> list[Job]:
        """The last jobs of a person whose picture stands, the newest first."""
        is_shown = JobRow.user_id == user_id, JobRow.state == JobState.DONE, JobRow.reply_id.is_not(None)
        query = select(JobRow).where(*is_shown).order_by(JobRow.id.desc()).limit(most)
        async with self._sessions() as session:
            return [row.as_job() for row in await session.scalars(query)]

    async def direct_channels(self, most: int) -> list[int]:
        """The channels of direct messages in which somebody has asked, the latest first."""
        latest = func.max(JobRow.id)
        query = select(JobRow.channel_id).where(JobRow.guild_id.is_(None)).group_by(JobRow.channel_id)
        async with self._sessions() as session:
            return list(await session.scalars(query.order_by(latest.desc()).limit(most)))

    async def answers_since(self, since: datetime) -> list[int]:
        """The numbers of the jobs since then whose message is about another one, the newest first."""
        answers = JobRow.reply_id.is_not(None), JobRow.source_id.is_not(None)
        query = select(JobRow.id).where(JobRow.created > since, *answers).order_by(JobRow.id.desc())
        async with self._sessions() as session:
            return list(await session.scalars(query))

    async def purge(self, before: datetime, now: datetime) -> int:
        """Delete ended jobs from before then, and what nobody counts any more; returns how many jobs."""
        last_hour = now - LIMITS_LOOK_BACK
        is_over = JobRow.state.not_in((JobState.WAITING, JobState.FORGOTTEN)) & (JobRow.created < before)
        is_forgotten = (JobRow.state == JobState.FORGOTTEN) & (JobRow.created < last_hour)
        old = select(JobRow.id).where(is_over | is_forgotten).limit(PURGED_AT_ONCE)

        def purge(session: Session) -> int:
            gone = session.execute(delete(JobRow).where(JobRow.id.in_(old)).returning(JobRow.id))
            return len(gone.all())

        await asyncio.to_thread(delete_old_copies, self.path)
        await asyncio.to_thread(self._forgotten.prune, min(before, now - BACKUPS_LIVE).date())
        exports = delete(ExportRow).where(ExportRow.at < now - timedelta(days=1))
        await self._database.execute(delete(LedgerRow).where(LedgerRow.at < last_hour), exports)
        count = 0
        while batch := await self._write(purge):  # in small parts, so that nobody waits for long to be written down
            count += batch
        return count

    async def forget_user(self, user_id: int, now: datetime) -> int:
        """Forget everything a person asked for; returns how many jobs. Blocks stay: they are the moderators'.

        What others made of the person's recordings loses what was heard in them, and how it was painted.
        """

        def forget(session: Session) -> int:
            self._forgotten.add(session, Forgotten.PERSON, user_id, now)
            return forget_person(session, user_id, now)

        count = await self._write(forget)
        await self._database.writer.empty_log()
        return count

    async def forget_guild(self, guild_id: int, now: datetime) -> None:
        """Forget a server's settings and jobs; none of them may be under way. Its block list stays."""

        def forget(session: Session) -> None:
            self._forgotten.add(session, Forgotten.SERVER, guild_id, now)
            forget_server(session, guild_id, now)

        await self._write(forget)
        await self._database.writer.empty_log()


def _begin_run(session: Session) -> int:
    row = RunRow(started=datetime.now(UTC))
    session.add(row)
    session.flush()
    return row.id


def _recording_of(job_id: int) -> str:
    """The name of the file that holds what a job is to hear."""
    return f"recording-{job_id}"
