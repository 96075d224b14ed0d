"""Reading the files that Discord keeps for messages: from its own hosts, without detours, no more than was allowed.

How large a file is said to be is a claim; the bytes are counted as they come.
"""

from collections.abc import Awaitable, Callable

import aiohttp
import discord
from yarl import URL

from bot.discord_api.attachments import CouldNotFetch
from core.errors import RecordingTooLarge

ORIGINS = frozenset({URL("https://cdn.discordapp.com"), URL("https://media.discordapp.net")})
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
AT_ONCE_BYTES = 64 * 1024

ReadFile = Callable[[str], Awaitable[bytes]]
"""Takes an address; raises what `FileReader` does."""


class FileReader:
    """Reads files of at most `most_bytes`. `close` it in the end."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, address: str) -> bytes:
        """The file's bytes. Raises CouldNotFetch, RecordingTooLarge, and TROUBLE."""
        url = URL(address)
        if not url.is_absolute() or url.origin() not in ORIGINS:
            raise CouldNotFetch
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                kinds = {403: discord.Forbidden, 404: discord.NotFound}
                raise kinds.get(answer.status, discord.HTTPException)(answer, "no file")
            return await self._read(answer)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        data = bytearray()
        async for part in answer.content.iter_chunked(AT_ONCE_BYTES):
            data += part
            if len(data) > self._most_bytes:
                raise RecordingTooLarge(max(len(data), answer.content_length or 0), self._most_bytes)
        return bytes(data)
