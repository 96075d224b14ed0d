"""The queue of recognitions: one worker, fair between people, and nobody waits longer than he is willing to.

What cannot be recognised in time is told so at once rather than queued. One note of a person is recognised before a
second of the same person. It knows that a recogniser takes stretches of a fixed length, each about as dear as the
other, and nothing of what the words mean.
"""

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from core.errors import ShuttingDown
from core.speech.recognise import Recognised, Recogniser
from core.threads import in_daemon_thread, yield_to_others

log = logging.getLogger(__name__)

STRETCH_S = 30.0
"""What Whisper takes in at once, whatever is in it (Radford et al. 2022, 2.1). The first is recognised first."""
HANGS_AFTER_S = 30.0
"""A recognition that nobody waits for any more ends at its next segment; if not within this time, it hangs."""

Work = Callable[[Recogniser], Iterator[Recognised]]
"""Recognises: what is known after each step, the last of it complete. Called in the worker's thread."""


class TooLate(Exception):
    """The words could not be recognised in the time that there was."""


@dataclass(eq=False)
class _Ticket:
    """A recognition that waits, or is under way: `known` is what it has found so far."""

    work: Work
    user: str
    stretches: int
    ends: float
    """When nobody waits for it any more, on the loop's clock."""
    done: asyncio.Future[None]
    stop: threading.Event = field(default_factory=threading.Event)
    known: Recognised | None = None


class Lane:
    """Recognises speech for any number of people, one note at a time, in a thread of its own.

    `load` makes the recogniser, in that thread; if that fails, all fails in the same way from then on.
    """

    def __init__(self, load: Callable[[], Recogniser]) -> None:
        self._load = load
        self._recogniser: Recogniser | None = None
        self._cannot_load: Exception | None = None
        self._waiting: list[_Ticket] = []
        self._active: _Ticket | None = None
        self._began = 0.0
        self._given_up = 0.0
        """When nobody waited for the active one any more, on the loop's clock; 0 while somebody does."""
        self._stretch_s = 0.0
        """How long one stretch has taken, the newest counting half; 0 while that is not known."""
        self._last_turn: dict[str, int] = {}
        self._turns = 0
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, work: Work, seconds: float, *, user: str, within_s: float) -> Recognised:
        """What `work` finds in `seconds` of speech; what it has found by then if it takes longer than `within_s`.

        Cancelling it drops the work at its next step. Raises TooLate where nothing is found by then or nothing could
        be, ShuttingDown, what loading raises, and what the recogniser does.
        """
        loop = asyncio.get_running_loop()
        stretches = max(1, math.ceil(seconds / STRETCH_S))
        ticket = _Ticket(work, user, stretches, loop.time() + within_s, loop.create_future())
        self._check(ticket)
        self._waiting.append(ticket)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._take_turns(), name="speech lane")
        try:
            async with asyncio.timeout(within_s):
                await ticket.done
        except TimeoutError as error:
            if ticket.known is None:
                raise TooLate from error
        finally:
            ticket.stop.set()
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            if ticket is self._active:
                self._given_up = loop.time()
        if ticket.known is None:
            raise TooLate
        return ticket.known

    def stop(self) -> None:
        """Give up what is recognised and what waits, and take nothing more."""
        self._closed = True
        for ticket in (*self._waiting, *filter(None, (self._active,))):
            ticket.stop.set()
            if not ticket.done.done():
                ticket.done.set_exception(ShuttingDown())
        self._waiting.clear()

    async def close(self) -> None:
        """After `stop`: wait for the worker, which ends at its next segment."""
        if self._worker is not None:
            try:
                await asyncio.wait({self._worker})
            finally:
                self._worker.cancel()

    def _check(self, ticket: _Ticket) -> None:
        """Raises ShuttingDown, what loading raised, and TooLate for what would not be begun and found in time."""
        if self._closed:
            raise ShuttingDown
        if self._cannot_load is not None:
            raise self._cannot_load
        if self._hangs() or self._is_hopeless(ticket, [*self._waiting, ticket]):
            raise TooLate

    def _hangs(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self._active is not None and bool(self._given_up) and now > self._given_up + HANGS_AFTER_S

    def _is_hopeless(self, ticket: _Ticket, waiting: list[_Ticket]) -> bool:
        """Whether not even the first stretch of `ticket` would be found in time, with these before it or behind it."""
        first_found = asyncio.get_running_loop().time() + self._wait_of(ticket, list(waiting)) + self._stretch_s
        return first_found > ticket.ends

    def _wait_of(self, ticket: _Ticket, waiting: list[_Ticket]) -> float:
        """How long `ticket` would wait for its turn, in seconds. Uses `waiting` up."""
        left = 0.0
        if self._active is not None and not self._given_up:
            took = asyncio.get_running_loop().time() - self._began
            left = max(0.0, self._active.stretches * self._stretch_s - took)
        before, turns = 0, dict(self._last_turn)
        while (following := _next_of(waiting, turns)) is not ticket:
            before += following.stretches
            waiting.remove(following)
            turns[following.user] = max(turns.values(), default=0) + 1
        return left + before * self._stretch_s

    async def _take_turns(self) -> None:
        """Recognise what waits, until nothing does."""
        while self._waiting:
            ticket = _next_of(self._waiting, self._last_turn)
            self._waiting.remove(ticket)
            self._turns += 1
            self._last_turn[ticket.user] = self._turns
            await self._serve(ticket)
            self._send_away()
        self._last_turn.clear()

    def _send_away(self) -> None:
        """Those for whom it is known by now that it will be too late need not wait for it."""
        for ticket in list(self._waiting):
            if self._is_hopeless(ticket, self._waiting):
                self._waiting.remove(ticket)
                ticket.done.set_result(None)

    async def _serve(self, ticket: _Ticket) -> None:
        loop = asyncio.get_running_loop()
        try:
            recogniser = await self._loaded()
            self._active, self._began, self._given_up = ticket, loop.time(), 0.0
            await asyncio.wrap_future(in_daemon_thread(partial(_recognise, ticket, recogniser), "speech"))
            if ticket.known is not None and ticket.known.complete:
                took = (loop.time() - self._began) / ticket.stretches
                self._stretch_s = took if not self._stretch_s else (self._stretch_s + took) / 2
        except Exception as error:
            if not ticket.done.done():
                ticket.done.set_exception(error)
        finally:
            self._active = None
            if not ticket.done.done():
                ticket.done.set_result(None)

    def _load_quietly(self) -> Recogniser:
        yield_to_others()  # the recogniser's own threads begin here, and keep it
        return self._load()

    async def _loaded(self) -> Recogniser:
        if self._recogniser is None:
            if self._cannot_load is not None:
                raise self._cannot_load
            try:
                self._recogniser = await asyncio.wrap_future(in_daemon_thread(self._load_quietly, "loading speech"))
            except Exception as error:
                self._cannot_load = error
                raise
        return self._recogniser


def _recognise(ticket: _Ticket, recogniser: Recogniser) -> None:
    yield_to_others()
    for known in ticket.work(recogniser):
        ticket.known = known
        if ticket.stop.is_set():
            return


def _next_of(waiting: list[_Ticket], turns: dict[str, int]) -> _Ticket:
    """Whose turn it is: of whoever was served longest ago, the first to come."""
    return min(waiting, key=lambda ticket: turns.get(ticket.user, 0))
