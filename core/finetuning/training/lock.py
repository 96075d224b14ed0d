"""One run at a time in one place: two would delete each other's checkpoints.

The operating system lets go of the lock when its process ends in any way, so a stale one is taken over by itself. Who
holds it, process and host, stands beside it.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import PlaceInUse

LOCK_NAME = "lock"
HOLDER_NAME = "lock.json"


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """While it lasts no other run works in the folder, which is made, and not left empty. Raises PlaceInUse."""
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / LOCK_NAME, timeout=0), folder / HOLDER_NAME
    try:
        lock.acquire()
    except Timeout as error:
        raise PlaceInUse(
            f"{_who(holder)} already works in {folder.parent}; wait for it to end, stop it, or choose another --out."
        ) from error
    try:
        # not in the lock's own file: whoever asks for it may empty it
        holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        if [path.name for path in folder.iterdir()] == [LOCK_NAME]:  # refused before anything was kept
            (folder / LOCK_NAME).unlink()
            with suppress(OSError):
                folder.rmdir()
                folder.parent.rmdir()
        lock.release()


def _who(holder: Path) -> str:
    try:
        told = json.loads(holder.read_text())
        return f"Another run (process {told['pid']} on {told['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "Another run"
