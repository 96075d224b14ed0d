"""The database's file: brought up to date at the start, read by a few connections and written by one.

Only its owner may read it. It knows how the file is opened; what is in it is the business of `store.py`.
"""

import asyncio
import logging
import os
import stat
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, QueuePool

from bot.storage.forgotten import FILE as FORGOTTEN
from bot.storage.forgotten import ForgottenList, ListDamaged
from bot.storage.replacing import finish_replacing
from bot.storage.upgrade import UnknownSchema, back_up, is_current, upgrade
from bot.storage.writer import Writer

log = logging.getLogger(__name__)

LONGEST_LINE_S = 600.0
"""How long a read may stand in line. Of 500 recordings at once, on a busy computer, four waited for more than the
usual 30 s; a read that gives up loses the message that it is about."""
READERS = 4
WAIT_S = 0.5
"""How long SQLite itself waits for another process that holds the file; the writer then tries again."""
UPGRADE_WAIT_S = 30.0


class StoreUnusable(Exception):
    """The database cannot be written, or was written by a newer version of the bot; the message says what to do."""


class Database:
    """The file at `path`: `read` begins sessions that read, `writer` writes. `open` before use, `close` at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers = create_async_engine(f"sqlite+aiosqlite:///{path}", **_pool(READERS))
        _begin_with("BEGIN", self._readers.sync_engine)
        self._writers = create_engine(f"sqlite:///{path}", **_pool(1))
        _begin_with("BEGIN IMMEDIATE", self._writers)
        self.read: async_sessionmaker[AsyncSession] = async_sessionmaker(self._readers, expire_on_commit=False)
        self.writer = Writer(sessionmaker(self._writers, expire_on_commit=False))
        self.forgotten = ForgottenList(path.with_name(FORGOTTEN))

    async def open(self) -> None:
        """Create the file and its tables where they are missing; finish a restore that was cut off.

        Raises StoreUnusable.
        """
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            finish_replacing(self.path.parent)
            _keep_private(self.path)
            bring_up_to_date(self.path)
            self.forgotten.open()
        except ListDamaged as error:
            raise StoreUnusable(
                f"{self.path.with_name(FORGOTTEN)} is damaged. It says what no backup may bring back; put back an "
                "earlier copy of it, or move it away if you restore no backup from before today."
            ) from error
        except (OSError, DatabaseError) as error:
            raise StoreUnusable(
                f"{self.path} cannot be used as the bot's database ({error.__cause__ or error}); "
                "set DATA_DIR to a directory that the bot may write to."
            ) from error

    async def close(self) -> None:
        """Write what waits to be written, and close all connections."""
        await self.writer.close()
        self._writers.dispose()
        await self._readers.dispose()

    async def execute(self, *statements: Executable, within_s: float | None = None) -> None:
        """Write, in one transaction, what the statements say. Raises CannotWrite as the writer does."""

        def execute(session: Session) -> None:
            for statement in statements:
                session.execute(statement)

        await self.writer.write(execute, within_s=within_s)


def bring_up_to_date(path: Path, *, with_copy: bool = True) -> None:
    """Give the file the schema of today; unless it is new or `with_copy` is False, it is copied before. Blocks.

    Raises StoreUnusable, OSError and DatabaseError.
    """
    has_copy = with_copy and path.stat().st_size > 0
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": UPGRADE_WAIT_S}, hide_parameters=True)
    event.listen(engine, "connect", prepare_connection)
    try:
        with engine.connect() as connection:
            if not _is_current(connection, path):
                connection.rollback()  # a file is copied outside transactions
                if has_copy:
                    back_up(connection, path)
                # a table that a step makes anew is dropped first, and must not take with it what refers to it
                connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
                # by hand, since the driver begins no transaction for what changes tables
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                _upgrade(connection, path)
            connection.commit()
    finally:
        engine.dispose()


def _is_current(connection: Connection, path: Path) -> bool:
    try:
        return is_current(connection)
    except UnknownSchema as error:
        raise StoreUnusable(
            f"{path} was written by a newer version of imagine-sound; install that version, or set "
            "DATA_DIR to another directory."
        ) from error


def _upgrade(connection: Connection, path: Path) -> None:
    try:
        upgrade(connection)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreUnusable(
            f"{path} holds something that no version of imagine-sound wrote, and was left as it is; move it "
            "away, or set DATA_DIR to another directory."
        ) from error


def _pool(connections: int) -> dict[str, Any]:
    """Options of an engine with so many connections."""
    return {
        "connect_args": {"timeout": WAIT_S, "isolation_level": None, "check_same_thread": False},
        "poolclass": AsyncAdaptedQueuePool if connections > 1 else QueuePool,
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": LONGEST_LINE_S,
        "hide_parameters": True,
    }


def _begin_with(statement: str, engine: Engine) -> None:
    """Let each transaction start with `statement`: left to itself, the driver starts them late, and knows no savepoints
    (https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable)."""
    event.listen(engine, "connect", prepare_connection)

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine, "begin", begin_transaction)


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


def prepare_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """WAL: readers never wait for the writer, and what is committed survives a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
