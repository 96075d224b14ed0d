"""The engine's painter: loaded when it is first asked for, known to be lost, and closed without waiting for ever.

It is the event loop's side of an ImageGenerator, and knows neither requests nor which generator it is.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial

from core.errors import PainterLost, ShuttingDown
from core.generation.protocol import ImageGenerator
from core.threads import in_daemon_thread

log = logging.getLogger(__name__)


class Painter:
    """`load` makes the generator; it is called in a thread that nobody waits for when the process ends."""

    def __init__(self, load: Callable[[], ImageGenerator]) -> None:
        self._load = load
        self._loading: asyncio.Future[ImageGenerator] | None = None
        self._is_ahead = False
        """Whether it was begun before anybody asked for it, and nobody has yet."""
        self._lost = asyncio.Event()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: float | None = None
        self._more = asyncio.Event()

    @property
    def loaded(self) -> ImageGenerator | None:
        """The generator, None while there is none."""
        if self._loading is None or not self._loading.done() or _has_failed(self._loading):
            return None
        return self._loading.result()

    @property
    def failure(self) -> BaseException | None:
        """Why there is none, where the last attempt to make it failed or it was lost."""
        if self._lost.is_set():
            return PainterLost()
        if self._loading is None or not self._loading.done() or self._loading.cancelled():
            return None
        return self._loading.exception()

    @property
    def is_awaited(self) -> bool:
        """Whether who asks for it now has to wait."""
        return self._loading is None or not self._loading.done()

    async def generator(self) -> ImageGenerator:
        """The generator, made at the first call; a failed start is tried again at the next.

        Raises PainterLost, ShuttingDown, and what loading raises.
        """
        return await asyncio.shield(self._begun())

    def begin(self) -> None:
        """Begin to make the generator, for whoever will ask for it; what fails is raised to the first who does."""
        if self._closed or self._lost.is_set():
            return
        if self._loading is None or _has_failed(self._loading):
            self._begun()
            self._is_ahead = True

    async def arrivals(self) -> AsyncGenerator[float, None]:
        """How much of the model has been fetched, from 0 to 1, each time that more has, until it is loaded.

        Raises what `generator` raises.
        """
        loading, told = self._begun(), None
        while not loading.done():
            if self._arrived in (None, told):
                await self._more.wait()
                continue
            told = self._arrived
            yield told
        await asyncio.shield(loading)

    def _begun(self) -> asyncio.Future[ImageGenerator]:
        if self._lost.is_set():
            raise PainterLost
        if self._closed:
            raise ShuttingDown
        if self._loading is None or (_has_failed(self._loading) and not self._is_ahead):
            self._loop = asyncio.get_running_loop()
            load = partial(self._load_and_listen, self._loop)
            self._loading = asyncio.wrap_future(in_daemon_thread(load, "loading"))
            self._loading.add_done_callback(_has_failed)  # whoever asked may have gone before it fails
            self._loading.add_done_callback(lambda _: self._wake())
        self._is_ahead = False
        return self._loading

    def tell(self, share: float) -> None:
        """So much of the model has been fetched, from 0 to 1; called from the thread that loads it."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever would read it
                self._loop.call_soon_threadsafe(self._note, share)

    def _note(self, share: float) -> None:
        self._arrived = share
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    async def lost(self) -> None:
        """Wait until the painter is lost."""
        await self._lost.wait()

    async def close(self) -> None:
        """Free the model. One that could not be loaded was told to whoever asked for it."""
        self._closed = True
        if self._loading is None or (self._loading.done() and _has_failed(self._loading)):
            return
        try:
            generator = await asyncio.shield(self._loading)
        except Exception:
            log.debug("the painter was not loaded while the engine was closing", exc_info=True)
        else:
            await asyncio.wrap_future(in_daemon_thread(generator.close, "closing"))

    def _load_and_listen(self, loop: asyncio.AbstractEventLoop) -> ImageGenerator:
        def tell_lost() -> None:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever would listen
                loop.call_soon_threadsafe(self._lost.set)

        try:
            generator = self._load()
        except PainterLost:
            tell_lost()
            raise
        if self._closed:
            generator.close()
            raise ShuttingDown
        generator.when_lost(tell_lost)
        return generator


def _has_failed(loading: asyncio.Future[ImageGenerator]) -> bool:
    return loading.done() and (loading.cancelled() or loading.exception() is not None)
