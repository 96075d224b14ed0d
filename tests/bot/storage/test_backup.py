"""A backup brings everything back but what was forgotten; one is made each night."""

import os
import stat
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.maintain import installation as installation_of
from bot.settings import BotSettings
from bot.storage import archive, copies
from bot.storage.backup import Installation, Nightly, back_up, name_of_night
from bot.storage.database import StoreUnusable
from bot.storage.keys import DAMAGED, MarksBy
from bot.storage.lock import InstanceLock
from bot.storage.records import SpeechChoice
from bot.storage.restore import SETTINGS_OF_THEN, Restored, restore
from core.provenance.key_file import KEY_FILE, read, read_all, read_or_make
from core.settings import CoreSettings
from tests.bot.storage.installations import (
    A_DAY,
    ALICE,
    BOB,
    NOW,
    SERVER,
    brought_back,
    installation,
    key_of,
    opened,
    remembered,
    rows,
)
from tests.bot.storage.test_migrations import VERSION_1, write_database


async def test_backup_made_while_the_bot_runs_brings_everything_back_elsewhere(
    running: Installation, tmp_path: Path
) -> None:
    store = await opened(running)
    async with InstanceLock(running.database.parent):
        back_up(running, tmp_path / "backup.zip", running.adapters())
    await store.close()

    elsewhere = installation(tmp_path / "elsewhere")
    told = await brought_back(tmp_path / "backup.zip", elsewhere)

    assert told == Restored(
        None,
        0,
        ("adapters/folder/pytorch_lora_weights.safetensors", "adapters/hands.safetensors"),
        (),
        MarksBy.OF_THE_BACKUP,
    )
    for name, path in running.adapters().items():
        assert elsewhere.adapters()[name].read_bytes() == path.read_bytes()
    assert elsewhere.words.read_text() == "gallows\n"
    assert key_of(elsewhere) == key_of(running)
    assert stat.S_IMODE((elsewhere.database.parent / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(elsewhere.database.stat().st_mode) == 0o600
    assert elsewhere.database.with_name(SETTINGS_OF_THEN).read_text() == "KEEP_DAYS=90\nSTYLE=comic\n"
    query = "SELECT id, user_id, state, heard FROM jobs"
    assert rows(elsewhere.database, query) == rows(running.database, query) != []
    back = await opened(elsewhere)
    assert [job.filename for job in await back.unfinished()] == ["waits.ogg"]
    assert (await back.servers.settings(SERVER)).seconds == 12.0
    assert await back.people.speech(ALICE) is SpeechChoice.ANYONE
    assert await back.galleries.may_be_starred(ALICE)
    await back.close()


def test_backup_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_database(tmp_path / "imagine-sound.sqlite3", VERSION_1.read_text())
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    settings = BotSettings(_env_file=None, discord_token="tell-nobody", blocked_users="1, 2")
    core_settings = CoreSettings(_env_file=None, hf_token="tell-nobody", adapters_dir=tmp_path, compile_model=False)

    back_up(installation_of(settings, core_settings), tmp_path / "backup.zip", {})

    with zipfile.ZipFile(tmp_path / "backup.zip") as made:
        lines = made.read(archive.SETTINGS).decode().splitlines()
        everything = b"".join(made.read(name) for name in made.namelist())
    assert {"BLOCKED_USERS=1,2", "COMPILE_MODEL=off", f"DATA_DIR={tmp_path}"} <= set(lines)
    assert b"tell-nobody" not in everything


def test_backup_is_private_and_overwrites_nothing(tmp_path: Path) -> None:
    write_database(tmp_path / "imagine-sound.sqlite3", VERSION_1.read_text())
    there = tmp_path / "there.zip"
    back_up(installation(tmp_path), there, {})
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    before = there.read_bytes()
    with pytest.raises(StoreUnusable, match="is there already"):
        back_up(installation(tmp_path), there, {})
    assert there.read_bytes() == before
    with pytest.raises(StoreUnusable, match="nowhere"):
        back_up(installation(tmp_path), tmp_path / "nowhere" / "backup.zip", {})


async def test_request_that_has_waited_too_long_is_not_answered_after_a_restore(
    running: Installation, tmp_path: Path
) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    await restore(tmp_path / "backup.zip", running, NOW + 2 * A_DAY, A_DAY)
    back = await opened(running)
    assert await back.unfinished() == []
    await back.close()


async def test_what_was_there_is_kept_and_can_be_brought_back(running: Installation, tmp_path: Path) -> None:
    back_up(running, tmp_path / "backup.zip", running.adapters())
    hands = running.adapters_dir / "hands.safetensors"
    hands.write_bytes(b"other hands")
    store = await opened(running)
    await remembered(store, BOB)
    await store.close()

    first = await brought_back(tmp_path / "backup.zip", running)
    assert first.adapters == ("adapters/hands.safetensors",), "the other is as it was"
    assert len(rows(running.database, "SELECT id FROM jobs")) == 4
    assert hands.read_bytes() == b"hands" * 1000
    assert first.kept is not None
    await brought_back(first.kept, running)

    assert len(rows(running.database, "SELECT id FROM jobs")) == 5
    assert hands.read_bytes() == b"other hands"


async def test_database_that_cannot_be_read_is_kept_as_it_is(running: Installation, tmp_path: Path) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    running.database.write_bytes(b"a disk's fault")
    told = await brought_back(tmp_path / "backup.zip", running)
    assert told.kept is not None
    assert told.kept.read_bytes() == b"a disk's fault"
    assert len(rows(running.database, "SELECT id FROM jobs")) == 4


async def test_settings_that_differ_are_named(running: Installation, tmp_path: Path) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    today = Installation(running.database, running.adapters_dir, {"KEEP_DAYS": "30", "SPEED": "fast"})
    assert (await brought_back(tmp_path / "backup.zip", today)).other_settings == ("KEEP_DAYS", "SPEED", "STYLE")


async def test_plain_copy_of_an_earlier_version_is_brought_back_and_up_to_date(
    running: Installation, tmp_path: Path
) -> None:
    write_database(tmp_path / "copy.sqlite3", VERSION_1.read_text())
    await brought_back(tmp_path / "copy.sqlite3", running)
    back = await opened(running)
    assert [job.id for job in await back.unfinished()] == []
    assert len(rows(running.database, "SELECT id FROM jobs")) == 4
    assert running.words.exists(), "what the copy does not hold is left alone"
    await back.close()


async def test_copy_from_before_an_update_brings_nothing_forgotten_back(tmp_path: Path) -> None:
    of = installation(tmp_path)
    write_database(of.database, VERSION_1.read_text())
    store = await opened(of)
    await store.forget_user(700011, NOW)
    await store.close()
    (copy,) = copies.folder_of(of.database).iterdir()
    assert b"dog.ogg" in copy.read_bytes()

    await brought_back(copy, of)

    assert b"dog.ogg" not in of.database.read_bytes()


async def test_restore_keeps_away_from_a_running_bot(running: Installation, tmp_path: Path) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    async with InstanceLock(running.database.parent):
        with pytest.raises(StoreUnusable, match="already runs"):
            await brought_back(tmp_path / "backup.zip", running)


async def test_one_backup_each_night_and_no_more_than_seven(running: Installation) -> None:
    nightly = Nightly(running)
    nights = [datetime(2026, 3, day, 12, tzinfo=UTC) for day in range(1, 11)]
    made = [await nightly.make_if_due(night + timedelta(hours=hour)) for night in nights for hour in (0, 3)]
    assert made == [True, False] * 10
    kept = copies.nights_of(running.database)
    assert [copy.name for copy in kept] == [name_of_night(night) for night in reversed(nights[-7:])]
    assert not nightly.has_failed


async def test_copies_older_than_a_week_go(running: Installation) -> None:
    nightly = Nightly(running)
    await nightly.make_if_due(datetime(2026, 3, 1, 12, tzinfo=UTC))
    (night,) = copies.nights_of(running.database)
    before = night.with_name("before-restore-2026-03-01-120000.zip")
    before.write_bytes(b"")
    for copy in (night, before):
        os.utime(copy, (time.time() - 8 * 86400,) * 2)
    store = await opened(running)
    await store.purge(NOW - 90 * A_DAY, NOW)
    await store.close()
    assert list(copies.folder_of(running.database).iterdir()) == []


async def test_nightly_backup_that_fails_is_known_until_one_succeeds(
    running: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    nightly = Nightly(running)
    with monkeypatch.context() as patch:
        patch.setattr("bot.storage.backup.free_bytes", lambda _: 0)
        assert not await nightly.make_if_due(NOW)
        assert nightly.has_failed
    assert await nightly.make_if_due(NOW)
    assert not nightly.has_failed


async def test_key_that_a_restore_replaces_stays_and_still_knows_its_pictures(
    running: Installation, tmp_path: Path
) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    then = key_of(running)
    data = running.database.parent
    (data / KEY_FILE).unlink()
    present = read_or_make(data).name

    told = await brought_back(tmp_path / "backup.zip", running)

    assert told.marks_by is MarksBy.OF_THE_BACKUP_NOW
    assert [key.name for key in read_all(data)] == [then, present]
    assert stat.S_IMODE((data / f"watermark-{present}.key").stat().st_mode) == 0o600
    assert (await brought_back(tmp_path / "backup.zip", running)).marks_by is MarksBy.SAME
    back_up(running, tmp_path / "both.zip", {})
    elsewhere = installation(tmp_path / "elsewhere")
    await brought_back(tmp_path / "both.zip", elsewhere)
    assert [key.name for key in read_all(elsewhere.database.parent)] == [then, present]


async def test_backup_without_a_key_leaves_the_one_that_is_there(running: Installation, tmp_path: Path) -> None:
    present, data = key_of(running), running.database.parent
    (data / KEY_FILE).rename(tmp_path / KEY_FILE)
    back_up(running, tmp_path / "backup.zip", {})
    assert (await brought_back(tmp_path / "backup.zip", running)).marks_by is MarksBy.A_NEW_ONE
    assert read(data) is None
    (tmp_path / KEY_FILE).rename(data / KEY_FILE)
    assert (await brought_back(tmp_path / "backup.zip", running)).marks_by is MarksBy.STILL_THE_PRESENT
    assert key_of(running) == present


async def test_damaged_key_is_in_no_backup_and_is_replaced_by_one_of_a_backup(
    running: Installation, tmp_path: Path
) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    then, data = key_of(running), running.database.parent
    (data / KEY_FILE).write_bytes(b"cut off")
    back_up(running, tmp_path / "without.zip", {})
    with zipfile.ZipFile(tmp_path / "without.zip") as made:
        assert KEY_FILE not in made.namelist()
    assert (await brought_back(tmp_path / "backup.zip", running)).marks_by is MarksBy.OF_THE_BACKUP_NOW
    assert key_of(running) == then
    assert (data / DAMAGED).read_bytes() == b"cut off"
