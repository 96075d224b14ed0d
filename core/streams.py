"""What the painting threads tell, as asyncio reads it: one stream for all pictures of a request.

It knows neither models nor what is asked for.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from core.generation.protocol import (
    Failed,
    GenerationEvent,
    ImageGenerator,
    Inspected,
    InspectionRequest,
    Listener,
    Loading,
    Painted,
    Painting,
    Queued,
)

Request = TypeVar("Request", contravariant=True)


class Takes(Protocol[Request]):
    """What paints or enlarges; see ImageGenerator."""

    def submit(self, request: Request, listener: Listener) -> int:
        """Queue it, and return its number."""
        ...

    def cancel(self, number: int) -> None:
        """Give it up."""
        ...


async def painted_by(
    thread: Takes[Request], requests: Sequence[Request], picture_s: float | None = None
) -> AsyncGenerator[Loading | Queued | Painting | Painted, None]:
    """All of `requests` at once, as one stream: where the last of them stands, until the first is begun."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[tuple[int, GenerationEvent]] = asyncio.Queue()

    def listen(index: int, event: GenerationEvent) -> None:
        loop.call_soon_threadsafe(events.put_nowait, (index, event))

    numbers: list[int] = []
    left = len(requests)
    try:
        for index, request in enumerate(requests):
            numbers.append(thread.submit(request, partial(listen, index)))
        has_begun = False
        while left:
            index, event = await events.get()
            match event:
                case Failed(error):
                    raise error
                case Painting() | Painted():
                    has_begun = True
                    left -= isinstance(event, Painted)
                    yield replace(event, index=index)
                case Loading() | Queued() if index == len(requests) - 1 and not has_begun:
                    yield Queued(event.position, picture_s) if isinstance(event, Queued) else event
    finally:
        for number in numbers:
            thread.cancel(number)


async def inspected_by(generator: ImageGenerator, request: InspectionRequest) -> npt.NDArray[np.float32]:
    """The noise that an inspection found. Raises what it failed of."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[GenerationEvent] = asyncio.Queue()

    def listen(event: GenerationEvent) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    number = generator.inspect(request, listen)
    try:
        while True:
            match await events.get():
                case Inspected(noise):
                    return noise
                case Failed(error):
                    raise error
    finally:
        generator.cancel(number)
