"""Step-level continuous batching: one thread owns the device, and requests join and leave the batch at every step.

Each tick: admit who waits, drop who was cancelled, take everyone one step further, decode who is finished. What fails,
fails alone. When memory runs out the batch is halved and tried again. It knows nothing of tensors: a StepModel does the
work.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from PIL.Image import Image

from core.errors import OutOfMemory
from core.generation.protocol import GenerationRequest, Painted, Painting, Picture
from core.generation.queue import Ticket
from core.generation.worker import LoadedModel, PaintingThread

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


@dataclass
class _Job(Generic[State]):
    """An active ticket and its picture under way."""

    ticket: Ticket
    state: State
    started: float


class Batcher(PaintingThread[StepModel[State]], Generic[State]):
    """An ImageGenerator that paints many requests at once on one device."""

    def __init__(self, load: Callable[[], StepModel[State]], *, max_batch: int, max_waiting: int) -> None:
        self._buckets = [size for size in BUCKETS if size <= max_batch]
        super().__init__(load, max_waiting=max_waiting)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes in use; the largest shrink away when memory runs out."""
        return tuple(self._buckets)

    def _serve(self, model: StepModel[State]) -> None:
        self._warm_up(model)
        self._queue.ready()
        jobs: list[_Job[State]] = []
        while not self._queue.closed or jobs:
            jobs = self._tick(model, jobs)

    def _warm_up(self, model: StepModel[State]) -> None:
        for size in self.batch_sizes:
            if self._queue.closed:
                return
            try:
                model.warm_up(size)
            except OutOfMemory:
                self._buckets = [smaller for smaller in self._buckets if smaller < size] or [1]
                log.warning("%d pictures at once do not fit; at most %d from now on", size, self._buckets[-1])
                return
            except Exception:
                log.warning("warming up failed; pictures are painted all the same", exc_info=True)
                return

    def _tick(self, model: StepModel[State], jobs: list[_Job[State]]) -> list[_Job[State]]:
        """One round: admit, drop, step, decode. Returns the jobs that go on."""
        jobs = [*jobs, *self._admit(model, self._buckets[-1] - len(jobs), wait=not jobs)]
        going: list[_Job[State]] = []
        for job in jobs:
            if self._queue.is_cancelled(job.ticket.number):
                self._queue.leave(job.ticket)
            else:
                going.append(job)
        stepped = [job for batch in self._batches(model, going, self._buckets[-1]) for job in self._step(model, batch)]
        finished = [job for job in stepped if model.is_finished(job.state)]
        for job in stepped:
            self._tell_progress(model, job)
        for batch in self._batches(model, finished, min(MOST_DECODED, self._buckets[-1])):
            self._decode(model, batch)
        return [job for job in stepped if not model.is_finished(job.state)]

    def _admit(self, model: StepModel[State], most: int, *, wait: bool) -> Iterator[_Job[State]]:
        for ticket in self._queue.take(most, wait=wait):
            try:
                yield _Job(ticket, model.prepare(ticket.request), time.monotonic())
            except Exception as error:
                self._fail(ticket, error)

    def _batches(self, model: StepModel[State], jobs: Sequence[_Job[State]], most: int) -> Iterator[list[_Job[State]]]:
        """`jobs` by group, in batches of at most `most`."""
        groups: dict[object, list[_Job[State]]] = {}
        for job in jobs:
            groups.setdefault(model.group_of(job.state), []).append(job)
        for group in groups.values():
            yield from portions(group, [size for size in self._buckets if size <= most])

    def _step(self, model: StepModel[State], batch: list[_Job[State]]) -> list[_Job[State]]:
        """`batch` one step further; who cannot go on has been told."""
        if len(batch) not in self._buckets:  # the sizes have shrunk since the batches were made, or one was halved
            return [job for part in portions(batch, self._buckets) for job in self._step(model, part)]
        try:
            states = model.step([job.state for job in batch])
        except Exception as error:
            if isinstance(error, OutOfMemory) and len(batch) > 1:
                self._buckets = [smaller for smaller in self._buckets if smaller < len(batch)] or [1]
                log.warning("%d pictures at once do not fit; at most %d from now on", len(batch), self._buckets[-1])
            halves = self._halve(batch, error)
            return [job for half in halves for job in self._step(model, half)]
        return [_Job(job.ticket, state, job.started) for job, state in zip(batch, states, strict=True)]

    def _decode(self, model: StepModel[State], batch: list[_Job[State]]) -> None:
        wanted = [job for job in batch if not self._queue.is_cancelled(job.ticket.number)]
        for job in batch:
            if job not in wanted:
                self._queue.leave(job.ticket)
        if not wanted:
            return
        try:
            images = model.decode([job.state for job in wanted])
        except Exception as error:
            for half in self._halve(wanted, error):
                self._decode(model, half)
            return
        for job, image in zip(wanted, images, strict=True):
            try:
                picture = model.picture(job.state, image, time.monotonic() - job.started)
            except Exception as error:
                self._fail(job.ticket, error)
            else:
                self._queue.finish(job.ticket, Painted(picture))

    def _tell_progress(self, model: StepModel[State], job: _Job[State]) -> None:
        """A preview is a nicety: without it the picture comes all the same."""
        try:
            job.ticket.tell(model.progress(job.state))
        except Exception:
            log.warning("no preview of request %d", job.ticket.number, exc_info=True)

    def _halve(self, batch: list[_Job[State]], error: Exception) -> list[list[_Job[State]]]:
        """After a failure: two halves to try again, or none if the only one left has been told of it.

        So memory is asked for less, and any other error is hunted down to the one that has it.
        """
        if len(batch) == 1:
            self._fail(batch[0].ticket, error)
            return []
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]


def portions(jobs: list[Item], sizes: Sequence[int]) -> Iterator[list[Item]]:
    """`jobs` in order, cut into lengths that are all among `sizes` (ascending, beginning with 1), the longest first."""
    while jobs:
        size = max(size for size in sizes if size <= len(jobs))
        yield jobs[:size]
        jobs = jobs[size:]
