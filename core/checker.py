"""Whether what was painted may be shown: the engine's side of the picture check, also of previews on their way.

What it decides by is a classifier, which is loaded when the first picture is looked at; it knows a probability and
nothing of pictures. What cannot be looked at is not shown.
"""

import asyncio
import io
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from core.errors import ModelMissing, PictureBlocked, PictureUnchecked, ShuttingDown
from core.events import Event
from core.generation.protocol import Note, Painted, Painting
from core.models import ModelStore
from core.options import PictureCheck
from core.settings import CoreSettings
from core.threads import in_daemon_thread

if TYPE_CHECKING:
    from core.generation.picture_check import Look

log = logging.getLogger(__name__)

UNFIT_FROM = 0.5
"""From this probability on: the more likely of two labels, as the model's card has it."""
LONGEST_LOOK_S = 30.0
LONGEST_LOADING_S = 300.0
COVERED = Note("covered", {})
"""On a picture that is to be covered until somebody wants to see it."""


class Checker:
    """`make` makes the classifier; it is called in a thread that nobody waits for when the process ends."""

    def __init__(self, settings: CoreSettings, models: ModelStore, make: Callable[[], "Look"]) -> None:
        self._settings = settings
        self._models = models
        self._make = make
        self._look: Look | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def in_force(self, wanted: PictureCheck | None) -> PictureCheck:
        """What is done: as `wanted`, or as the settings say; never AUTO. Looks at a few names on the disk.

        A request may want another kind of check than the settings, but none where they have none.
        """
        chosen = self._settings.picture_check
        if chosen is PictureCheck.AUTO:
            chosen = PictureCheck.BLOCK if await asyncio.to_thread(self._is_here) else PictureCheck.OFF
        return chosen if chosen is PictureCheck.OFF or wanted in (None, PictureCheck.AUTO) else wanted

    async def checked(
        self, events: AsyncGenerator[Event, None], wanted: PictureCheck | None
    ) -> AsyncGenerator[Event, None]:
        """The same events; what should not be shown is covered, or ends them, and its previews are left out.

        Raises PictureBlocked, PictureUnchecked, ModelError, and what `events` raise.
        """
        how = await self.in_force(wanted)
        async with aclosing(events):
            async for event in events:
                yield event if how is PictureCheck.OFF else await self._checked(event, how)

    async def close(self) -> None:
        """Look at nothing more."""
        self._closed = True

    async def _checked(self, event: Event, how: PictureCheck) -> Event:
        match event:
            case Painting(preview=bytes() as preview) if await self._is_unfit(_decoded(preview)):
                return replace(event, preview=None)
            case Painted(picture) if await self._is_unfit(picture.image):
                if how is PictureCheck.BLOCK:
                    raise PictureBlocked
                return replace(event, picture=replace(picture, notes=(*picture.notes, COVERED)))
        return event

    async def _is_unfit(self, image: Image.Image) -> bool:
        async with self._turn:
            if self._closed:
                raise ShuttingDown
            try:
                if self._look is None:
                    async with asyncio.timeout(LONGEST_LOADING_S):
                        self._look = await asyncio.wrap_future(in_daemon_thread(self._make, "loading"))
                look = self._look
                async with asyncio.timeout(LONGEST_LOOK_S):
                    chance = await asyncio.wrap_future(in_daemon_thread(lambda: look(image), "checking"))
            except TimeoutError as error:
                raise PictureUnchecked from error
        return chance >= UNFIT_FROM

    def _is_here(self) -> bool:
        try:
            self._models.picture_check()
        except ModelMissing:
            return False
        return True


def _decoded(preview: bytes) -> Image.Image:
    return Image.open(io.BytesIO(preview))
