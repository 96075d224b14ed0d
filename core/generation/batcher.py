"""Step-level continuous batching: one thread owns the device, and requests join and leave the batch at every step.

Each tick: admit who waits, drop who was cancelled, take everyone one step further, decode who is finished. What fails,
fails alone. When memory runs out the batch is halved and tried again. It knows nothing of tensors: a StepModel does the
work. What it begins it says to the watch.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from PIL.Image import Image

from core.errors import OutOfMemory
from core.generation.protocol import GenerationRequest, Painted, Painting, Picture
from core.generation.queue import Ticket
from core.generation.watch import USUAL_PATIENCE, Patience, Phase
from core.generation.worker import PROBE, LoadedModel, PaintingThread

log = logging.getLogger(__name__)

BUCKETS = (1, 2, 4, 8, 16, 32)
"""Batch sizes that the model is run at, each compiled once. Seven pictures are stepped as four, two and one: padding
them to eight would cost as much as an eighth."""

MOST_DECODED = 4
"""Decoding needs more memory a picture than a step does."""

State = TypeVar("State")
Item = TypeVar("Item")


class StepModel(LoadedModel, Protocol[State]):
    """A model that paints step by step. Every method is called from the painting thread only.

    State holds one picture under way; `group_of` says which may share a batch (same size, same adapter).
    """

    def warm_up(self, batch_size: int) -> None:
        """Run once at this batch size, so that nobody waits for compiling later."""
        ...

    def prepare(self, request: GenerationRequest) -> State:
        """Check the request and encode its prompt. Raises PaintingError."""
        ...

    def group_of(self, state: State) -> object:
        """What must be equal for two pictures to share a batch."""
        ...

    def step(self, states: Sequence[State]) -> list[State]:
        """Everyone one step further. Raises OutOfMemory."""
        ...

    def progress(self, state: State) -> Painting:
        """How far it is, with a preview if one is due."""
        ...

    def is_finished(self, state: State) -> bool:
        """Whether it can be decoded."""
        ...

    def decode(self, states: Sequence[State]) -> list[Image]:
        """The finished pictures. Raises OutOfMemory."""
        ...

    def picture(self, state: State, image: Image, seconds: float) -> Picture:
        """The picture with its recipe."""
        ...


@dataclass(frozen=True, eq=False)
class ActiveRequest(Generic[State]):
    """A request that is being painted, with its picture under way."""

    ticket: Ticket[GenerationRequest]
    state: State
    started: float


class Batcher(PaintingThread[StepModel[State]], Generic[State]):
    """An ImageGenerator that paints many requests at once on one device."""

    def __init__(
        self,
        load: Callable[[], StepModel[State]],
        *,
        max_batch: int,
        max_waiting: int,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        self._buckets = [size for size in BUCKETS if size <= max_batch]
        super().__init__(load, max_waiting=max_waiting, patience=patience)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes in use; the largest shrink away when memory runs out."""
        return tuple(self._buckets)

    def _serve(self, model: StepModel[State]) -> None:
        self._warm_up(model)
        self._queue.ready()
        requests: list[ActiveRequest[State]] = []
        while not self._queue.closed or requests:
            requests = self._tick(model, requests)

    def _probe(self, model: StepModel[State]) -> None:
        self._watch.begin(Phase.BETWEEN_STEPS)
        state = model.prepare(PROBE)
        model.step([state])

    def _warm_up(self, model: StepModel[State]) -> None:
        for size in self.batch_sizes:
            if self._queue.closed:
                return
            self._watch.begin(Phase.WARMING_UP)
            try:
                model.warm_up(size)
            except OutOfMemory:
                self._buckets = [smaller for smaller in self._buckets if smaller < size] or [1]
                log.warning("%d pictures at once do not fit; at most %d from now on", size, self._buckets[-1])
                return
            except Exception:
                log.warning("warming up failed; pictures are painted all the same", exc_info=True)
                self._check_device(model)
                return

    def _tick(self, model: StepModel[State], requests: list[ActiveRequest[State]]) -> list[ActiveRequest[State]]:
        """One round: admit, drop, step, decode. Returns those that go on."""
        requests = [*requests, *self._admit(model, self._buckets[-1] - len(requests), wait=not requests)]
        going: list[ActiveRequest[State]] = []
        for request in requests:
            if self._queue.is_cancelled(request.ticket.number):
                self._queue.finish_cancelled(request.ticket)
            else:
                going.append(request)
        stepped = [
            request for batch in self._batches(model, going, self._buckets[-1]) for request in self._step(model, batch)
        ]
        finished = [request for request in stepped if model.is_finished(request.state)]
        for request in stepped:
            self._tell_progress(model, request)
        for batch in self._batches(model, finished, min(MOST_DECODED, self._buckets[-1])):
            self._decode(model, batch)
        return [request for request in stepped if not model.is_finished(request.state)]

    def _admit(self, model: StepModel[State], most: int, *, wait: bool) -> Iterator[ActiveRequest[State]]:
        if wait:
            self._watch.begin(Phase.WAITING)
        for ticket in self._queue.take(most, wait=wait):
            self._watch.begin(Phase.BETWEEN_STEPS)
            try:
                request = ActiveRequest(ticket, model.prepare(ticket.request), time.monotonic())
            except Exception as error:
                self._fail(model, ticket, error)
            else:
                self._tell_progress(model, request)
                yield request

    def _batches(
        self, model: StepModel[State], requests: Sequence[ActiveRequest[State]], most: int
    ) -> Iterator[list[ActiveRequest[State]]]:
        """`requests` by group, in batches of at most `most`."""
        groups: dict[object, list[ActiveRequest[State]]] = {}
        for request in requests:
            groups.setdefault(model.group_of(request.state), []).append(request)
        for group in groups.values():
            yield from portions(group, [size for size in self._buckets if size <= most])

    def _step(self, model: StepModel[State], batch: list[ActiveRequest[State]]) -> list[ActiveRequest[State]]:
        """`batch` one step further; who cannot go on has been told."""
        if len(batch) not in self._buckets:  # the sizes have shrunk since the batches were made, or one was halved
            return [request for part in portions(batch, self._buckets) for request in self._step(model, part)]
        self._watch.begin(Phase.STEPPING)
        try:
            states = model.step([request.state for request in batch])
        except Exception as error:
            if isinstance(error, OutOfMemory) and len(batch) > 1:
                self._buckets = [smaller for smaller in self._buckets if smaller < len(batch)] or [1]
                log.warning("%d pictures at once do not fit; at most %d from now on", len(batch), self._buckets[-1])
            halves = self._halve(model, batch, error)
            return [request for half in halves for request in self._step(model, half)]
        return [replace(request, state=state) for request, state in zip(batch, states, strict=True)]

    def _decode(self, model: StepModel[State], batch: list[ActiveRequest[State]]) -> None:
        wanted = [request for request in batch if not self._queue.is_cancelled(request.ticket.number)]
        for request in batch:
            if request not in wanted:
                self._queue.finish_cancelled(request.ticket)
        if not wanted:
            return
        self._watch.begin(Phase.BETWEEN_STEPS)
        try:
            images = model.decode([request.state for request in wanted])
        except Exception as error:
            for half in self._halve(model, wanted, error):
                self._decode(model, half)
            return
        for request, image in zip(wanted, images, strict=True):
            try:
                picture = model.picture(request.state, image, time.monotonic() - request.started)
            except Exception as error:
                self._fail(model, request.ticket, error)
            else:
                self._queue.finish(request.ticket, Painted(picture))

    def _tell_progress(self, model: StepModel[State], request: ActiveRequest[State]) -> None:
        """A preview is a nicety: without it the picture comes all the same."""
        self._watch.begin(Phase.BETWEEN_STEPS)
        try:
            self._queue.progress(request.ticket, model.progress(request.state))
        except Exception:
            log.warning("no preview of request %d", request.ticket.number, exc_info=True)

    def _halve(
        self, model: StepModel[State], batch: list[ActiveRequest[State]], error: Exception
    ) -> list[list[ActiveRequest[State]]]:
        """After a failure: two halves to try again, or none if the only one left has been told of it.

        So memory is asked for less, and any other error is hunted down to the one that has it.
        """
        if len(batch) == 1:
            self._fail(model, batch[0].ticket, error)
            return []
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]


def portions(items: list[Item], sizes: Sequence[int]) -> Iterator[list[Item]]:
    """`items` in order, cut into lengths that are all among `sizes` (ascending, from 1 on), the longest first."""
    while items:
        size = max(size for size in sizes if size <= len(items))
        yield items[:size]
        items = items[size:]
