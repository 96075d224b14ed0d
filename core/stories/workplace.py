"""A directory for one story: its sound and its film lie there for as long as it is told, and no longer.

A story that is ended with its process leaves its directory, in which somebody's voice is: whoever holds its lock no
more is gone, and the next to look removes it. It knows nothing of what is written there.
"""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import NoSpaceForFilm

log = logging.getLogger(__name__)

_PREFIX = "imagine-sound-story-"
_LOCK = ".lock"
_BEGUN_S = 60.0
"""Younger ones may not be locked yet."""


@asynccontextmanager
async def workplace() -> AsyncGenerator[Path, None]:
    """A new directory, which is removed with all that is in it. Raises NoSpaceForFilm."""
    lock: FileLock | None = None
    directory: Path | None = None
    try:
        try:
            # a moment's work; in another thread a cancellation would leave a directory that nobody knows
            directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
            lock = FileLock(directory / _LOCK, timeout=0, thread_local=False)
            lock.acquire()
        except OSError as error:
            log.warning("no directory for a story", exc_info=True)
            raise NoSpaceForFilm from error
        yield directory
    finally:
        if directory is not None:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        if lock is not None:
            lock.release()


def remove_abandoned() -> int:
    """Remove what stories left whose process has ended; returns how many they were. Blocks."""
    return sum(_remove_if_abandoned(path) for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))


def _remove_if_abandoned(directory: Path) -> bool:
    try:
        if time.time() - directory.stat().st_mtime < _BEGUN_S:
            return False
        with FileLock(directory / _LOCK, timeout=0):
            shutil.rmtree(directory, ignore_errors=True)
    except (OSError, Timeout):  # somebody is at work there, or it is another user's
        return False
    log.info("removed what a story left that was ended with its process")
    return True
