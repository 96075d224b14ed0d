"""Killed at any moment, a backup is whole or not there, a restore is all or nothing, a migration is done or not."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.storage import archive, copies
from bot.storage.backup import back_up
from bot.storage.forgotten import read_list
from bot.storage.store import Store
from tests.bot.storage.installations import BOB, filled, installation, opened, remembered
from tests.bot.storage.test_migrations import VERSION_1, write_database

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")


def left_by_kills(what: str, root: Path) -> list[Path]:
    """The directories as killed processes left them; the last process was not killed."""
    command = [sys.executable, "-m", "tests.bot.storage.killing", what, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return [Path(line) for line in done.stdout.splitlines()]


def jobs_in(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        return int(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])


async def test_backup_that_is_killed_is_whole_or_not_there(tmp_path: Path) -> None:
    await filled(tmp_path / "template")
    *killed, ended = left_by_kills("backup", tmp_path)
    assert len(killed) >= 15
    for number, directory in enumerate([*killed, ended]):
        backup = directory / "backup.zip"
        if backup.exists():
            (place := tmp_path / f"unpacked-{number}").mkdir()
            archive.unpack(backup, place)
            assert jobs_in(place / archive.DATABASE) == 4
        assert jobs_in(installation(directory).database) == 4
    assert (ended / "backup.zip").exists()
    assert not all((directory / "backup.zip").exists() for directory in killed)
    unfinished = [path for path in killed if not (path / "backup.zip").exists()]
    left = next(path for path in reversed(unfinished) if list(path.glob(".backup.zip.*")))
    assert_nothing_stays_of_what_is_left(left)


def assert_nothing_stays_of_what_is_left(directory: Path) -> None:
    """It holds what people may have forgotten afterwards: the next backup removes it."""
    of = installation(directory)
    rooms = list(copies.folder_of(of.database).glob(".making-*"))
    assert rooms
    for room in rooms:
        os.utime(room, (0, 0))
    back_up(of, of.database.with_name("backup.zip"), {})
    assert list(copies.folder_of(of.database).iterdir()) == []
    assert list(of.database.parent.glob(".backup.zip.*")) == []


async def test_restore_that_is_killed_is_all_or_nothing(tmp_path: Path) -> None:
    """Before: five requests, other hands, Bob forgotten. After: four, the hands of then, Bob forgotten as well."""
    of = await filled(tmp_path / "template")
    back_up(of, tmp_path / "template" / "earlier.zip", of.adapters())
    store = await opened(of)
    await remembered(store, BOB)
    await store.forget_user(BOB, datetime.now(UTC))
    await store.close()
    (of.adapters_dir / "hands.safetensors").write_bytes(b"other hands")
    of.words.write_text("other words\n")

    *killed, ended = left_by_kills("restore", tmp_path)

    assert len(killed) > 20
    states = []
    for directory in [*killed, ended]:
        there = installation(directory)
        back = Store(there.database)
        await back.open()
        await back.close()
        hands = (there.adapters_dir / "hands.safetensors").read_bytes()
        states.append((jobs_in(there.database), len(hands), there.words.read_text()))
        assert b"words of 7002" not in there.database.read_bytes()
        assert len(read_list(there.forgotten)[-1].lines) == 1
        assert not list(directory.glob("restore")), "what was committed is ended by the next start"
    before, after = (5, 11, "other words\n"), (4, 5000, "gallows\n")
    assert set(states) == {before, after}
    assert states[-1] == after


async def test_migration_that_is_killed_is_done_or_not(tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    write_database(installation(tmp_path / "template").database, VERSION_1.read_text())
    *killed, ended = left_by_kills("migration", tmp_path)
    assert len(killed) > 3
    for directory in [*killed, ended]:
        for copy in copies.folder_of(installation(directory).database).glob("before-*.sqlite3"):
            assert jobs_in(copy) == 4, "a copy is whole or not there"
        store = Store(installation(directory).database)
        await store.open()
        assert [job.id for job in await store.unfinished()] == [2, 3]
        await store.close()
        shutil.rmtree(directory)
