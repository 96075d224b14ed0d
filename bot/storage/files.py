"""What is under way and too large for the database: files that a row names, whole or not there.

A file is written under a temporary name, synced and renamed before the transaction that names it, and removed after the
one that forgets it; what no row names is removed at the next start. Beside them lie marks: empty files that say what
was being worked on when the process ended. Everything here but `keep` blocks: run it in a thread.
"""

import asyncio
import logging
import os
import tempfile
from collections.abc import Collection, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

FULL_DISK_PAUSE_S = 2.0
MARK = "begun-"


class WorkFiles:
    """The files in `directory`, readable by their owner only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, name: str, data: bytes) -> None:
        """Keep `data` as `name`, durably."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._directory, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._directory / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_directory(self._directory)

    def path(self, name: str) -> Path:
        """Where the file is."""
        return self._directory / name

    def read(self, name: str) -> bytes | None:
        """The file's content; None where it is gone."""
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove the file, if it is there."""
        (self._directory / name).unlink(missing_ok=True)

    def remove_of(self, job_id: int) -> None:
        """Remove all files of a job."""
        for path in self._directory.glob(f"*-{job_id}*"):
            if path.stem.partition("-")[2] == str(job_id):
                path.unlink(missing_ok=True)

    def mark(self, job_id: int) -> None:
        """Note that work on a job has begun. A disk that is full is no reason not to work."""
        with suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._directory / f"{MARK}{job_id}").touch(mode=0o600)

    def unmark(self, job_id: int) -> None:
        """Note that it has ended."""
        self.remove(f"{MARK}{job_id}")

    def marked(self) -> list[int]:
        """The jobs whose work had begun and not ended."""
        return sorted(int(path.name.removeprefix(MARK)) for path in self._directory.glob(f"{MARK}*"))

    def sweep(self, named: Collection[str]) -> int:
        """Remove every file that is not `named`; returns how many."""
        if not self._directory.is_dir():
            return 0
        left = [path for path in self._directory.iterdir() if path.name not in named]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)


def sync_directory(directory: Path) -> None:
    """Have the names in it outlive the computer's end, as far as that can be said."""
    if os.name == "nt":
        return  # directories cannot be opened there
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def keep(files: WorkFiles, name: str, data: bytes) -> None:
    """Write a file; while the disk is full, again and again."""
    while True:
        try:
            await _to_the_end(asyncio.to_thread(files.write, name, data))
        except OSError as error:
            log.warning("%s cannot be written (%s); I try again", name, error)
            await asyncio.sleep(FULL_DISK_PAUSE_S)
        else:
            return


async def _to_the_end(call: Coroutine[Any, Any, None]) -> None:
    """What a thread does cannot be stopped: whoever is cancelled meanwhile waits until it is done."""
    task = asyncio.create_task(call)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
