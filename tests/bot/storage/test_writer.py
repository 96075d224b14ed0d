"""Writing to the database: nothing is lost while it is locked, a crowd shares commits, a bad write harms no other."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from bot.storage.database import Database
from bot.storage.records import JobState, NewJob
from bot.storage.store import Store
from bot.storage.writer import CannotWrite

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "store.sqlite3")
    await database.open()
    yield database
    await database.close()


@contextmanager
def locked(database: Database) -> Iterator[sqlite3.Connection]:
    """Somebody else holds the file."""
    other = sqlite3.connect(database.path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield other
    finally:
        other.close()


def note(name: str) -> Callable[[Session], str]:
    def work(session: Session) -> str:
        session.execute(text("INSERT INTO notes (name, value) VALUES (:name, '')"), {"name": name})
        return name

    return work


async def names(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(text("SELECT name FROM notes ORDER BY name")))


async def test_what_cannot_be_written_now_is_written_when_it_can(database: Database) -> None:
    with locked(database):
        writing = asyncio.create_task(database.writer.write(note("late")))
        await asyncio.sleep(1.5)
        assert not writing.done()
    assert await asyncio.wait_for(writing, 5) == "late"
    assert await names(database) == ["late"]


async def test_what_was_declined_for_being_late_is_not_written_after_all(database: Database) -> None:
    with locked(database):
        began = time.monotonic()
        with pytest.raises(CannotWrite):
            await database.writer.write(note("too late"), within_s=0.3)
        assert time.monotonic() - began < 2
    await database.writer.write(note("other"))
    assert await names(database) == ["other"]


async def test_whoever_gave_up_waiting_is_not_written(database: Database) -> None:
    with locked(database):
        writing = asyncio.create_task(database.writer.write(note("given up")))
        await asyncio.sleep(0.1)
        writing.cancel()
        await asyncio.wait({writing})
    await database.writer.write(note("other"))
    assert await names(database) == ["other"]


async def test_a_write_that_fails_fails_alone(database: Database) -> None:
    def bad(session: Session) -> None:
        note("half")(session)
        raise ValueError("a fault of the program")

    results = await asyncio.gather(
        database.writer.write(note("one")),
        database.writer.write(bad),
        database.writer.write(note("one")),
        database.writer.write(note("two")),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == ["str", "ValueError", "IntegrityError", "str"]
    assert await names(database) == ["one", "two"]


async def test_a_crowd_shares_commits(database: Database) -> None:
    commits = []
    event.listen(database._writers, "commit", lambda connection: commits.append(1))
    await asyncio.gather(*(database.writer.write(note(f"{n:03}")) for n in range(250)))
    assert len(await names(database)) == 250
    assert len(commits) <= 4


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite3")
    await database.open()
    writing = [asyncio.create_task(database.writer.write(note(f"{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*writing) == ["0", "1", "2", "3", "4"]
    with pytest.raises(CannotWrite):
        await database.writer.write(note("after"))
    with sqlite3.connect(database.path) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (5,)
    connection.close()


async def test_closing_does_not_wait_for_a_database_that_stays_locked(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite3")
    await database.open()
    with locked(database):
        writing = asyncio.create_task(database.writer.write(note("never")))
        await asyncio.sleep(0.1)
        await asyncio.wait_for(database.close(), 3)
        with pytest.raises(CannotWrite):
            await writing


async def test_job_ends_although_the_database_is_locked_for_a_while(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite3")
    await store.open()
    job = await store.accept(NewJob(1, 10, 20, "en-US", "dog.ogg"), NOW)
    assert job is not None
    with locked(store._database):
        ending = asyncio.create_task(store.finish(job.id, JobState.DONE))
        await asyncio.sleep(1)
    assert await asyncio.wait_for(ending, 5)
    await store.close()


async def test_limit_holds_however_many_ask_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite3")
    await store.open()
    outcomes = await asyncio.gather(
        *(
            store.accept(
                NewJob(user, 10, 20, "en-US", "dog.ogg"),
                NOW,
                lambda usage: "refused" if usage.waiting_guild >= 3 else None,
            )
            for user in range(20)
        )
    )
    assert sum(outcome == "refused" for outcome in outcomes) == 17
    await store.close()
