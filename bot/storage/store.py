"""What must outlive the process: accepted jobs, recipes, server settings and block lists, in one SQLite file.

A job is written here before anyone is told that it is queued. A recording's bytes are kept only until its job ends.
This module knows nothing of Discord beyond ids, and decides nothing.
"""

import asyncio
import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, event, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from bot.storage.files import WorkFiles
from bot.storage.records import GuildSettings, Job, JobState, NewJob, Outcome, ReplyAddress
from bot.storage.tables import BlockRow, FigureRow, GuildRow, JobRow, NoteRow, RunRow
from bot.storage.upgrade import UnknownSchema, back_up, is_current, upgrade
from core.events import HeardSummary
from core.options import ImagineOptions

log = logging.getLogger(__name__)

LIMITS_LOOK_BACK = timedelta(hours=1)
"""How far back the limits count what was asked for."""


class StoreUnusable(Exception):
    """The database cannot be written, or was written by a newer version of the bot; the message says what to do."""


class Store:
    """The database. `open` before use, `close` at the end. `run` is the number of this start of the bot."""

    run = 0

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = WorkFiles(path.parent / "work")
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 10})
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        event.listen(self._engine.sync_engine, "connect", _prepare_connection)

    async def open(self) -> None:
        """Create the file and its tables where they are missing. Raises StoreUnusable."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _keep_private(self.path)
            await self._open()
        except (OSError, DatabaseError) as error:
            raise StoreUnusable(
                f"{self.path} cannot be used as the bot's database ({error.__cause__ or error}); "
                "set DATA_DIR to a directory that the bot may write to."
            ) from error

    async def _open(self) -> None:
        is_new = self.path.stat().st_size == 0
        async with self._engine.connect() as connection:
            if not await connection.run_sync(self._is_current):
                if not is_new:
                    await connection.rollback()  # a file is copied outside transactions
                    await connection.run_sync(back_up, self.path)
                # a table that a step makes anew is dropped first, and must not take with it what refers to it
                await connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
                # by hand, since the driver begins no transaction for what changes tables
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
                await connection.run_sync(self._upgrade)
            await connection.commit()
            await connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        async with self._sessions.begin() as session:
            row = RunRow(started=datetime.now(UTC))
            session.add(row)
            await session.flush()
            self.run = row.id
            rows = (await session.execute(select(JobRow.recording, JobRow.picture))).all()
            named = {name for row in rows for name in row if name is not None}
        await asyncio.to_thread(self._files.sweep, named)

    def _is_current(self, connection: Connection) -> bool:
        try:
            return is_current(connection)
        except UnknownSchema as error:
            raise StoreUnusable(
                f"{self.path} was written by a newer version of imagine-sound; install that version, or set "
                "DATA_DIR to another directory."
            ) from error

    def _upgrade(self, connection: Connection) -> None:
        try:
            upgrade(connection)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreUnusable(
                f"{self.path} holds something that no version of imagine-sound wrote, and was left as it is; move it "
                "away, or set DATA_DIR to another directory."
            ) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    # Jobs

    async def accept(self, new: NewJob, now: datetime) -> Job | None:
        """Write a job down; None where the request was accepted before, by its key."""
        values = {column.name: getattr(new, column.name) for column in fields(NewJob)}
        values |= {"state": JobState.WAITING, "attempts": 0, "created": now, "run": self.run}
        values["reply_id"] = new.reply.message_id if new.reply else None
        async with self._sessions.begin() as session:
            added = insert(JobRow).values(**values).on_conflict_do_nothing().returning(JobRow.id)
            job_id = await session.scalar(added)
            return (await session.get_one(JobRow, job_id)).as_job() if job_id is not None else None

    async def is_known(self, request_key: str) -> bool:
        """Whether the request of that key was accepted before."""
        async with self._sessions() as session:
            return await session.scalar(select(JobRow.id).where(JobRow.request_key == request_key)) is not None

    async def job(self, job_id: int) -> Job | None:
        """The job, or None if it is unknown or has been forgotten."""
        async with self._sessions() as session:
            row = await session.get(JobRow, job_id)
            return row.as_job() if row else None

    async def keep_recording(self, job_id: int, data: bytes) -> str:
        """Keep the bytes that are to be heard until they have been; returns the name of their file."""
        name = f"recording-{job_id}"
        await asyncio.to_thread(self._files.write, name, data)
        await self._change(job_id, recording=name)
        return name

    def recording(self, job: Job) -> Path | None:
        """The file that is still to be heard."""
        return self._files.path(job.recording) if job.recording is not None else None

    async def figure(self, job: Job) -> bytes | None:
        """The figure (PNG) of what `job` heard."""
        async with self._sessions() as session:
            return await session.scalar(select(FigureRow.data).where(FigureRow.job_id == (job.figure_of or job.id)))

    async def count_attempt(self, job_id: int) -> None:
        """Note that work on the job begins."""
        await self._change(job_id, attempts=JobRow.attempts + 1)

    async def reset_attempts(self, job_ids: Sequence[int]) -> None:
        """Note that these jobs were put off by an orderly shutdown, which is not held against them."""
        async with self._sessions.begin() as session:
            await session.execute(update(JobRow).where(JobRow.id.in_(job_ids)).values(attempts=0))

    async def set_reply(self, job_id: int, reply: ReplyAddress) -> None:
        """Note where the job's message is."""
        await self._change(job_id, reply=reply, reply_id=reply.message_id)

    async def set_heard(self, job_id: int, heard: HeardSummary) -> None:
        """Note what was heard; the recording is no longer needed and is deleted."""
        await self._change(job_id, heard=heard, recording=None)
        await asyncio.to_thread(self._files.remove, f"recording-{job_id}")

    async def set_figure(self, job_id: int, figure: bytes) -> None:
        """Keep the figure of what was heard, unless the job has been forgotten meanwhile."""
        async with self._sessions.begin() as session:
            known = select(JobRow.id).where(JobRow.id == job_id, JobRow.heard.is_not(None))
            if await session.scalar(known) is not None:
                await session.merge(FigureRow(job_id=job_id, data=figure))

    async def keep_picture(self, job_id: int, outcome: Outcome, data: bytes, ending: str) -> str:
        """Keep a picture that is painted until it has been shown; returns the name of its file."""
        name = f"picture-{job_id}.{ending}"
        await asyncio.to_thread(self._files.write, name, data)
        await self._change(job_id, outcome=outcome, picture=name)
        return name

    async def kept_picture(self, job: Job) -> bytes | None:
        """The file of a picture that was painted before; None where there is none (any more)."""
        return await asyncio.to_thread(self._files.read, job.picture) if job.picture is not None else None

    async def finish(self, job_id: int, state: JobState) -> bool:
        """End a waiting job, and delete what was under way; False if it had ended before."""
        async with self._sessions.begin() as session:
            ended = update(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.WAITING).values(state=state)
            row = (await session.execute(ended.returning(JobRow.recording, JobRow.picture))).one_or_none()
            if row is not None:
                forgotten = update(JobRow).where(JobRow.id == job_id).values(recording=None, picture=None)
                await session.execute(forgotten)
        for name in row or ():
            if name is not None:
                await asyncio.to_thread(self._files.remove, name)
        return row is not None

    async def unfinished(self, *, user_id: int | None = None, guild_id: int | None = None) -> list[Job]:
        """The waiting jobs, the oldest first."""
        query = select(JobRow).where(JobRow.state == JobState.WAITING).order_by(JobRow.id)
        query = query.where(JobRow.user_id == user_id) if user_id is not None else query
        query = query.where(JobRow.guild_id == guild_id) if guild_id is not None else query
        async with self._sessions() as session:
            return [row.as_job() for row in await session.scalars(query)]

    async def jobs_of_message(self, message_id: int) -> list[Job]:
        """The jobs that this message asked for, or whose reply it is."""
        query = select(JobRow).where((JobRow.source_id == message_id) | (JobRow.reply_id == message_id))
        async with self._sessions() as session:
            return [row.as_job() for row in await session.scalars(query)]

    async def accepted_since(
        self, since: datetime, *, user_id: int | None = None, guild_id: int | None = None
    ) -> list[datetime]:
        """When a person's (or a server's) jobs since then were accepted, the oldest first."""
        query = select(JobRow.created).where(JobRow.created > since).order_by(JobRow.created)
        query = query.where(JobRow.user_id == user_id) if user_id is not None else query
        query = query.where(JobRow.guild_id == guild_id) if guild_id is not None else query
        async with self._sessions() as session:
            return list(await session.scalars(query))

    async def purge(self, before: datetime) -> int:
        """Delete ended jobs from before then; returns how many."""
        async with self._sessions.begin() as session:
            gone = await session.execute(
                delete(JobRow).where(JobRow.created < before, JobRow.state != JobState.WAITING).returning(JobRow.id)
            )
            return len(gone.all())

    async def forget_job(self, job_id: int) -> None:
        """Empty an ended job: only who asked and when stays for the limits, until it is purged."""
        async with self._sessions.begin() as session:
            await self._empty(session, [job_id])

    async def forget_user(self, user_id: int, now: datetime) -> int:
        """Delete everything a person asked for; returns how many jobs. Blocks stay: they are the moderators'.

        Of the jobs of the last hour it stays that there were so many, or else forgetting would be a way round limits.
        """
        async with self._sessions.begin() as session:
            mine = select(JobRow.id).where(JobRow.user_id == user_id)
            ids = list(await session.scalars(mine))
            await self._empty(session, ids)
            await session.execute(delete(JobRow).where(JobRow.id.in_(ids), JobRow.created < now - LIMITS_LOOK_BACK))
            return len(ids)

    async def _empty(self, session: AsyncSession, job_ids: Sequence[int]) -> None:
        emptied_columns = ("heard", "outcome", "recording", "picture", "attachment", "reply", "reply_id", "source_id")
        nothing = dict.fromkeys(emptied_columns)
        emptied = update(JobRow).where(JobRow.id.in_(job_ids))
        await session.execute(emptied.values(**nothing, options=ImagineOptions(), filename=""))
        await session.execute(delete(FigureRow).where(FigureRow.job_id.in_(job_ids)))

    # Servers

    async def guild(self, guild_id: int | None) -> GuildSettings:
        """A server's settings; the defaults for one without, and for direct messages."""
        if guild_id is None:
            return GuildSettings()
        async with self._sessions() as session:
            row = await session.get(GuildRow, guild_id)
            return row.settings if row else GuildSettings()

    async def change_guild(self, guild_id: int, **changes: object) -> GuildSettings:
        """Change some of a server's settings; returns all of them."""
        async with self._sessions.begin() as session:
            row = await session.get(GuildRow, guild_id)
            settings = replace(row.settings if row else GuildSettings(), **changes)  # type: ignore[arg-type]
            await session.merge(GuildRow(guild_id=guild_id, settings=settings))
            return settings

    async def forget_guild(self, guild_id: int) -> None:
        """Delete a server's settings, block list and jobs; none of them may be under way."""
        async with self._sessions.begin() as session:
            for table in (GuildRow, BlockRow, JobRow):
                await session.execute(delete(table).where(table.guild_id == guild_id))

    async def blocked(self, guild_id: int) -> tuple[int, ...]:
        """Whom a server's moderators blocked."""
        async with self._sessions() as session:
            found = await session.scalars(select(BlockRow.user_id).where(BlockRow.guild_id == guild_id))
            return tuple(found)

    async def set_blocked(self, guild_id: int, user_ids: Sequence[int]) -> None:
        """Replace a server's block list."""
        async with self._sessions.begin() as session:
            await session.execute(delete(BlockRow).where(BlockRow.guild_id == guild_id))
            session.add_all(BlockRow(guild_id=guild_id, user_id=user_id) for user_id in user_ids)

    # Notes

    async def value(self, name: str) -> str | None:
        """A small fact by its name."""
        async with self._sessions() as session:
            return await session.scalar(select(NoteRow.value).where(NoteRow.name == name))

    async def set_value(self, name: str, value: str) -> None:
        """Write a small fact down."""
        async with self._sessions.begin() as session:
            await session.merge(NoteRow(name=name, value=value))

    async def claim_notice(self, name: str) -> bool:
        """True the first time it is asked for `name`; `reset_notices` makes it so again."""
        async with self._sessions.begin() as session:
            told = insert(NoteRow).values(name=f"said:{name}", value="").on_conflict_do_nothing()
            result = await session.execute(told.returning(NoteRow.name))
            return result.scalar_one_or_none() is not None

    async def reset_notices(self, prefix: str) -> None:
        """Let everything be said again whose name begins with `prefix`."""
        async with self._sessions.begin() as session:
            await session.execute(delete(NoteRow).where(NoteRow.name.startswith(f"said:{prefix}", autoescape=True)))

    async def _change(self, job_id: int, **values: object) -> None:
        async with self._sessions.begin() as session:
            await session.execute(update(JobRow).where(JobRow.id == job_id).values(**values))


def _keep_private(database: Path) -> None:
    """Only the owner reads the database and its folder, also where an older version left them open to all.

    SQLite gives its journals the database's own permissions. A folder that many share (/tmp) stays as it is.
    """
    os.close(os.open(database, os.O_CREAT | os.O_RDWR, 0o600))
    folder = database.parent
    journals = [database.with_name(database.name + ending) for ending in ("-wal", "-shm")]
    wanted = {path: 0o600 for path in (database, *journals) if path.exists()}
    if not folder.stat().st_mode & stat.S_ISVTX:
        wanted[folder] = 0o700
    for path, mode in wanted.items():
        try:
            if stat.S_IMODE(path.stat().st_mode) != mode:
                path.chmod(mode)
        except PermissionError:
            log.warning("%s may be read by others, and is not mine to change; chmod it to %o", path, mode)


def _prepare_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """WAL: readers never wait for the writer, and what is committed survives a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
