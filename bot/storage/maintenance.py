"""What whoever runs the bot can do with its database: bring it up to date, copy it, and see what is still owed.

Checking and copying change nothing, and may be done while the bot runs.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from bot.storage.database import Database, StoreUnusable
from bot.storage.lock import InstanceLock
from bot.storage.records import Erasure, Job, JobState
from bot.storage.tables import ErasureRow, JobRow
from bot.storage.upgrade import UnknownSchema, is_current


@dataclass(frozen=True)
class Owed:
    """What the bot has accepted and not yet done. `damage`: what SQLite finds wrong with the file, if anything."""

    waiting: tuple[Job, ...]
    erasures: tuple[Erasure, ...]
    damage: tuple[str, ...]


async def bring_up_to_date(path: Path) -> None:
    """Upgrade the file as a start of the bot does, with a copy before. Raises StoreUnusable, also while a bot runs."""
    async with InstanceLock(path.parent, wait_s=0):
        database = Database(path)
        await database.open()
        await database.close()


def copy(path: Path, to: Path) -> None:
    """A whole copy of the file as it is at this moment, readable by its owner only. Raises StoreUnusable."""
    if to.exists():
        raise StoreUnusable(f"{to} is there already; choose another name.")
    with _connected(path) as connection:
        connection.exec_driver_sql("VACUUM INTO ?", (str(to),))
    to.chmod(0o600)


def look(path: Path) -> Owed:
    """What is owed. Raises StoreUnusable where the file is not there, or not of this version."""
    with _connected(path) as connection:
        try:
            if not is_current(connection):
                raise StoreUnusable(
                    f"{path} is of an older version; `imagine-sound-bot db upgrade` brings it up to date."
                )
        except UnknownSchema as error:
            raise StoreUnusable(f"{path} was written by a newer version of imagine-sound; install that.") from error
        found = [row[0] for row in connection.execute(text("PRAGMA quick_check"))]
        with Session(connection) as session:
            waiting = session.scalars(select(JobRow).where(JobRow.state == JobState.WAITING).order_by(JobRow.id))
            erasures = session.scalars(select(ErasureRow).order_by(ErasureRow.id))
            return Owed(
                tuple(row.as_job() for row in waiting),
                tuple(row.as_erasure() for row in erasures),
                tuple(line for line in found if line != "ok"),
            )


def describe(owed: Owed, now: datetime) -> Iterator[str]:
    """In lines for a terminal: nothing of what anybody said."""
    yield from owed.damage
    yield f"{len(owed.waiting)} requests wait to be answered, {len(owed.erasures)} messages to be removed."
    for job in owed.waiting:
        hours = (now - job.created).total_seconds() / 3600
        yield f"request {job.id}, {hours:.1f} h old, {stage(job)}, in channel {job.channel_id}"
    for erasure in owed.erasures:
        hours = (now - erasure.since).total_seconds() / 3600
        yield f"message of request {erasure.job_id}, to be removed for {hours:.1f} h"


def stage(job: Job) -> str:
    """How far a waiting job is."""
    if job.ending is not None:
        return "its end is to be said"
    if job.picture is not None:
        return "its picture is to be shown"
    return "to be painted" if job.heard is not None else "to be heard"


@contextmanager
def _connected(path: Path) -> Iterator[Connection]:
    if not path.is_file():
        raise StoreUnusable(f"There is no database at {path}; the first start of the bot makes one (see DATA_DIR).")
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            yield connection
    except (DatabaseError, sqlite3.DatabaseError) as error:
        raise StoreUnusable(f"{path} cannot be read ({error.__cause__ or error}).") from error
    finally:
        engine.dispose()
