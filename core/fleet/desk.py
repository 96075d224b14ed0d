"""What a painting service answers, whatever carries it: requests as JSON in, events as JSON out.

It knows no HTTP, and neither addresses nor tokens.
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from core.errors import ImagineSoundError
from core.fleet.binary import Nonsense
from core.fleet.kept import UNHEARD_S, Begins, Kept
from core.fleet.wire import (
    Json,
    PainterInfo,
    is_last,
    of_error,
    of_event,
    of_info,
    to_generation,
    to_inspection,
)
from core.generation.protocol import GenerationEvent, ImageGenerator
from core.painter import Painter

MOST_TEXTS = 1000
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NotReady(Exception):
    """The painter is being loaded, or cannot be; `says` why."""

    def __init__(self, says: Json) -> None:
        super().__init__(says["sentence"])
        self.says = says


@dataclass(frozen=True)
class Asked:
    """A request with the name that whoever asked gave it."""

    name: str
    begins: Begins


class Desk:
    """Around `painter`. `unheard_s`: see UNHEARD_S."""

    def __init__(self, painter: Painter, *, unheard_s: float = UNHEARD_S) -> None:
        self._painter = painter
        self._kept = Kept(painter, unheard_s=unheard_s)
        self._name = uuid.uuid4().hex

    def open(self) -> None:
        """Begin to load the painter, since there is nothing else to do."""
        self._painter.begin()

    async def close(self) -> None:
        """Give up all that is under way."""
        await self._kept.close()

    @property
    def waiting(self) -> int:
        """How many pictures are under way."""
        return len(self._kept)

    async def picture(self, said: Json) -> Asked:
        """A request for a picture. Raises Nonsense."""
        asked = to_generation(said)
        return Asked(_name(said), lambda painter, listener: painter.submit(asked, listener))

    async def inspection(self, said: Json) -> Asked:
        """One for the noise of a picture. Raises Nonsense."""
        asked = await asyncio.to_thread(to_inspection, said)
        return Asked(_name(said), lambda painter, listener: painter.inspect(asked, listener))

    async def told(self, asked: Asked) -> AsyncGenerator[tuple[str, str], None]:
        """The events of a request, names and JSON; one that is known by its name is not begun again."""
        order = self._kept.order(asked.name, asked.begins)
        self._kept.heard(order)
        try:
            async with aclosing(order.events()) as events:
                async for event in events:
                    yield await _told(event)
        finally:
            self._kept.left(asked.name, order)

    def forget(self, name: str) -> None:
        """Nobody wants it any more. Unknown: nothing."""
        self._kept.forget(name)

    async def info(self) -> Json:
        """What paints. Raises NotReady."""
        generator = self._loaded()
        info = await asyncio.to_thread(generator.info)
        places = info.batch + 1  # one waits, so that the next batch is full at once
        return of_info(PainterInfo(self._name, info, places, generator.figures()))

    async def tokens(self, said: Json) -> Json:
        """How long texts are; null where the model cannot tell. Raises Nonsense, NotReady."""
        texts = said.get("texts")
        if not isinstance(texts, list) or len(texts) > MOST_TEXTS or not all(isinstance(text, str) for text in texts):
            raise Nonsense("texts: a list of texts is asked for")
        count = self._loaded().info().count_tokens
        counts = None if count is None else await asyncio.to_thread(lambda: [count(text) for text in texts])
        return {"counts": counts}

    def _loaded(self) -> ImageGenerator:
        if self._painter.loaded is not None:
            return self._painter.loaded
        failure = self._painter.failure
        self._painter.begin()
        raise NotReady(
            of_error(failure) if isinstance(failure, ImagineSoundError) else {"sentence": "The model is being loaded."}
        )


def object_of(said: object) -> Json:
    """`said`, if it is a JSON object. Raises Nonsense."""
    if not isinstance(said, dict):
        raise Nonsense("no JSON object")
    return said


async def _told(event: GenerationEvent) -> tuple[str, str]:
    """Its name and its JSON; what takes a while is not made on the event loop."""
    kind, data = await asyncio.to_thread(of_event, event) if is_last(event) else of_event(event)
    return kind, json.dumps(data)


def _name(said: Json) -> str:
    name = said.get("id")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Nonsense("id: up to 64 letters, digits, - and _")
    return name
