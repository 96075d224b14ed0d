"""The engine's enlarger: its thread is made when the first picture is to be larger, and anew when that one hangs.

It is the event loop's side of enlarging, as `painter.py` is of painting. It knows neither pictures nor networks.
"""

import asyncio
from collections.abc import Callable

from core.errors import ShuttingDown
from core.generation.enlarging import EnlargingThread
from core.threads import in_daemon_thread


class Enlarger:
    """`make` makes the enlarging thread; it is called in a thread that nobody waits for when the process ends."""

    def __init__(self, make: Callable[[], EnlargingThread]) -> None:
        self._make = make
        self._making: asyncio.Future[EnlargingThread] | None = None
        self._closed = False

    async def thread(self) -> EnlargingThread:
        """The enlarging thread, made at the first call; a failed start is tried again at the next.

        Raises ShuttingDown, and what making it raises.
        """
        if self._closed:
            raise ShuttingDown
        if self._making is None or _is_of_no_use(self._making):
            self._making = asyncio.wrap_future(in_daemon_thread(self._make, "loading"))
            self._making.add_done_callback(_is_of_no_use)  # whoever asked may have gone before it fails
        return await asyncio.shield(self._making)

    async def close(self) -> None:
        """Give up what is being enlarged, and free the network."""
        self._closed = True
        if self._making is None:
            return
        await asyncio.wait({self._making})
        if not _is_of_no_use(self._making):
            await asyncio.wrap_future(in_daemon_thread(self._making.result().close, "closing"))


def _is_of_no_use(making: asyncio.Future[EnlargingThread]) -> bool:
    return making.done() and (making.cancelled() or making.exception() is not None or making.result().is_lost)
