"""Where copies of the data lie, how they come to be there whole, and how long they stay.

All of them are in `backups` beside the database, readable by their owner only: one of each night, and what was there
before an update or a restore. What was forgotten since is in them, so that none is kept for longer than a week. A copy
is made in a room of its own, which is swept when a process did not outlive it. Everything here blocks.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from bot.storage.files import sync_directory

KEPT_FOR = timedelta(days=7)
BACKUPS_LIVE = KEPT_FOR + timedelta(days=1)
"""No copy is older, whatever time of the day it was made at."""
MOST_NIGHTS = 7
ROOM = ".making-"
ABANDONED_S = 3600.0
"""Nothing takes so long to be made."""


def folder_of(database: Path) -> Path:
    """Where the copies lie."""
    return database.parent / "backups"


@contextmanager
def room_for(database: Path) -> Iterator[Path]:
    """An empty folder on the file system of the copies, gone in the end. Raises OSError."""
    folder = folder_of(database)
    folder.mkdir(mode=0o700, exist_ok=True)
    for left in folder.glob(f"{ROOM}*"):
        if time.time() - left.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=ROOM) as room:
        yield Path(room)


def take_in(made: Path, copy: Path) -> None:
    """Give what was made in a room its place, in which there may be an older one. Raises OSError."""
    made.chmod(0o600)
    with made.open("rb") as file:
        os.fsync(file.fileno())
    made.replace(copy)
    sync_directory(copy.parent)


def nights_of(database: Path) -> list[Path]:
    """The backups of the last nights, the newest first."""
    return sorted(folder_of(database).glob("nightly-*.zip"), reverse=True)


def delete_old_copies(database: Path) -> None:
    """Those that are older than a week go, also what a killed process left, and all but the last nights'."""
    too_many = nights_of(database)[MOST_NIGHTS:]
    too_old = [
        copy
        for pattern in ("before-*", "nightly-*.zip", ".*")
        for copy in folder_of(database).glob(pattern)
        if copy.is_file() and time.time() - copy.stat().st_mtime > KEPT_FOR.total_seconds()
    ]
    for copy in {*too_many, *too_old}:
        copy.unlink(missing_ok=True)
