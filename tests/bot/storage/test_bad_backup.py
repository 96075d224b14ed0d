"""A bad backup is refused as a whole, and a restore that was cut off is ended."""

import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.storage import archive, replacing
from bot.storage.backup import Installation, back_up
from bot.storage.database import StoreUnusable
from tests.bot.storage.installations import (
    BOB,
    brought_back,
    everything_in,
    opened,
    remembered,
    rows,
)


def added(path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "a") as changed:
        changed.writestr(name, "x")


def replaced(path: Path, name: str, content: bytes) -> None:
    """The archive with other content under a name, or None of it."""
    with zipfile.ZipFile(path) as old:
        parts = {part: old.read(part) for part in old.namelist()} | {name: content}
    with zipfile.ZipFile(path, "w") as new:
        for part, kept in parts.items():
            new.writestr(part, kept)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def newer_database(path: Path) -> None:
    with zipfile.ZipFile(path) as old:
        database = path.with_suffix(".db")
        database.write_bytes(old.read(archive.DATABASE))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    replaced(path, archive.DATABASE, database.read_bytes())


def half_a_database(path: Path) -> None:
    with zipfile.ZipFile(path) as old:
        database = old.read(archive.DATABASE)
    replaced(path, archive.DATABASE, database[: len(database) // 2])


def empty_database(path: Path) -> None:
    strange = path.with_suffix(".db")
    with closing(sqlite3.connect(strange)) as connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    replaced(path, archive.DATABASE, strange.read_bytes())


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a name that leads out": (lambda path: added(path, "../evil.txt"), "holds files that no backup has"),
    "an adapter that leads out": (
        lambda path: added(path, "adapters/../pytorch_lora_weights.safetensors"),
        "holds files",
    ),
    "an absolute name": (lambda path: added(path, "/etc/evil.safetensors"), "holds files that no backup has"),
    "a name of another system": (lambda path: added(path, "adapters\\..\\evil.safetensors"), "holds files"),
    "a strange file": (lambda path: added(path, "adapters/run.py"), "holds files that no backup has"),
    "a name twice": (lambda path: added(path, archive.WORDS), "holds files that no backup has"),
    "a flipped byte": (flipped, "damaged"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-200]), "damaged"),
    "no zip": (lambda path: path.write_bytes(b"no zip" * 100), "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "not there": (lambda path: path.unlink(), "No such file"),
    "another zip": (lambda path: zipfile.ZipFile(path, "w").close(), "no backup of imagine-sound"),
    "of a newer form": (
        lambda path: replaced(path, archive.MANIFEST, json.dumps({"format": archive.FORMAT + 1}).encode()),
        "newer version",
    ),
    "a manifest of something else": (lambda path: replaced(path, archive.MANIFEST, b"[1]"), "damaged"),
    "of a newer database": (newer_database, "newer version"),
    "half a database": (half_a_database, "damaged|malformed"),
    "a database of somebody else's": (empty_database, "none of imagine-sound's"),
    "a damaged key": (lambda path: replaced(path, "watermark.key", b"short"), "its watermark.key.* is damaged"),
    "a key under another's name": (
        lambda path: replaced(path, "watermark-01234567.key", bytes(32)),
        "its watermark-01234567.key.* is damaged",
    ),
    "a damaged list": (lambda path: replaced(path, archive.FORGOTTEN, b"{}"), "list of what was forgotten is damaged"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("what", BAD)
async def test_bad_backup_is_refused_with_a_sentence_and_changes_nothing(
    what: str, running: Installation, tmp_path: Path
) -> None:
    spoil, says = BAD[what]
    back_up(running, tmp_path / "backup.zip", {})
    spoil(tmp_path / "backup.zip")
    before = everything_in(running.database.parent)

    with pytest.raises(StoreUnusable, match=says) as refused:
        await brought_back(tmp_path / "backup.zip", running)

    assert str(refused.value).endswith("Nothing was changed.")
    assert everything_in(running.database.parent) == before
    assert not (tmp_path / "evil.txt").exists()


async def test_without_room_nothing_is_begun(
    running: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    monkeypatch.setattr(archive, "free_bytes", lambda _: 1_000_000)
    with pytest.raises(StoreUnusable, match="1 MB are free there"):
        await brought_back(tmp_path / "backup.zip", running)
    monkeypatch.setattr("bot.storage.backup.free_bytes", lambda _: 1_000_000)
    with pytest.raises(StoreUnusable, match="make room"):
        back_up(running, tmp_path / "second.zip", {})
    assert not (tmp_path / "second.zip").exists()


async def test_restore_that_was_cut_off_is_ended_by_whoever_opens_the_data_next(
    running: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    store = await opened(running)
    await remembered(store, BOB)
    await store.close()

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    with monkeypatch.context() as patch:
        patch.setattr(replacing, "_take", full)
        with pytest.raises(StoreUnusable, match=r"is back but for what cannot be written now .*No space left"):
            await brought_back(tmp_path / "backup.zip", running)
    with pytest.raises(StoreUnusable, match="A restore was cut off"):
        back_up(running, tmp_path / "second.zip", {})

    back = await opened(running)
    await back.close()
    assert len(rows(running.database, "SELECT id FROM jobs")) == 4
