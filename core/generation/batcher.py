"""Step-level continuous batching: one thread owns the device, and requests join and leave the batch at every step.

Each tick: admit who waits, drop who was cancelled, take everyone one step further, decode who is finished. Between two
ticks, while nobody waits for it, one part of the model is compiled. What fails, fails alone. What fails for want of
memory is tried with fewer, then decoded in tiles, then with nothing else on the device, then a few times later; only
then is anybody told. It knows nothing of tensors: a StepModel does the work. What it begins it says to the watch.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

from PIL.Image import Image

from core.errors import OutOfMemory
from core.generation.breaks import CALM_S, Breaks
from core.generation.memory_errors import is_device_lost, is_out_of_memory
from core.generation.protocol import GenerationRequest, GpuMemory, InspectionRequest, Painted
from core.generation.queue import Ticket
from core.generation.shortage import NO_REST, USUAL_CLOCK, Allowance, Clock, Rest
from core.generation.step_model import State, StepModel
from core.generation.watch import USUAL_PATIENCE, Patience, Phase
from core.generation.worker import PROBE, PaintingThread

log = logging.getLogger(__name__)

BUCKETS = (1, 2, 4, 8, 16, 32)
"""Batch sizes that the model is run at, so that few have to be compiled. Seven pictures are stepped as four, two and
one: padding them to eight would cost as much as an eighth."""

LONGEST_SLEEP_S = 0.25
"""While everyone rests, cancels and newcomers are looked for so often."""
LONGEST_ENCODING_S = 60.0
"""A prompt that is encoded in another thread is waited for after so long, which the watch then limits."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Work(StrEnum):
    """What memory may be short for, at each size of picture apart."""

    STEP = "stepped"
    DECODING = "decoded"
    COMPILING = "compiled"


@dataclass(frozen=True, eq=False)
class EnteringRequest:
    """A request whose prompt is to be encoded; `encoding` is what other threads do of that."""

    ticket: Ticket[GenerationRequest]
    since: float
    encoding: Sequence[Future[Any]] = ()
    rest: Rest = NO_REST

    def is_due(self, now: float) -> bool:
        """Whether it neither rests nor is encoded elsewhere while others are painted."""
        is_encoded = all(future.done() for future in self.encoding) or now > self.since + LONGEST_ENCODING_S
        return is_encoded and self.rest.until <= now


@dataclass(frozen=True, eq=False)
class ActiveRequest(Generic[State]):
    """A request that is being painted, with its picture under way."""

    ticket: Ticket[GenerationRequest]
    state: State
    started: float
    rest: Rest = NO_REST

    def is_due(self, now: float) -> bool:
        """Whether it does not rest."""
        return self.rest.until <= now


Asking = TypeVar("Asking", EnteringRequest, ActiveRequest[Any])


class Batcher(PaintingThread[StepModel[State]], Generic[State]):
    """An ImageGenerator that paints many requests at once on one device."""

    def __init__(
        self,
        load: Callable[[], StepModel[State]],
        *,
        max_batch: int,
        max_waiting: int,
        patience: Patience = USUAL_PATIENCE,
        clock: Clock = USUAL_CLOCK,
        calm_s: float = CALM_S,
        memory: Callable[[], GpuMemory | None] = lambda: None,
    ) -> None:
        self._largest = max(size for size in BUCKETS if size <= max_batch)
        self._clock = clock
        self._breaks = Breaks(calm_s)
        self._allowance = Allowance(clock.now)
        self._entering: list[EnteringRequest] = []
        self._active: list[ActiveRequest[State]] = []
        super().__init__(load, max_waiting=max_waiting, patience=patience, memory=memory)

    def _serve(self, model: StepModel[State]) -> None:
        self._queue.ready()
        while not self._queue.closed or self._entering or self._active:
            self._tick(model)
            self._compile(model)

    def _probe(self, model: StepModel[State]) -> None:
        self._watch.begin(Phase.BETWEEN_STEPS)
        state = model.prepare(PROBE)
        model.step([state])

    def _compile(self, model: StepModel[State]) -> None:
        """Compile one part, if there is a break for it and memory."""
        began = self._clock.now()
        requests: list[EnteringRequest | ActiveRequest[State]] = [*self._entering, *self._active]
        if self._queue.closed or not self._breaks.is_one(began, is_busy=bool(requests)):
            return
        kind = (Work.COMPILING, model.info().size)
        if any(request.rest is not NO_REST for request in requests) or not self._allowance.most(kind, 1):
            self._breaks.put_off()
            return
        self._watch.begin(Phase.COMPILING)
        compiled = self._attempt(model.compile_next)
        if isinstance(compiled, OutOfMemory):
            self._allowance.failed(kind, 1)
            log.warning("no memory to compile; it is tried again later")
        elif isinstance(compiled, Exception):
            log.warning("compiling failed; pictures are painted all the same", exc_info=compiled)
            self._breaks.end()
            self._check_device(model)
        else:
            self._allowance.worked(kind, 1)
            self._breaks.took(began, self._clock.now(), had_work=compiled)

    def _tick(self, model: StepModel[State]) -> None:
        """One round: admit, drop, encode, step, decode."""
        self._admit(model)
        self._entering, self._active = self._going(self._entering), self._going(self._active)
        now = self._clock.now()
        requests: list[EnteringRequest | ActiveRequest[State]] = [*self._entering, *self._active]
        if not any(request.is_due(now) for request in requests):
            self._wait(requests, now)
            return
        going = [r.state for r in self._active if r.is_due(now) and not model.is_finished(r.state)]
        if model.takes_newcomers(going):
            self._enter(model, now)
        resting = [request for request in self._active if not request.is_due(now)]
        due = [request for request in self._active if request.is_due(now)]
        unpainted = [request for request in due if not model.is_finished(request.state)]
        painted = [request for request in due if model.is_finished(request.state)]
        stepped = [request for group in _groups(model, unpainted) for request in self._step(model, group)]
        unpainted = [request for request in stepped if not model.is_finished(request.state)]
        painted += [request for request in stepped if model.is_finished(request.state)]
        for request in stepped:
            if request.rest is NO_REST:
                self._tell_progress(model, request)
        undecoded = [request for group in _groups(model, painted) for request in self._decode(model, group)]
        self._active = [*resting, *unpainted, *undecoded]

    def _admit(self, model: StepModel[State]) -> None:
        under_way = len(self._entering) + len(self._active)
        if not under_way:
            self._watch.begin(Phase.WAITING)
        most_s = self._breaks.next_in_s
        tickets = self._queue.take(self._largest - under_way, wait=not under_way, at_most_s=most_s)
        if not under_way:
            self._breaks.waited(self._clock.now(), came=bool(tickets))
        for ticket in tickets:
            self._watch.begin(Phase.BETWEEN_STEPS)
            if isinstance(ticket.request, InspectionRequest):
                self._inspect(model, ticket, ticket.request)
                continue
            begun = self._attempt(lambda: model.begin_encoding(ticket.request))  # noqa: B023 - called at once
            encoding = () if isinstance(begun, Exception) else begun  # preparing raises the same
            self._entering.append(EnteringRequest(ticket, self._clock.now(), encoding))

    def _wait(self, requests: Sequence[EnteringRequest | ActiveRequest[State]], now: float) -> None:
        """A moment, if there are any: for memory, or for a prompt that is encoded elsewhere."""
        futures = [future for request in self._entering for future in request.encoding if not future.done()]
        rests = [request.rest.until - now for request in requests]
        if futures:
            self._watch.begin(Phase.WAITING)
            wait(futures, LONGEST_SLEEP_S, FIRST_COMPLETED)
        elif rests:
            self._watch.begin(Phase.WAITING)
            self._clock.sleep(min(LONGEST_SLEEP_S, *rests))

    def _going(self, requests: Iterable[Asking]) -> list[Asking]:
        """Those of `requests` that are still wanted; the others have been ended."""
        going = []
        for request in requests:
            if self._queue.is_cancelled(request.ticket.number):
                self._queue.finish_cancelled(request.ticket)
            else:
                going.append(request)
        return going

    def _enter(self, model: StepModel[State], now: float) -> None:
        """Encode the prompts that are due."""
        entering, self._entering = self._entering, []
        for request in entering:
            if not request.is_due(now):
                self._entering.append(request)
                continue
            self._watch.begin(Phase.BETWEEN_STEPS)
            prepared = self._prepare(model, request.ticket.request)
            if isinstance(prepared, OutOfMemory):
                self._entering += self._put_to_rest(model, request)
            elif isinstance(prepared, Exception):
                self._fail(model, request.ticket, prepared)
            else:
                active = ActiveRequest(request.ticket, prepared, self._clock.now())
                self._tell_progress(model, active)
                self._active.append(active)

    def _inspect(self, model: StepModel[State], ticket: Ticket[Any], request: InspectionRequest) -> None:
        found = self._attempt(lambda: model.inspect(request))
        if isinstance(found, OutOfMemory) and model.park():
            found = self._attempt(lambda: model.inspect(request))
        if isinstance(found, Exception):
            self._fail(model, ticket, found)
        else:
            self._queue.finish(ticket, found)

    def _prepare(self, model: StepModel[State], request: GenerationRequest) -> State | Exception:
        prepared = self._attempt(lambda: model.prepare(request))
        if isinstance(prepared, OutOfMemory) and model.park():
            return self._attempt(lambda: model.prepare(request))
        return prepared

    def _step(self, model: StepModel[State], batch: list[ActiveRequest[State]]) -> list[ActiveRequest[State]]:
        """`batch`, all of one group, one step further; who cannot go on has been told, who rests is where it was."""
        size = model.size_of(batch[0].state)
        parts = list(portions(batch, self._sizes(self._allowance.most((Work.STEP, size), model.step_limit(size)))))
        if len(parts) > 1:
            return [request for part in parts for request in self._step(model, part)]
        self._watch.begin(Phase.STEPPING)
        states = self._attempt(lambda: model.step([request.state for request in batch]))
        if isinstance(states, OutOfMemory):
            self._shrink(Work.STEP, size, len(batch))
            if len(batch) > 1 or model.park():
                return self._step(model, batch)
            return self._put_to_rest(model, batch[0])
        if isinstance(states, Exception):
            return [request for half in self._halve(model, batch, states) for request in self._step(model, half)]
        self._allowance.worked((Work.STEP, size), len(batch))
        self._breaks.stepped()
        self._count_step(len(batch))
        return [replace(request, state=state, rest=NO_REST) for request, state in zip(batch, states, strict=True)]

    def _decode(self, model: StepModel[State], batch: list[ActiveRequest[State]]) -> list[ActiveRequest[State]]:
        """Finish `batch`, all of one group; returns who rests."""
        batch = self._going(batch)
        if not batch:
            return []
        size = model.size_of(batch[0].state)
        most = self._allowance.most((Work.DECODING, size), model.decode_limit(size))
        parts = list(portions(batch, self._sizes(most)))
        if len(parts) > 1:
            return [request for part in parts for request in self._decode(model, part)]
        self._watch.begin(Phase.BETWEEN_STEPS)
        tiled = most == 0
        images = self._attempt(lambda: model.decode([request.state for request in batch], tiled=tiled))
        if isinstance(images, OutOfMemory):
            self._shrink(Work.DECODING, size, len(batch))
            if not tiled or model.park():
                return self._decode(model, batch)
            return self._put_to_rest(model, batch[0])
        if isinstance(images, Exception):
            return [request for half in self._halve(model, batch, images) for request in self._decode(model, half)]
        self._allowance.worked((Work.DECODING, size), 0 if tiled else len(batch))
        for request, image in zip(batch, images, strict=True):
            self._finish(model, request, image)
        return []

    def _finish(self, model: StepModel[State], request: ActiveRequest[State], image: Image) -> None:
        try:
            picture = model.picture(request.state, image, self._clock.now() - request.started)
        except Exception as error:
            self._fail(model, request.ticket, error)
        else:
            self._queue.finish(request.ticket, Painted(picture))

    def _tell_progress(self, model: StepModel[State], request: ActiveRequest[State]) -> None:
        """A preview is a nicety: without it the picture comes all the same."""
        self._watch.begin(Phase.BETWEEN_STEPS)
        progress = self._attempt(lambda: model.progress(request.state))
        if isinstance(progress, Exception):
            log.warning("no preview of request %d", request.ticket.number, exc_info=progress)
        else:
            self._queue.progress(request.ticket, progress)

    def _attempt(self, work: Callable[[], Result]) -> Result | Exception:
        """What `work` returns, or what it raises; a shortage of memory as a new OutOfMemory, since the traceback of the
        old one holds what fills the memory. Raises what says that the device is lost."""
        try:
            return work()
        except Exception as error:
            if is_device_lost(error):
                raise
            if not is_out_of_memory(error):
                return error
        return OutOfMemory()

    def _shrink(self, work: Work, size: tuple[int, int], batch: int) -> None:
        self._allowance.failed((work, size), batch)
        log.warning("no memory for %d pictures of %dx%d to be %s at once", batch, *size, work)

    def _sizes(self, most: int) -> list[int]:
        return [size for size in BUCKETS if size <= max(1, min(most, self._largest))]

    def _put_to_rest(self, model: StepModel[State], request: Asking) -> list[Asking]:
        """`request` as it is while it waits for memory; none if it waited enough and has been told."""
        rest = request.rest.next(self._clock.now())
        if rest is None:
            self._fail(model, request.ticket, OutOfMemory())
            return []
        return [replace(request, rest=rest)]

    def _halve(
        self, model: StepModel[State], batch: list[ActiveRequest[State]], error: Exception
    ) -> list[list[ActiveRequest[State]]]:
        """After a failure: two halves to try again, or none if the only one left has been told of it.

        So an error is hunted down to the one that has it.
        """
        if len(batch) == 1:
            self._fail(model, batch[0].ticket, error)
            return []
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]


def _groups(model: StepModel[State], requests: Iterable[ActiveRequest[State]]) -> list[list[ActiveRequest[State]]]:
    """`requests` by what must be equal within a batch."""
    groups: dict[object, list[ActiveRequest[State]]] = {}
    for request in requests:
        groups.setdefault(model.group_of(request.state), []).append(request)
    return list(groups.values())


def portions(items: list[Item], sizes: Sequence[int]) -> Iterator[list[Item]]:
    """`items` in order, cut into lengths that are all among `sizes` (ascending, from 1 on), the longest first."""
    while items:
        size = max(size for size in sizes if size <= len(items))
        yield items[:size]
        items = items[size:]
