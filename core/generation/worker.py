"""The painting thread: it loads the model, paints what is queued, and frees the model in the end.

All that an ImageGenerator does is here but the loop, which a subclass supplies. It knows nothing of how a model paints.

A painter is lost when a phase lasts too long (`watch.py`), when its device fails at the smallest of pictures, or when
the thread dies. Nothing in this process mends that: whoever waits is told PainterLost, as is whoever comes later.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from core.errors import ImagineSoundError, OutOfMemory, PainterLost, PaintingError
from core.generation.memory_errors import is_device_lost, is_out_of_memory
from core.generation.protocol import (
    Failed,
    Figures,
    GenerationRequest,
    GeneratorInfo,
    GpuMemory,
    InspectionRequest,
    Listener,
)
from core.generation.queue import RequestQueue, Ticket
from core.generation.watch import USUAL_PATIENCE, Patience, Phase, Watch
from core.prompting.prompt import Prompt

log = logging.getLogger(__name__)

LONGEST_CLOSING_S = 2.0
"""How long closing waits for the thread. A step usually takes less; one that takes longer ends with the process."""

PROBE = GenerationRequest(Prompt("a bell", ""), seed=0)
"""What is begun, and not finished, to see whether the device still works."""


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
    done and raises what it raised, or PainterLost where it takes longer than `patience` allows. `memory`, the GPU's
    where there is one, is looked at in that thread, too: elsewhere a device that hangs would hold up who asks for it.
    """

    def __init__(
        self,
        load: Callable[[], Model],
        *,
        max_waiting: int,
        patience: Patience = USUAL_PATIENCE,
        memory: Callable[[], GpuMemory | None] = lambda: None,
    ) -> None:
        self._memory = memory
        self._steps: Counter[int] = Counter()
        self._figures = Figures()
        self._queue = RequestQueue[Any](max_waiting)
        self._losing = threading.Lock()
        self._is_lost = False
        self._when_lost: list[Callable[[], None]] = []
        self._loaded: Future[GeneratorInfo] = Future()
        self._watch = Watch(self._lose, patience)
        self._thread = threading.Thread(target=self._run, args=(load,), name="painting", daemon=True)
        self._thread.start()
        self._info = self._loaded.result()

    @abstractmethod
    def _serve(self, model: Model) -> None:
        """Paint what is queued, in the painting thread, until the queue is closed; tell the queue when to begin."""

    @abstractmethod
    def _probe(self, model: Model) -> None:
        """Take PROBE one step far. Raises whatever the model raises."""

    def info(self) -> GeneratorInfo:
        """What paints."""
        return self._info

    def submit(self, request: GenerationRequest, listener: Listener) -> int:
        """Queue `request`; see ImageGenerator."""
        return self._queue.put(request, listener)

    def inspect(self, request: InspectionRequest, listener: Listener) -> int:
        """Queue `request`; see ImageGenerator."""
        return self._queue.put(request, listener)

    def cancel(self, number: int) -> None:
        """Give up a request; see ImageGenerator."""
        self._queue.cancel(number)

    def queue_length(self) -> int:
        """How many requests wait or are being painted."""
        return len(self._queue)

    def figures(self) -> Figures:
        """What it has counted so far; see ImageGenerator."""
        return self._figures

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the painter is lost; see ImageGenerator."""
        with self._losing:
            if not self._is_lost:
                self._when_lost.append(callback)
                return
        callback()

    def close(self) -> None:
        """See ImageGenerator. A thread that hangs is left to end with the process."""
        self._watch.stop()
        self._queue.close()
        self._thread.join(0 if self._is_lost else LONGEST_CLOSING_S)
        if self._thread.is_alive() and not self._is_lost:
            log.warning("the painting thread is still busy after %g s; it ends with the process", LONGEST_CLOSING_S)
        self._queue.give_up()

    def _count_step(self, pictures: int) -> None:
        """So many pictures are one step further."""
        self._steps[pictures] += 1
        self._figures = Figures(dict(self._steps), self._memory())

    def _fail(self, model: Model, ticket: Ticket[Any], error: Exception) -> None:
        """End an active ticket without a picture; what is a fault of the program goes to the log.

        Some errors of a device make every later call on it fail, too, until the process ends. Those that are known are
        raised here. After each other that is no refusal, it is tried whether the device still works; if not, what the
        trial raises is raised.
        """
        if is_device_lost(error):
            raise error
        if is_out_of_memory(error):
            error = OutOfMemory()
        if not isinstance(error, ImagineSoundError):
            log.error("painting request %d failed", ticket.number, exc_info=error)
            self._check_device(model)
            error = PaintingError("Something went wrong while painting this picture; please try again.")
        self._queue.finish(ticket, Failed(error))

    def _check_device(self, model: Model) -> None:
        """Raises what the device raises, if it works no more; one that is merely full works."""
        try:
            self._probe(model)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.warning("no memory to try whether the device still works; it is taken to work")

    def _run(self, load: Callable[[], Model]) -> None:
        try:
            model = load()
            info = model.info()
        except BaseException as error:
            self._watch.stop()
            with suppress(InvalidStateError):  # it was given up meanwhile
                self._loaded.set_exception(error)
            return
        self._watch.begin(Phase.WAITING)
        with suppress(InvalidStateError):
            self._loaded.set_result(info)
        try:
            self._serve(model)
        except Exception as error:
            log.critical("the painting thread has failed", exc_info=True)
            self._lose(f"it has failed ({type(error).__name__})")
        finally:
            self._watch.stop()
            if not self._is_lost:  # a lost device cannot be freed: it fails or hangs at that, too
                model.close()

    def _lose(self, why: str) -> None:
        """Everyone who waits is told, once. Called by the watch's thread or the painting thread."""
        with self._losing:
            if self._is_lost:
                return
            self._is_lost = True
            callbacks, self._when_lost = self._when_lost, []
        log.critical("the painter is lost: %s", why)
        self._queue.lose()
        with suppress(InvalidStateError):
            self._loaded.set_exception(PainterLost())
        for callback in callbacks:
            callback()
