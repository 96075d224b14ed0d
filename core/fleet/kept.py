"""The pictures that a painting service paints, and has painted, by the ids that those who asked gave them.

The same id asked twice is one picture. A picture that nobody has fetched stays ten minutes, so that a torn connection
fetches it instead of having it painted again; whoever has it says so (`forget`). It knows no HTTP. Of the event loop
alone.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from core.errors import Cancelled, ImagineSoundError, PaintingError
from core.fleet.wire import is_last
from core.generation.protocol import Failed, GenerationEvent, ImageGenerator, Listener, Loading
from core.painter import Painter

log = logging.getLogger(__name__)

KEPT_S = 600.0
UNHEARD_S = 30.0
"""A picture that is not yet finished, and to which nobody has listened for so long, is given up."""
MOST_KEPT = 1000

Begins = Callable[[ImageGenerator, Listener], int]
"""Hands a request to the painter; returns its number."""


@dataclass(eq=False)
class Order:
    """One picture under way, or finished. `latest`: the last of its events."""

    begins: Begins
    latest: GenerationEvent = field(default_factory=Loading)
    listeners: list[asyncio.Queue[GenerationEvent]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    ends: asyncio.TimerHandle | None = None

    def tell(self, event: GenerationEvent) -> None:
        """All who listen, and whoever will."""
        self.latest = event
        for listener in self.listeners:
            listener.put_nowait(event)

    async def events(self) -> AsyncGenerator[GenerationEvent, None]:
        """The latest of its events, and all that follow."""
        queue: asyncio.Queue[GenerationEvent] = asyncio.Queue()
        queue.put_nowait(self.latest)
        self.listeners.append(queue)
        try:
            while True:
                event = await queue.get()
                yield event
                if is_last(event):
                    return
        finally:
            self.listeners.remove(queue)


class Kept:
    """All orders of one service."""

    def __init__(self, painter: Painter, *, unheard_s: float = UNHEARD_S) -> None:
        self._painter = painter
        self._unheard_s = unheard_s
        self._orders: dict[str, Order] = {}
        self._finished: deque[str] = deque()

    def order(self, name: str, begins: Begins) -> Order:
        """The order `name`, begun if there is none."""
        order = self._orders.get(name)
        if order is None:
            order = self._orders[name] = Order(begins)
            order.task = asyncio.create_task(self._paint(name, order))
        return order

    def __len__(self) -> int:
        return sum(1 for order in self._orders.values() if not is_last(order.latest))

    def heard(self, order: Order) -> None:
        """Somebody begins to listen: it is not given up."""
        if order.ends is not None and not is_last(order.latest):
            order.ends.cancel()
            order.ends = None

    def left(self, name: str, order: Order) -> None:
        """Somebody listens no more; if that was the last, an unfinished picture is given up in a while."""
        if self._orders.get(name) is order and not order.listeners and not is_last(order.latest):
            order.ends = asyncio.get_running_loop().call_later(self._unheard_s, self.forget, name)

    def forget(self, name: str) -> None:
        """Nobody wants it any more: what is under way is given up, what is finished thrown away. Unknown: nothing."""
        order = self._orders.pop(name, None)
        if order is None:
            return
        if order.ends is not None:
            order.ends.cancel()
        if order.task is not None and not order.task.done():
            order.task.cancel()

    async def close(self) -> None:
        """Give up all that is under way."""
        tasks = [order.task for order in self._orders.values() if order.task is not None]
        for name in list(self._orders):
            self.forget(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _paint(self, name: str, order: Order) -> None:
        """Until its last event. Cancelling it gives the picture up."""
        try:
            if self._painter.is_awaited:
                async for share in self._painter.arrivals():
                    order.tell(Loading(share))
            await self._follow(await self._painter.generator(), order)
        except asyncio.CancelledError:
            order.tell(Failed(Cancelled()))
            raise
        except ImagineSoundError as error:
            order.tell(Failed(error))
        except Exception:
            log.exception("painting for somebody else failed")
            order.tell(Failed(PaintingError("Something went wrong while painting this picture; please try again.")))
        finally:
            self._keep(name, order)

    async def _follow(self, generator: ImageGenerator, order: Order) -> None:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[GenerationEvent] = asyncio.Queue()

        def listen(event: GenerationEvent) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        number = order.begins(generator, listen)
        try:
            while not is_last(order.latest):
                order.tell(await events.get())
        finally:
            generator.cancel(number)

    def _keep(self, name: str, order: Order) -> None:
        """For a while, and never more than so many."""
        if self._orders.get(name) is not order:
            return
        if order.ends is not None:
            order.ends.cancel()
        order.ends = asyncio.get_running_loop().call_later(KEPT_S, self.forget, name)
        self._finished.append(name)
        while len(self._finished) > MOST_KEPT:
            self.forget(self._finished.popleft())
