"""`imagine-sound-bot db ...`: what whoever runs the bot can do with its database."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.storage.lock import InstanceLock
from bot.storage.records import Ending, JobState, NewJob, Place, ReplyAddress
from bot.storage.store import Store
from core.errors import ExitCode
from tests.bot.storage.test_migrations import VERSION_1, write_database

NAME = "imagine-sound.sqlite3"


@pytest.fixture(autouse=True)
def _data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))


async def owing(path: Path) -> None:
    """A database with a request to be heard, one to be ended, and a message to be removed."""
    accepted = datetime.now(UTC) - timedelta(minutes=6)
    store = Store(path)
    await store.open()
    jobs = [await store.accept(NewJob(1, 10, 20, "en-US", f"secret-{n}.ogg"), accepted) for n in range(3)]
    assert all(jobs)
    await store.set_ending(2, Ending(JobState.FAILED, "Something secret."))
    await store.set_reply(3, ReplyAddress(20, 40))
    await store.withdraw(3, Place(20, 10, None, 7), None, accepted)
    await store.close()


async def test_check_lists_what_is_owed_and_nothing_that_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await owing(tmp_path / NAME)
    assert main(["db", "check"]) == ExitCode.DONE
    told = capsys.readouterr().out
    assert "2 requests wait to be answered, 1 messages to be removed." in told
    assert "request 1, 0.1 h old, to be heard" in told
    assert "request 2, 0.1 h old, its end is to be said" in told
    assert "message of request 3" in told
    assert "secret" not in told


async def test_backup_and_restore_say_what_became_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await owing(tmp_path / NAME)
    backup = str(tmp_path / "backup.zip")
    assert await run_in_thread(["db", "backup", backup]) == ExitCode.DONE
    told = capsys.readouterr().out
    assert f"0 adapters and the settings, without secrets, are in {backup}" in told
    assert "no key for marking pictures yet" in told
    assert await run_in_thread(["db", "backup", backup]) == ExitCode.BAD_INPUT
    assert "is there already" in capsys.readouterr().err
    store = Store(tmp_path / NAME)
    await store.open()
    await store.forget_user(1, datetime.now(UTC))
    await store.close()

    assert await run_in_thread(["db", "restore", backup]) == ExitCode.DONE

    told = capsys.readouterr().out
    assert f"{backup} is back" in told
    assert "is kept for a week as" in told
    assert "Forgotten again, since it was asked for: 1 requests" in told
    assert await run_in_thread(["db", "restore", str(tmp_path / NAME)]) == ExitCode.DONE, "a plain copy, too"


async def test_restore_keeps_away_from_a_running_bot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with InstanceLock(tmp_path):
        assert await run_in_thread(["db", "restore", "backup.zip"]) == ExitCode.BAD_INPUT
    assert "already runs" in capsys.readouterr().err


def test_upgrade_brings_an_old_file_to_this_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_database(tmp_path / NAME, VERSION_1.read_text())
    assert main(["db", "check"]) == ExitCode.BAD_INPUT
    assert "db upgrade" in capsys.readouterr().err
    assert main(["db", "upgrade"]) == ExitCode.DONE
    assert main(["db", "check"]) == ExitCode.DONE


async def test_upgrade_keeps_away_from_a_running_bot(tmp_path: Path) -> None:
    async with InstanceLock(tmp_path):
        assert await run_in_thread(["db", "upgrade"]) == ExitCode.BAD_INPUT


async def run_in_thread(arguments: list[str]) -> int:
    """Which begins an event loop of its own."""
    return await asyncio.to_thread(main, arguments)


@pytest.mark.parametrize("what", ["check", "backup"])
def test_what_is_not_there_is_said(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", what, *([str(tmp_path / "copy")] if what == "backup" else [])]) == ExitCode.BAD_INPUT
    assert "no database" in capsys.readouterr().err


def test_file_that_is_no_database_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / NAME).write_bytes(b"no database " * 1000)
    assert main(["db", "check"]) == ExitCode.BAD_INPUT
    assert "cannot be read" in capsys.readouterr().err
