"""All writing to the database: one transaction after the other, in the order of asking; whoever waits shares the next.

SQLite lets one connection write at a time and lets the others wait unfairly, and each commit costs a flush of the disk.
So there is one connection that writes, and a crowd is written down in one commit. It knows nothing of what is written.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_IN_ONE = 100
"""So many writes share a transaction at most."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
"""Between two attempts while the database cannot be written."""
PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""What SQLite reports while somebody else holds the file, the disk is full, or it cannot be reached."""


class CannotWrite(Exception):
    """It could not be written down in time, and will not be."""


@dataclass(eq=False)
class _Write:
    work: Callable[[AsyncSession], Awaitable[Any]]
    done: "asyncio.Future[Any]"
    withdrawn: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self.withdrawn and not self.done.done()


class Writer:
    """Owns the connection that writes, in a task that is there while anything waits. `close` at the end."""

    def __init__(self, sessions: "async_sessionmaker[AsyncSession]") -> None:
        """`sessions` begin their transactions as writers."""
        self._sessions = sessions
        self._waiting: deque[_Write] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def close(self) -> None:
        """Write what waits, once more, and stop; what cannot be written now never will be."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._waiting:
            await self._commit_next()
        while self._waiting:
            _end(self._waiting.popleft(), CannotWrite("the database is being closed"))

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]], *, within_s: float | None = None) -> T:
        """What `work` returns, once it has been committed. It may be called more than once, each time anew.

        It is tried again while the database is locked or the disk full: for ever, or until `within_s` seconds are over,
        which raises CannotWrite. Whatever else `work` raises is raised, and nothing of it is written.
        """
        if self._closed:
            raise CannotWrite("the database is closed")
        entry = _Write(work, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all(), name="writing to the database")
        try:
            result: T = await asyncio.wait_for(asyncio.shield(entry.done), within_s)
        except asyncio.CancelledError:
            entry.withdrawn = True
            raise
        except TimeoutError as error:
            entry.withdrawn = True
            if entry in self._waiting:
                raise CannotWrite("the database could not be written in time") from error
            result = await entry.done  # it is being committed at this moment, or fails
        return result

    async def _write_all(self) -> None:
        pause = FIRST_PAUSE_S
        while self._waiting:
            if await self._commit_next():
                pause = FIRST_PAUSE_S
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _commit_next(self) -> bool:
        """Write what waits in one transaction; False if that is not possible now, and it waits on."""
        batch: list[_Write] = []
        while self._waiting and len(batch) < MOST_IN_ONE:
            entry = self._waiting.popleft()
            if entry.is_wanted:
                batch.append(entry)
        try:
            results = await self._transaction(batch)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or _passes(error):
                self._wait_on(batch)
                if isinstance(error, asyncio.CancelledError):
                    raise
                log.warning("the database cannot be written (%s); %d writes wait", error, len(self._waiting))
                return False
            for entry in batch:
                _end(entry, error)
            return True
        for entry, result in zip(batch, results, strict=True):
            _end(entry, result)
        return True

    async def _transaction(self, batch: Sequence[_Write]) -> list[object]:
        """One result for each write: what it returned, or the exception that undid it alone."""
        results: list[object] = []
        async with self._sessions.begin() as session:
            await session.connection()  # from here on nobody else holds the file
            for entry in batch:
                if entry.withdrawn:
                    results.append(CannotWrite("the database could not be written in time"))
                    continue
                try:
                    async with session.begin_nested():
                        results.append(await entry.work(session))
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
                self._waiting.appendleft(entry)


def _end(entry: _Write, result: object) -> None:
    if entry.done.done():
        return
    if isinstance(result, BaseException):
        entry.done.set_exception(result)
    else:
        entry.done.set_result(result)


def _passes(error: BaseException) -> bool:
    """Whether the same write may succeed later."""
    cause = error.orig if isinstance(error, OperationalError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in PASSING
