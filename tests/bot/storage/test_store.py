"""The store: what is written is there for the next process, and many may write at once."""

import asyncio
import os
import sqlite3
import stat
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from bot.storage.database import READERS
from bot.storage.ledger import Usage
from bot.storage.records import Job, JobState, NewJob, Outcome, Place, ReplyAddress
from bot.storage.store import Store
from bot.storage.writer import CannotWrite
from core.events import HeardSummary
from core.generation.protocol import Note
from core.hearing.categories import TopCategory
from core.hearing.classifier import Category, Prediction
from core.hearing.strip import Strip
from core.prompting.prompt import Prompt
from core.prompting.styles import Style
from core.recipe import Recipe
from core.speech.spoken import Outcome as SpeechOutcome
from core.speech.spoken import SaidScene, Spoken

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEARD = HeardSummary(
    "Dog",
    (TopCategory("Dog", 0.9, 1.0, 0),),
    (Prediction(0, (Category("Dog", 0.9),), -20.0),),
    1.0,
    Prompt("a dog", "text"),
    Style.COMIC,
    damaged=True,
)

STRIP = Strip(bytes(range(256)) * 6)

PLACE = Place(20, 10, 30, 12345)


def new_job(user_id: int = 1, strip_of: int | None = None) -> NewJob:
    return NewJob(user_id, 10, 20, "en-US", "dog.ogg", source_id=30, strip_of=strip_of)


async def accepted(store: Store, new: NewJob, now: datetime, recording: bytes | None = None) -> Job:
    job = await store.accept(new, now)
    assert job is not None
    if recording is not None:
        await store.keep_recording(job.id, recording)
    return await store.job(job.id) or job


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "deep" / "store.sqlite3")
    await store.open()
    yield store
    await store.close()


async def test_accepted_job_is_there_for_another_process_at_once(store: Store) -> None:
    job = await accepted(store, new_job(), NOW, b"sound")

    with sqlite3.connect(f"file:{store.path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT state FROM jobs").fetchall()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert rows == [("waiting",)]
    assert (store.path.parent / "work" / "recording-1").read_bytes() == b"sound"
    assert await store.job(job.id) == job


def modes(store: Store) -> set[int]:
    found = [store.path.parent, *store.path.parent.rglob("*")]
    return {stat.S_IMODE(path.stat().st_mode) << (12 if path.is_dir() else 0) for path in found}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
async def test_nobody_else_on_the_machine_reads_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = Store(tmp_path / "new" / "store.sqlite3")
        await store.open()
        await accepted(store, new_job(), NOW, b"sound")
        assert {path.name for path in store.path.parent.iterdir()} > {"store.sqlite3-wal", "store.sqlite3-shm", "work"}
        assert modes(store) == {0o600, 0o700 << 12}
        await store.close()

        for path in (store.path, store.path.parent):  # as an older version left them
            path.chmod(0o755)
        again = Store(store.path)
        await again.open()
        await accepted(again, new_job(), NOW)
        assert modes(again) == {0o600, 0o700 << 12}
        await again.close()
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
async def test_folder_that_everybody_shares_is_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    store = Store(shared / "store.sqlite3")
    await store.open()
    await store.close()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


async def test_what_was_heard_comes_back_as_it_was(store: Store) -> None:
    job = await accepted(store, new_job(), NOW, b"sound")

    await store.set_understood(job.id, HEARD, STRIP)

    again = await store.job(job.id)
    assert again is not None
    assert again.heard == HEARD
    assert await store.strip(again) == STRIP
    assert await store.recording(again.id) is None
    assert list((store.path.parent / "work").iterdir()) == []


async def test_a_recording_in_which_somebody_speaks_is_kept_until_that_is_understood(store: Store) -> None:
    job = await accepted(store, new_job(), NOW, b"sound")
    await store.set_heard(job.id, HEARD, STRIP)
    kept = await store.recording(job.id)
    assert kept is not None
    assert kept.read_bytes() == b"sound"

    understood = replace(HEARD, spoken=Spoken("my dog", SpeechOutcome.SEEN, SaidScene(("a dog",), kind="story")))
    await store.set_understood(job.id, understood)

    again = await store.job(job.id)
    assert again is not None
    assert again.heard == understood
    assert await store.strip(again) == STRIP
    assert await store.recording(job.id) is None


async def test_notes_come_back_as_they_were(store: Store) -> None:
    job = await accepted(store, new_job(), NOW, b"sound")
    recipe = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (64, 64), "model", "1", None, ())
    outcome = Outcome(recipe, 1.5, False, (Note("prompt_cut", {"end": "in the rain"}),))

    await store.keep_picture(job.id, outcome, b"picture", "png")
    await store.finish(job.id, JobState.DONE)

    again = await store.job(job.id)
    assert again is not None
    assert again.outcome == outcome


async def test_request_of_one_key_is_accepted_once_however_many_bring_it(store: Store) -> None:
    new = replace(new_job(), request_key="m:1:2")
    jobs = await asyncio.gather(*(store.accept(new, NOW) for _ in range(10)))
    (job,) = filter(None, jobs)
    await store.withdraw(job.id, PLACE, None, NOW)
    assert await store.accept(new, NOW) is None, "forgotten, but not to be brought back to life"


async def test_picture_is_kept_until_it_has_been_shown(store: Store) -> None:
    job = await accepted(store, new_job(), NOW)
    recipe = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (64, 64), "model", "1", None, ())
    await store.keep_picture(job.id, Outcome(recipe, 1.5, False), b"picture", "png")
    work = store.path.parent / "work"
    (file,) = work.iterdir()
    assert (stat.S_IMODE(work.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)
    (work / "picture-99.png").write_bytes(b"of a job that was forgotten")

    again = Store(store.path)
    await again.open()
    kept = await again.job(job.id)
    assert kept is not None
    assert await again.kept_picture(kept) == b"picture"
    assert [path.name for path in work.iterdir()] == [kept.picture], "what no row names goes at the start"
    await again.finish(job.id, JobState.DONE)
    await again.close()

    assert list(work.iterdir()) == []


async def test_many_write_at_once(store: Store) -> None:
    jobs = await asyncio.gather(*(accepted(store, new_job(user), NOW, b"x") for user in range(40)))
    ended = await asyncio.gather(*(store.finish(job.id, JobState.DONE) for job in jobs))

    assert all(ended)
    assert len({job.id for job in jobs}) == 40
    assert await store.unfinished() == []


async def test_job_ends_once(store: Store) -> None:
    job = await accepted(store, new_job(), NOW, b"x")

    ended = await asyncio.gather(*(store.finish(job.id, state) for state in (JobState.DONE, JobState.CANCELLED)))

    assert sorted(ended) == [False, True]


async def test_something_is_said_once_however_many_ask(store: Store) -> None:
    assert sum(await asyncio.gather(*(store.notes.claim("hello") for _ in range(10)))) == 1
    await store.notes.reset("hel")
    assert await store.notes.claim("hello")


async def painted(store: Store, user_id: int, now: datetime, strip_of: int | None = None) -> Job:
    job = await accepted(store, new_job(user_id, strip_of), now)
    await store.set_heard(job.id, HEARD, STRIP if strip_of is None else None)
    await store.finish(job.id, JobState.DONE)
    return await store.job(job.id) or job


async def test_strip_of_a_recording_is_forgotten_with_whoever_sent_it(store: Store) -> None:
    mine = await painted(store, 1, NOW)
    theirs = await painted(store, 2, NOW, strip_of=mine.id)
    assert await store.strip(theirs) == STRIP

    assert await store.forget_user(1, NOW) == 1

    assert await store.strip(theirs) is None
    assert await store.job(theirs.id) == theirs


async def test_what_is_heard_after_its_job_was_withdrawn_is_not_kept(store: Store) -> None:
    job = await accepted(store, new_job(), NOW, b"sound")
    await store.withdraw(job.id, PLACE, None, NOW)
    await store.set_heard(job.id, HEARD, STRIP)
    kept = await store.job(job.id)
    assert kept is not None
    assert kept.heard is None
    assert await store.strip(job) is None


async def test_message_that_turns_up_after_its_job_was_withdrawn_is_to_be_removed(store: Store) -> None:
    job = await accepted(store, new_job(), NOW)
    await store.withdraw(job.id, PLACE, None, NOW)
    await store.set_reply(job.id, ReplyAddress(20, 40))
    (erasure,) = await store.erasures.waiting(job.id)
    assert erasure.reply == ReplyAddress(20, 40)
    kept = await store.job(job.id)
    assert kept is not None
    assert kept.reply is None


async def test_withdrawn_job_that_had_no_message_leaves_nothing_to_be_removed(store: Store) -> None:
    job = await accepted(store, new_job(), NOW)
    await store.finish(job.id, JobState.FAILED)
    await store.withdraw(job.id, PLACE, None, NOW)
    assert await store.erasures.waiting() == []


async def test_nothing_is_left_of_what_is_forgotten_but_its_key_for_an_hour(store: Store) -> None:
    new = replace(new_job(), request_key="m:1:2", user_id=77)
    job = await accepted(store, new, NOW - timedelta(days=2))
    await store.finish(job.id, JobState.DONE)

    assert await store.forget_user(77, NOW) == 1

    kept = await store.job(job.id)
    assert kept is not None
    assert (kept.user_id, kept.channel_id, kept.guild_id, kept.source_id, kept.filename) == (0, 0, None, None, "")
    assert await store.accept(new, NOW) is None, "told of again, it does not come back"
    await store.purge(NOW - timedelta(days=90), NOW + timedelta(minutes=61))
    assert await store.job(job.id) is None


async def test_limits_count_what_was_forgotten_until_the_hour_is_over(store: Store) -> None:
    seen: list[Usage] = []
    job = await accepted(store, new_job(1), NOW)
    await store.withdraw(job.id, PLACE, None, NOW)
    await store.accept(new_job(1), NOW, seen.append)
    await store.purge(NOW, NOW + timedelta(minutes=59))
    await store.accept(new_job(1), NOW + timedelta(minutes=59), seen.append)
    await store.purge(NOW, NOW + timedelta(minutes=61))
    await store.accept(new_job(1), NOW + timedelta(minutes=61), seen.append)
    assert [len(usage.user) for usage in seen] == [1, 2, 1]


async def test_deleted_data_is_overwritten_in_the_file(store: Store) -> None:
    secret = b"a very secret recording " * 400
    job = await accepted(store, new_job(), NOW, secret)
    await store.finish(job.id, JobState.CANCELLED)
    await store.close()

    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert b"very secret" not in store.path.read_bytes()


async def test_picture_that_is_painted_after_its_job_was_withdrawn_is_not_kept(store: Store) -> None:
    job = await accepted(store, new_job(), NOW)
    await store.withdraw(job.id, PLACE, None, NOW)
    recipe = Recipe(Prompt("SECRET", ""), 7, 4, 3.0, (64, 64), "model", "1", None, ())
    await store.keep_picture(job.id, Outcome(recipe, 1.5, False), b"picture", "png")
    kept = await store.job(job.id)
    assert kept is not None
    assert (kept.outcome, kept.picture) == (None, None)
    assert list((store.path.parent / "work").iterdir()) == []


async def test_what_people_said_is_not_in_the_log_where_the_database_fails(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CannotWrite):
        await store.accept(replace(new_job(), filename="SECRET.ogg"), NOW, within_s=0.1)
    other.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("DROP TABLE ledger")
    other.close()
    with pytest.raises(OperationalError) as caught:
        await store.accept(replace(new_job(), filename="SECRET.ogg"), NOW)
    assert "SECRET" not in caplog.text + str(caught.value)


async def test_copies_from_before_an_update_go_after_a_week(store: Store) -> None:
    folder = store.path.parent / "backups"
    folder.mkdir(exist_ok=True)
    for name, days in (("before-0001.sqlite3", 8), ("before-0002.sqlite3", 6)):
        (folder / name).touch()
        then = time.time() - days * 86_400
        os.utime(folder / name, (then, then))
    await store.purge(NOW, NOW)
    assert [path.name for path in folder.iterdir()] == ["before-0002.sqlite3"]


async def test_read_stands_in_line_longer_than_a_crowd_lasts(store: Store) -> None:
    """What gives up loses the message that it is about; the library's own 30 s were too short on a busy computer."""
    held = [store._database.read() for _ in range(READERS)]
    for session in held:
        await session.connection()
    reading = asyncio.create_task(store.job(1))
    pool = store._database._readers.pool
    assert isinstance(pool, QueuePool)
    assert pool.timeout() >= 600
    await asyncio.sleep(0.1)
    assert not reading.done()
    for session in held:
        await session.close()
    assert await reading is None
