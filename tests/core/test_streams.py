"""What painting threads tell of several pictures, as one stream."""

from collections.abc import Callable

from core.generation.protocol import GenerationEvent, GenerationRequest, Painting, Queued
from core.prompting.prompt import Prompt
from core.streams import painted_by


class Waiting:
    """Takes requests, and begins none before all are there."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[GenerationEvent], None]] = []

    def submit(self, request: GenerationRequest, listener: Callable[[GenerationEvent], None]) -> int:
        self.listeners.append(listener)
        listener(Queued(len(self.listeners)))
        if len(self.listeners) == 3:
            for place, one in enumerate(self.listeners):
                one(Painting(0, 2) if place == 0 else Queued(place))
        return len(self.listeners)

    def cancel(self, number: int) -> None:
        pass


async def test_whoever_asks_for_several_hears_where_the_last_of_them_stands_until_one_is_begun() -> None:
    requests = [GenerationRequest(Prompt("a dog", ""), seed) for seed in range(3)]
    stream = painted_by(Waiting(), requests)
    assert await anext(stream) == Queued(3)
    assert await anext(stream) == Painting(0, 2, index=0)
    await stream.aclose()
