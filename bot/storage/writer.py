"""All writing to the database: one transaction after the other, in the order of asking; whoever waits shares the next.

SQLite lets one connection write at a time and lets the others wait unfairly, and each commit costs a flush of the disk.
So there is one connection that writes, in a thread of its own, and a crowd is written down in one commit. It knows
nothing of what is written.
"""

import asyncio
import errno
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_IN_ONE = 100
"""So many writes share a transaction at most."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
"""Between two attempts while the database cannot be written."""
CHECKPOINT_ATTEMPTS, CHECKPOINT_PAUSE_S = 20, 0.1
PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""What SQLite reports while somebody else holds the file, the disk is full, or it cannot be reached."""
PASSING_FILES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""The same of a file that is written together with the database."""


class CannotWrite(Exception):
    """It could not be written down in time, and will not be."""


@dataclass(eq=False)
class _Write:
    work: Callable[[Session], Any]
    done: "asyncio.Future[Any]"
    withdrawn: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self.withdrawn and not self.done.done()


class Writer:
    """Owns the connection that writes, in a task that is there while anything waits. `close` at the end."""

    def __init__(self, sessions: "sessionmaker[Session]") -> None:
        """`sessions` begin their transactions as writers."""
        self._sessions = sessions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._urgent: deque[_Write] = deque()
        self._waiting: deque[_Write] = deque()
        self._task: asyncio.Task[None] | None = None
        self._committed_at = 0.0
        self._closed = False

    async def close(self) -> None:
        """Write what waits, once more, and stop; what cannot be written now never will be."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._waits:
            await self._commit_next()
        while self._waits:
            _end(self._next(), CannotWrite("the database is being closed"))
        self._thread.shutdown(wait=False)

    async def write(self, work: Callable[[Session], T], *, within_s: float | None = None, urgent: bool = False) -> T:
        """What `work` returns, once it has been committed. It runs in another thread, more than once perhaps.

        It is tried again while the database is locked or the disk full: for ever, or until nothing at all could be
        written for `within_s` seconds, which raises CannotWrite. Whatever else `work` raises is raised, and nothing of
        it is written. `urgent` goes before what is not.
        """
        if self._closed:
            raise CannotWrite("the database is closed")
        entry = _Write(work, asyncio.get_running_loop().create_future())
        (self._urgent if urgent else self._waiting).append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all(), name="writing to the database")
        try:
            while True:
                try:
                    result: T = await asyncio.wait_for(asyncio.shield(entry.done), within_s)
                except TimeoutError:
                    if within_s is not None and self._is_stuck_for(within_s):
                        break
                else:
                    return result
        except asyncio.CancelledError:
            entry.withdrawn = True
            entry.done.cancel()  # whatever becomes of it, nobody wants to know
            raise
        entry.withdrawn = True
        if entry in self._urgent or entry in self._waiting:
            raise CannotWrite("the database could not be written in time")
        last: T = await entry.done  # it is being committed at this moment, or fails
        return last

    async def empty_log(self) -> None:
        """Move what SQLite's log holds into the file, and empty the log: what was deleted is then nowhere any more.

        While somebody reads, that has to wait; it is tried for two seconds, and comes with the next call at the latest.
        """
        loop = asyncio.get_running_loop()
        for _ in range(CHECKPOINT_ATTEMPTS):
            if await loop.run_in_executor(self._thread, self._checkpoint):
                return
            await asyncio.sleep(CHECKPOINT_PAUSE_S)
        log.warning("the database's log could not be emptied: somebody reads all the time")

    def _checkpoint(self) -> bool:
        """In the thread. Whether the log is empty."""
        with self._sessions() as session:
            engine = session.get_bind()
        assert isinstance(engine, Engine)
        connection = engine.raw_connection()  # a checkpoint is made outside transactions
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            row = cursor.fetchone()
        except sqlite3.OperationalError as error:
            log.info("the database's log could not be emptied: %s", error)
            return False
        finally:
            connection.close()
        return row is not None and row[0] == 0

    @property
    def _waits(self) -> bool:
        return bool(self._urgent or self._waiting)

    def _next(self) -> _Write:
        return self._urgent.popleft() if self._urgent else self._waiting.popleft()

    def _is_stuck_for(self, seconds: float) -> bool:
        return asyncio.get_running_loop().time() - self._committed_at >= seconds

    async def _write_all(self) -> None:
        pause = FIRST_PAUSE_S
        while self._waits:
            if await self._commit_next():
                pause = FIRST_PAUSE_S
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _commit_next(self) -> bool:
        """Write what waits in one transaction; False if that is not possible now, and it waits on."""
        batch: list[_Write] = []
        while self._waits and len(batch) < MOST_IN_ONE:
            entry = self._next()
            if entry.is_wanted:
                batch.append(entry)
        loop = asyncio.get_running_loop()
        committing = loop.run_in_executor(self._thread, self._transaction, batch)
        try:
            results = await asyncio.shield(committing)
        except asyncio.CancelledError:
            await asyncio.wait({committing})  # a thread cannot be stopped, and its work counts
            self._take_over(batch, committing)
            raise
        except Exception:
            log.debug("a transaction failed", exc_info=True)
            return self._take_over(batch, committing)
        self._committed_at = loop.time()
        for entry, result in zip(batch, results, strict=True):
            _end(entry, result)
        return True

    def _take_over(self, batch: Sequence[_Write], committing: "asyncio.Future[list[object]]") -> bool:
        """What became of a transaction that failed, or that nobody waited for; False if it waits on."""
        error = committing.exception()
        if error is not None and _passes(error):
            self._wait_on(batch)
            log.warning("the database cannot be written (%s); %d writes wait", error, len(self._waiting))
            return False
        results = committing.result() if error is None else [error] * len(batch)
        for entry, result in zip(batch, results, strict=True):
            _end(entry, result)
        return True

    def _transaction(self, batch: Sequence[_Write]) -> list[object]:
        """In the thread. One result for each write: what it returned, or the exception that undid it alone."""
        results: list[object] = []
        with self._sessions.begin() as session:
            session.connection()  # from here on nobody else holds the file
            for entry in batch:
                if entry.withdrawn:
                    results.append(CannotWrite("the database could not be written in time"))
                    continue
                try:
                    with session.begin_nested():
                        results.append(entry.work(session))
                except Exception as error:
                    if _passes(error):
                        raise
                    results.append(error)
        return results

    def _wait_on(self, batch: Sequence[_Write]) -> None:
        for entry in reversed(batch):
            if entry.withdrawn:
                _end(entry, CannotWrite("the database could not be written in time"))
            else:
                self._urgent.appendleft(entry)


def _end(entry: _Write, result: object) -> None:
    if entry.done.done():
        return
    if isinstance(result, BaseException):
        entry.done.set_exception(result)
    else:
        entry.done.set_result(result)


def _passes(error: BaseException) -> bool:
    """Whether the same write may succeed later."""
    if isinstance(error, OSError):
        return error.errno in PASSING_FILES
    cause = error.orig if isinstance(error, OperationalError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in PASSING
