"""A new database, made once for all tests: making one takes longer than most of what they do with it."""

import asyncio
import tempfile
from functools import cache
from pathlib import Path

from bot.storage.database import Database


@cache
def empty_database() -> bytes:
    """The file as the bot makes it where there is none. Not to be called while an event loop runs."""

    async def make(path: Path) -> None:
        database = Database(path)
        await database.open()
        await database.close()

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "new.sqlite3"
        asyncio.run(make(path))
        return path.read_bytes()
