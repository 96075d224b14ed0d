"""The requests that wait for painting or enlarging: fair between users, then first come, first served.

Thread-safe. Knows nothing of models; `batcher.py`, `stock.py` and `enlarging.py` take each from their own.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

from core.errors import Cancelled, ImagineSoundError, PainterLost, PaintingError, ShuttingDown
from core.generation.protocol import Failed, GenerationEvent, Listener, Loading, Queued

log = logging.getLogger(__name__)

SHUT_DOWN_WHILE_PAINTED = "I was shut down while this picture was being painted; please ask again."


class Asked(Protocol):
    """What the queue knows of a request."""

    @property
    def user(self) -> str:
        """Whom it is fair to."""
        ...


Request = TypeVar("Request", bound=Asked)


@dataclass(frozen=True)
class Ticket(Generic[Request]):
    """A request with its number (higher is later) and whoever waits for it."""

    number: int
    request: Request
    listener: Listener

    def tell(self, event: GenerationEvent) -> None:
        """Pass `event` on; a listener that fails (its event loop has gone, say) harms nobody else."""
        try:
            self.listener(event)
        except Exception:
            log.exception("the listener of request %d failed", self.number)


class RequestQueue(Generic[Request]):
    """Waiting and active tickets. Every ticket ends exactly once: finished, failed or cancelled."""

    def __init__(self, max_waiting: int) -> None:
        self._changed = threading.Condition()
        self._max_waiting = max_waiting
        self._waiting: list[Ticket[Request]] = []
        self._active: dict[int, Ticket[Request]] = {}
        self._cancelled: set[int] = set()
        self._last_served: dict[str, int] = {}
        self._told: dict[int, Loading | Queued] = {}
        self._turns = 0
        self._next_number = 1
        self._closed = False
        self._lost: Callable[[], ImagineSoundError] | None = None
        self._ready = False

    def put(self, request: Request, listener: Listener) -> int:
        """Queue `request`. Raises PainterLost (or what `lose` was given), ShuttingDown after `close`, PaintingError
        when too many wait.
        """
        with self._changed:
            if self._lost is not None:
                raise self._lost()
            if self._closed:
                raise ShuttingDown
            if len(self._waiting) >= self._max_waiting:
                raise PaintingError("Too many pictures are waiting already; please try again later.")
            ticket = Ticket(self._next_number, request, listener)
            self._next_number += 1
            self._waiting.append(ticket)
            self._tell_positions()
            self._changed.notify_all()
            return ticket.number

    def take(self, most: int, *, wait: bool, at_most_s: float | None = None) -> list[Ticket[Request]]:
        """Up to `most` tickets in fair order, now active.

        `wait`: block until there is one, the queue closes, or `at_most_s` seconds have passed (None: for ever).
        """
        with self._changed:
            if not self._waiting and not self._active:
                self._last_served.clear()  # nobody waits: fairness starts anew
            if wait:
                self._changed.wait_for(lambda: self._waiting or self._closed, at_most_s)
            order = [] if self._closed else fair_order(self._waiting, self._last_served)
            taken = order[: max(0, most)]
            for ticket in taken:
                self._active[ticket.number] = ticket
                self._turns += 1
                self._last_served[ticket.request.user] = self._turns
            if taken:
                self._waiting = sorted(order[len(taken) :], key=lambda ticket: ticket.number)
                self._tell_positions()
            return taken

    def cancel(self, number: int) -> None:
        """End a waiting ticket now; an active one ends when its painter asks `is_cancelled`."""
        with self._changed:
            ticket = next((ticket for ticket in self._waiting if ticket.number == number), None)
            if ticket is not None:
                self._waiting.remove(ticket)
                self._tell_positions()
            elif number in self._active:
                self._cancelled.add(number)
        if ticket is not None:
            ticket.tell(Failed(Cancelled()))

    def is_cancelled(self, number: int) -> bool:
        """Whether an active ticket shall leave at the next step; true for all of them once the queue is closed."""
        with self._changed:
            return self._closed or number in self._cancelled

    def progress(self, ticket: Ticket[Request], event: GenerationEvent) -> None:
        """Pass `event` on, unless the ticket has ended: a painter that was given up may come round."""
        with self._changed:
            if ticket.number in self._active:
                ticket.tell(event)

    def finish(self, ticket: Ticket[Request], last: GenerationEvent) -> None:
        """An active ticket's end: `last` is Painted or Failed. One that has ended already hears nothing more."""
        with self._changed:
            is_active = self._active.pop(ticket.number, None) is not None
            self._cancelled.discard(ticket.number)
        if is_active:
            ticket.tell(last)

    def finish_cancelled(self, ticket: Ticket[Request]) -> None:
        """The end of an active ticket that `is_cancelled`."""
        why: ImagineSoundError = Cancelled()
        if self.closed:
            why = ShuttingDown(SHUT_DOWN_WHILE_PAINTED)
        self.finish(ticket, Failed(why))

    def put_back(self, ticket: Ticket[Request]) -> None:
        """An active ticket waits again, as the one who came first; a cancelled one ends."""
        with self._changed:
            waits = not self._closed and ticket.number in self._active and ticket.number not in self._cancelled
            if waits:
                del self._active[ticket.number]
                self._waiting.append(ticket)
                self._last_served.pop(ticket.request.user, None)
                self._tell_positions()
        if not waits:
            self.finish_cancelled(ticket)

    def ready(self) -> None:
        """The model is loaded; whoever waits is told."""
        with self._changed:
            self._ready = True
            self._tell_positions()

    def unready(self) -> None:
        """There is nobody who paints for now; whoever waits is told."""
        with self._changed:
            self._ready = False
            self._tell_positions()

    def close(self) -> None:
        """Take no more; whatever waits fails with ShuttingDown, what is active is to leave."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._changed.notify_all()
        for ticket in waiting:
            ticket.tell(Failed(ShuttingDown("I was shut down before this picture was painted; please ask again.")))

    def give_up(self) -> None:
        """After `close`: what is active and did not leave fails with ShuttingDown as well."""
        for ticket in self._end_all():
            ticket.tell(Failed(ShuttingDown(SHUT_DOWN_WHILE_PAINTED)))

    def lose(self, why: Callable[[], ImagineSoundError] = PainterLost) -> None:
        """Whoever paints is lost: everyone is told `why`, and nobody is taken any more."""
        with self._changed:
            self._lost = why
        for ticket in self._end_all():
            ticket.tell(Failed(why()))

    @property
    def closed(self) -> bool:
        """Whether nobody is taken any more."""
        with self._changed:
            return self._closed

    def _end_all(self) -> Iterable[Ticket[Request]]:
        with self._changed:
            self._closed = True
            left = [*self._active.values(), *self._waiting]
            self._active.clear()
            self._waiting.clear()
            self._changed.notify_all()
        return left

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting) + len(self._active)

    def _tell_positions(self) -> None:
        """Under the lock, so that a listener never hears of an older position after a newer one."""
        told: dict[int, Loading | Queued] = {}
        for position, ticket in enumerate(fair_order(self._waiting, self._last_served), start=1):
            told[ticket.number] = Queued(position) if self._ready else Loading()
            if self._told.get(ticket.number) != told[ticket.number]:
                ticket.tell(told[ticket.number])
        self._told = told


def fair_order(waiting: Sequence[Ticket[Request]], last_served: Mapping[str, int]) -> list[Ticket[Request]]:
    """The order in which `waiting` will be taken: the user served longest ago goes first, then who came first.

    `last_served` is the turn at which each user was served last; who was never served goes before all who were.
    """
    lines: dict[str, deque[Ticket[Request]]] = {}
    for ticket in sorted(waiting, key=lambda ticket: ticket.number):
        lines.setdefault(ticket.request.user, deque()).append(ticket)
    heap = [(last_served.get(user, 0), line[0].number, user) for user, line in lines.items()]
    heapify(heap)
    now = max(last_served.values(), default=0)
    order: list[Ticket[Request]] = []
    while heap:
        _, _, user = heappop(heap)
        order.append(lines[user].popleft())
        now += 1
        if lines[user]:
            heappush(heap, (now, lines[user][0].number, user))
    return order
