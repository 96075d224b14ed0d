"""One bot at a time on one data directory: two would answer everything twice.

A deploy may overlap for a moment, so the second one waits a little before it gives up and says who is there.
"""

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import AsyncFileLock, Timeout

from bot.storage.database import StoreUnusable

WAIT_S = 30.0
"""How long a second bot waits for the first to end."""


class InstanceLock:
    """Held while the bot runs. As an async context manager it raises StoreUnusable where another bot is there."""

    def __init__(self, directory: Path, *, wait_s: float = WAIT_S) -> None:
        self._directory = directory
        self._lock = AsyncFileLock(directory / "bot.lock", timeout=wait_s)
        self._holder = directory / "bot.holder.json"

    async def __aenter__(self) -> Self:
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            await self._lock.acquire()
        except Timeout as error:
            raise StoreUnusable(
                f"{self._who()} already runs on {self._directory}; stop it, or give this one another DATA_DIR."
            ) from error
        except OSError as error:
            raise StoreUnusable(
                f"{self._directory} cannot be used ({error.strerror}); set DATA_DIR to a directory that the bot may "
                "write to."
            ) from error
        # not in the lock's own file: whoever waits for it empties it
        self._holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.unlink(missing_ok=True)
        await self._lock.release()

    def _who(self) -> str:
        try:
            holder = json.loads(self._holder.read_text())
            return f"Another bot (process {holder['pid']} on {holder['host']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "Another bot"
