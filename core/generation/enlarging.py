"""The enlarging thread: it enlarges what is queued, one picture after the other, fair between users.

It has a queue of its own, so that nobody who waits for a picture waits for somebody's larger one, and a thread of its
own: what fails or hangs here leaves the painter alone. The network is loaded when the first picture is to be enlarged.
Knows nothing of tiles or files.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from PIL.Image import Image

from core.errors import Cancelled, ImagineSoundError, InvalidOptions, PaintingError, UpscalingStalled
from core.generation.protocol import Failed, Listener, Painted, Painting, Picture, UpscalingRequest
from core.generation.queue import RequestQueue, Ticket
from core.generation.watch import USUAL_PATIENCE, Patience, Phase, Watch
from core.located import LocatedModel

log = logging.getLogger(__name__)

LONGEST_CLOSING_S = 2.0
"""How long closing waits for the thread, as for the painting thread. A tile takes less on a GPU."""
FAILED = "Something went wrong while enlarging this picture; please try again."
MOST_TIMES = 4
"""How many times larger than painted a picture can become, however often it is enlarged."""


class LoadedUpscaler(Protocol):
    """What enlarges; see Upscaler. Every method is called from the enlarging thread only."""

    def enlarge(
        self, image: Image, times: int, *, on_tile: Callable[[int, int], None], is_cancelled: Callable[[], bool]
    ) -> Image:
        """The larger picture. Raises PaintingError."""
        ...

    def close(self) -> None:
        """Free the device."""
        ...


class EnlargingThread:
    """Enlarges for any number of askers. All methods may be called from any thread.

    `locate` finds what enlarges the pictures of a painter by the painter's name, and raises ModelMissing; `load` loads
    that, and raises ModelUnusable. Both are called in the enlarging thread.
    """

    def __init__(
        self,
        locate: Callable[[str], LocatedModel],
        load: Callable[[LocatedModel], LoadedUpscaler],
        *,
        max_waiting: int,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        self._locate = locate
        self._load = load
        self._queue = RequestQueue[UpscalingRequest](max_waiting)
        self._loaded: tuple[LocatedModel, LoadedUpscaler] | None = None
        self._lost = threading.Event()
        self._watch = Watch(self._lose, patience)
        self._thread = threading.Thread(target=self._run, name="enlarging", daemon=True)
        self._thread.start()

    @property
    def is_lost(self) -> bool:
        """Whether its thread hangs; whoever comes later needs a new one."""
        return self._lost.is_set()

    def submit(self, request: UpscalingRequest, listener: Listener) -> int:
        """Queue `request` and return its number; its events are those of a picture that is painted.

        Raises InvalidOptions, PaintingError when too many wait, ShuttingDown after `close`, UpscalingStalled.
        """
        check_enlarged(request)
        return self._queue.put(request, listener)

    def cancel(self, number: int) -> None:
        """Give up a request: it leaves before the next tile."""
        self._queue.cancel(number)

    def close(self) -> None:
        """Fail what waits with ShuttingDown, and free the network. A thread that hangs ends with the process."""
        self._watch.stop()
        self._queue.close()
        self._thread.join(0 if self.is_lost else LONGEST_CLOSING_S)
        self._queue.give_up()

    def _run(self) -> None:
        self._queue.ready()
        try:
            while not self._queue.closed:
                self._watch.begin(Phase.WAITING)
                for ticket in self._queue.take(1, wait=True):
                    self._enlarge(ticket)
        except Exception as error:
            log.critical("the enlarging thread has failed", exc_info=True)
            self._lose(f"it has failed ({type(error).__name__})")
        finally:
            self._watch.stop()
            if self._loaded is not None and not self.is_lost:
                self._loaded[1].close()

    def _enlarge(self, ticket: Ticket[UpscalingRequest]) -> None:
        def on_tile(done: int, of: int) -> None:
            self._queue.progress(ticket, Painting(done, of))
            self._watch.begin(Phase.STEPPING)

        request, number = ticket.request, ticket.number
        try:
            self._watch.begin(Phase.LOADING)
            located, upscaler = self._upscaler(request)
            self._watch.begin(Phase.BETWEEN_STEPS)
            began = time.monotonic()
            image = upscaler.enlarge(
                request.image, request.times, on_tile=on_tile, is_cancelled=lambda: self._queue.is_cancelled(number)
            )
        except Cancelled:
            self._queue.finish_cancelled(ticket)
        except ImagineSoundError as error:
            self._queue.finish(ticket, Failed(error))
        except Exception:
            log.exception("enlarging request %d failed", number)
            self._queue.finish(ticket, Failed(PaintingError(FAILED)))
        else:
            recipe = replace(request.recipe, enlarged=request.recipe.enlarged * request.times)
            picture = Picture(image, recipe, time.monotonic() - began, located.is_miniature)
            self._queue.finish(ticket, Painted(picture))

    def _upscaler(self, request: UpscalingRequest) -> tuple[LocatedModel, LoadedUpscaler]:
        """What enlarges this picture, loaded now if it is not yet."""
        located = self._locate(request.recipe.model)
        if self._loaded is None or self._loaded[0] != located:
            if self._loaded is not None:
                self._loaded[1].close()
                self._loaded = None
            self._loaded = located, self._load(located)
            log.info("enlarging with %s: %s", located.name, located.why)
        return self._loaded

    def _lose(self, why: str) -> None:
        """Everyone who waits is told, once. Called by the watch's thread or the enlarging thread."""
        self._lost.set()
        log.critical("the enlarging thread is lost: %s", why)
        self._queue.lose(UpscalingStalled)


def check_enlarged(request: UpscalingRequest) -> None:
    """Raises InvalidOptions if the picture would become larger than is known to be of use."""
    if request.recipe.enlarged * request.times > MOST_TIMES:
        raise InvalidOptions(f"This picture is {request.recipe.enlarged} times as large as painted already.")
