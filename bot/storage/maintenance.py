"""What whoever runs the bot can do with its database: bring it up to date, and see what is still owed.

Looking changes nothing, and may be done while the bot runs.
"""

import os
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
from bot.storage.forgotten import FILE as FORGOTTEN
from bot.storage.forgotten import ListDamaged, read_list
from bot.storage.lock import InstanceLock
from bot.storage.records import Erasure, Job, JobState
from bot.storage.replacing import is_ready
from bot.storage.tables import ErasureRow, JobRow
from bot.storage.upgrade import UnknownSchema, is_current
from core.findings import Finding, Mark

BRING_BACK = "stop the bot, and bring a backup back with `imagine-sound-bot db restore`"


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


def look(path: Path) -> Owed:
    """What is owed. Raises StoreUnusable where the file is not there, or not of this version."""
    with connected(path) as connection:
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


def examine(path: Path) -> str | Finding:
    """Whether the bot could work with the file. Raises StoreUnusable, with what to do."""
    if not path.exists():
        return f"there is none in {path.parent} yet; the first start makes one"
    if is_ready(path.parent):
        return Finding(Mark.BETTER, "a restore was cut off; the bot's next start ends it.")
    try:
        read_list(path.with_name(FORGOTTEN))
    except ListDamaged as error:
        raise StoreUnusable(
            f"{path.with_name(FORGOTTEN)} is damaged; put back an earlier copy of it, or move it away."
        ) from error
    with connected(path) as connection:
        damage = [row[0] for row in connection.execute(text("PRAGMA quick_check")) if row[0] != "ok"]
        if damage:
            raise StoreUnusable(f"{path} is damaged ({damage[0]}); {BRING_BACK}.")
        try:
            if not is_current(connection):
                return Finding(Mark.BETTER, f"{path} is of an older version; the next start brings it up to date.")
        except UnknownSchema as error:
            raise StoreUnusable(f"{path} was written by a newer version of imagine-sound; install that.") from error
        if not os.access(path, os.W_OK):
            raise StoreUnusable(f"{path} cannot be written; let this user write it.")
    return f"{path}, {path.stat().st_size / 1e6:.1f} MB, is sound"


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
def connected(path: Path) -> Iterator[Connection]:
    """Read the file, also while the bot runs. Raises StoreUnusable, also where a restore was cut off."""
    if is_ready(path.parent):
        raise StoreUnusable(
            "A restore was cut off; the bot's next start ends it, and so does `imagine-sound-bot db upgrade`."
        )
    if not path.is_file():
        raise StoreUnusable(f"There is no database at {path}; the first start of the bot makes one (see DATA_DIR).")
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            yield connection
    except (DatabaseError, sqlite3.DatabaseError) as error:
        raise StoreUnusable(f"{path} cannot be read ({error.__cause__ or error}); {BRING_BACK}.") from error
    finally:
        engine.dispose()
