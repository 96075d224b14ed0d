"""The painting thread: it loads the model, paints what is queued, and frees the model in the end.

All that an ImageGenerator does is here but the loop, which a subclass supplies. It knows nothing of how a model paints.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

from core.errors import ImagineSoundError, PaintingError
from core.generation.protocol import Failed, GenerationRequest, GeneratorInfo, Listener
from core.generation.queue import RequestQueue, Ticket

log = logging.getLogger(__name__)

LONGEST_STEP_S = 60
"""How long closing waits for the thread: a step takes seconds, compiling a batch size may take minutes."""


class LoadedModel(Protocol):
    """What the thread itself asks of a model. Every method is called from that thread only."""

    def info(self) -> GeneratorInfo:
        """What paints."""
        ...

    def close(self) -> None:
        """Free the device."""
        ...


Model = TypeVar("Model", bound=LoadedModel)


class PaintingThread(ABC, Generic[Model]):
    """An ImageGenerator in one thread; see there for its methods.

    `load` runs in that thread, since compile caches and CUDA graphs belong to a thread; creation returns once it is
    done and raises what it raised.
    """

    def __init__(self, load: Callable[[], Model], *, max_waiting: int) -> None:
        self._queue = RequestQueue(max_waiting)
        loaded: Future[GeneratorInfo] = Future()
        self._thread = threading.Thread(target=self._run, args=(load, loaded), name="painting", daemon=True)
        self._thread.start()
        self._info = loaded.result()

    @abstractmethod
    def _serve(self, model: Model) -> None:
        """Paint what is queued, in the painting thread, until the queue is closed; tell the queue when to begin."""

    def info(self) -> GeneratorInfo:
        """What paints."""
        return self._info

    def submit(self, request: GenerationRequest, listener: Listener) -> int:
        """Queue `request`; see ImageGenerator."""
        return self._queue.put(request, listener)

    def cancel(self, number: int) -> None:
        """Give up a request; see ImageGenerator."""
        self._queue.cancel(number)

    def queue_length(self) -> int:
        """How many requests wait or are being painted."""
        return len(self._queue)

    def close(self) -> None:
        """See ImageGenerator; waits for the step under way, or for the batch size that is being compiled."""
        self._queue.close()
        self._thread.join(LONGEST_STEP_S)
        if self._thread.is_alive():
            log.warning("the painting thread is still busy after %d s; it ends with the process", LONGEST_STEP_S)

    def _fail(self, ticket: Ticket, error: Exception) -> None:
        """End an active ticket without a picture; what is a fault of the program goes to the log."""
        if not isinstance(error, ImagineSoundError):
            log.error("painting request %d failed", ticket.number, exc_info=error)
            error = PaintingError("Something went wrong while painting this picture; please try again.")
        self._queue.finish(ticket, Failed(error))

    def _run(self, load: Callable[[], Model], loaded: "Future[GeneratorInfo]") -> None:
        try:
            model = load()
            info = model.info()
        except BaseException as error:
            loaded.set_exception(error)
            return
        loaded.set_result(info)
        try:
            self._serve(model)
        except Exception:
            log.critical("the painting thread has failed; restart the program", exc_info=True)
            self._queue.fail_all()
        finally:
            model.close()
