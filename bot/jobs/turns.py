"""Who may be worked on beside whom: most jobs beside each other, one that may have ended the process by itself.

It knows nothing of jobs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

OVERDUE_S = 300.0


class Turns:
    """Shared by those who mind no company; alone for those who must not harm anybody."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._sharing = 0
        self._is_alone = False
        self._overdue = 0

    @asynccontextmanager
    async def beside_others(self) -> AsyncIterator[None]:
        """Hold a turn that others may share."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_alone and not self._overdue)
            self._sharing += 1
        try:
            yield
        finally:
            self._sharing -= 1
            await self._tell()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the only turn. Whoever comes while others share one waits until nobody does; after a while nobody else
        gets one before."""
        async with self._changed:
            await self._wait_alone()
            self._is_alone = True
        try:
            yield
        finally:
            self._is_alone = False
            await self._tell()

    async def _wait_alone(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait_for(self._is_free), OVERDUE_S)
        except TimeoutError:
            self._overdue += 1
            try:
                await self._changed.wait_for(self._is_free)
            finally:
                self._overdue -= 1

    def _is_free(self) -> bool:
        return not self._is_alone and not self._sharing

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
