"""Any number of painters elsewhere as one ImageGenerator: whoever asks notices no difference but speed.

The fair queue stays here: a painter gets a request only when it has a place for it, and holds at most its batch and
one more. Where a painter goes away in the middle, its requests wait again, before those that came later, and are
painted elsewhere, or fetched from it if it comes back in time with the picture. A request with which painters went away
three times is given up: it may be the reason. Without any painter, requests wait until one returns.

All painters have to paint the same: one with another model or revision than the first that answered gets nothing.
It runs in a thread of its own with an event loop of its own, and knows neither models nor who asks.
"""

import asyncio
import logging
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import aiohttp

from core.errors import PainterLost, PaintingError, ShuttingDown
from core.fleet.remote import SILENCE_S, Refused, RemotePainter, Request, Unreachable
from core.fleet.wire import PainterInfo, is_last
from core.generation.protocol import (
    Failed,
    Figures,
    GenerationEvent,
    GenerationRequest,
    GeneratorInfo,
    GpuMemory,
    InspectionRequest,
    Listener,
    PainterState,
)
from core.generation.queue import RequestQueue, Ticket
from core.prompting.prompt import estimate_tokens

log = logging.getLogger(__name__)

LOOKED_AT_EVERY_S = 5.0
"""So often it is seen whether a painter is there, and what it has."""
TRIES = 3
"""After so many painters that went away with a request it is given up."""
COUNTING_S = 3.0
"""Counting a text's tokens takes milliseconds; where it does not, they are estimated."""
LONGEST_CLOSING_S = 2.0
GIVEN_UP = "Something went wrong while painting this picture; please try again."


@dataclass(frozen=True)
class FleetPatience:
    """How patient a fleet is, in seconds: see SILENCE_S and LOOKED_AT_EVERY_S."""

    silence_s: float = SILENCE_S
    looked_at_every_s: float = LOOKED_AT_EVERY_S


@dataclass(eq=False)
class _Member:
    remote: RemotePainter
    info: PainterInfo | None = None
    says: str | None = None
    """Why it gets nothing, empty if it paints; None before it has answered or failed to."""
    is_refused: bool = False
    busy: int = 0
    adapters: set[str | None] = field(default_factory=set)
    """Those of the requests that it holds."""

    @property
    def free(self) -> int:
        return 0 if self.says != "" or self.info is None else self.info.places - self.busy

    def is_same_as(self, info: PainterInfo) -> bool:
        return self.says == "" and self.info is not None and self.info.name == info.name

    @property
    def state(self) -> PainterState:
        says = "It was not asked yet." if self.says is None else self.says
        return PainterState(self.remote.url, says, self.busy, self.info.places if self.info else 0)


class Fleet:
    """The painters at `urls`. Creation returns once one of them paints, and raises Refused where none is left that may.

    One that does not answer may do so later, and is waited for.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        token: str | None,
        max_waiting: int,
        patience: FleetPatience = FleetPatience(),
        after_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._urls, self._token, self._patience = tuple(urls), token, patience
        self._after_close = after_close
        self._queue = RequestQueue[Request](max_waiting)
        self._members: list[_Member] = []
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._tries: Counter[int] = Counter()
        self._names: dict[int, str] = {}
        """What each request is called at the painters, always the same."""
        self._first: Future[GeneratorInfo] = Future()
        self._info: GeneratorInfo | None = None
        self._counted = lru_cache(maxsize=1000)(self._ask_for_tokens)
        self._loop = asyncio.new_event_loop()
        self._ends = asyncio.Event()
        self._more = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()
        self._first.result()

    def info(self) -> GeneratorInfo:
        """What paints, as the painter that answered last says it."""
        assert self._info is not None  # the first has answered, or there is no fleet
        return self._info

    def submit(self, request: GenerationRequest, listener: Listener) -> int:
        """Queue `request`; see ImageGenerator."""
        return self._put(request, listener)

    def inspect(self, request: InspectionRequest, listener: Listener) -> int:
        """Queue `request`; see ImageGenerator."""
        return self._put(request, listener)

    def when_lost(self, callback: Callable[[], None]) -> None:
        """A fleet is never lost: its painters come back, or others do."""

    def cancel(self, number: int) -> None:
        """Give up a request; see ImageGenerator."""
        self._queue.cancel(number)
        self._soon(partial(self._leave, number))

    def queue_length(self) -> int:
        """How many requests wait or are being painted."""
        return len(self._queue)

    def figures(self) -> Figures:
        """The painters' together."""
        infos = [member.info for member in list(self._members) if member.info is not None]
        steps: Counter[int] = Counter()
        for info in infos:
            steps.update(info.figures.steps)
        memories = [info.figures.memory for info in infos if info.figures.memory is not None]
        memory = GpuMemory(sum(one.used for one in memories), sum(one.total for one in memories)) if memories else None
        return Figures(dict(steps), memory, self.painters())

    def painters(self) -> tuple[PainterState, ...]:
        """What is known of each. Any thread."""
        return tuple(member.state for member in list(self._members))

    def close(self) -> None:
        """Fail what waits with ShuttingDown, and let the painters give up the rest; see ImageGenerator."""
        self._queue.close()
        self._soon(self._ends.set)
        self._thread.join(LONGEST_CLOSING_S)
        self._queue.give_up()
        self._after_close()

    def _put(self, request: Request, listener: Listener) -> int:
        number = self._queue.put(request, listener)
        self._soon(self._more.set)
        return number

    def _soon(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(callback)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except Exception as error:
            log.critical("the fleet has failed", exc_info=True)
            self._queue.lose()
            if not self._first.done():
                self._first.set_exception(error)

    async def _serve(self) -> None:
        async with self._painters() as members:
            self._members = members
            minds = [asyncio.create_task(self._mind(member)) for member in members]
            deals = asyncio.create_task(self._deal())
            await self._ends.wait()
            for task in (*minds, deals, *self._tasks.values()):
                task.cancel()
            await asyncio.gather(*minds, deals, *self._tasks.values(), return_exceptions=True)

    @asynccontextmanager
    async def _painters(self) -> AsyncIterator[list[_Member]]:
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=10)  # a name may come to lead elsewhere
        async with aiohttp.ClientSession(connector=connector) as session:
            yield [_Member(RemotePainter(url, session, self._token, self._patience.silence_s)) for url in self._urls]

    async def _mind(self, member: _Member) -> None:
        """Know whether it is there, and what it has."""
        while True:
            await self._look_at(member)
            await asyncio.sleep(self._patience.looked_at_every_s)

    async def _look_at(self, member: _Member) -> None:
        try:
            info = await member.remote.info()
            self._admit(member, info)
        except Refused as error:
            member.is_refused = True
            self._shut_out(member, str(error))
            if not self._first.done() and all(one.is_refused for one in self._members):
                self._first.set_exception(Refused(" ".join(one.says or "" for one in self._members)))
                self._ends.set()
        except Unreachable as error:
            member.is_refused = False
            self._shut_out(member, f"The painter at {member.remote.url} does not paint now: {error}.")

    def _admit(self, member: _Member, info: PainterInfo) -> None:
        """Raises Refused for another model than the first's."""
        known = self._info
        if known is not None and (known.model, known.revision) != (info.generator.model, info.generator.revision):
            raise Refused(
                f"The painter at {member.remote.url} paints with {info.generator.model} {info.generator.revision}, the "
                f"others with {known.model} {known.revision}; give all of them the same IMAGE_MODEL."
            )
        if twin := next((one for one in self._members if one.is_same_as(info) and one is not member), None):
            raise Refused(f"{member.remote.url} and {twin.remote.url} are the same painter; name it once in PAINTERS.")
        if member.says != "":
            log.info("the painter at %s is here: %s, %d places", member.remote.url, info.generator.model, info.places)
        member.info, member.says, member.is_refused = info, "", False
        self._info = replace(info.generator, count_tokens=self._count_tokens)
        self._queue.ready()
        if not self._first.done():
            self._first.set_result(self._info)
        self._more.set()

    def _shut_out(self, member: _Member, says: str) -> None:
        if member.says != says:
            log.warning("%s", says)
        member.says = says
        if all(one.says != "" for one in self._members):
            self._queue.unready()

    async def _deal(self) -> None:
        """Hand each request to a painter as soon as one has a place."""
        while True:
            await self._more.wait()
            self._more.clear()
            while any(member.free > 0 for member in self._members):
                taken = self._queue.take(1, wait=False)
                if not taken:
                    break
                [ticket] = taken
                member = choose([one for one in self._members if one.free > 0], adapter_of(ticket.request))
                member.busy += 1
                member.adapters.add(adapter_of(ticket.request))
                task = asyncio.create_task(self._follow(ticket, member))
                self._tasks[ticket.number] = task
                task.add_done_callback(partial(self._done, ticket, member))

    def _done(self, ticket: Ticket[Request], member: _Member, task: asyncio.Task[None]) -> None:
        member.busy -= 1
        if not member.busy:
            member.adapters.clear()
        if self._tasks.get(ticket.number) is task:
            del self._tasks[ticket.number]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("following a picture elsewhere failed", exc_info=error)
            self._end(ticket, Failed(PaintingError(GIVEN_UP)))
        self._more.set()

    async def _follow(self, ticket: Ticket[Request], member: _Member) -> None:
        """One request at one painter, to its end or the painter's."""
        name = self._names.setdefault(ticket.number, uuid.uuid4().hex)
        try:
            await self._hear(ticket, member, name)
        except asyncio.CancelledError:
            self._queue.finish_cancelled(ticket)
            self._forget(ticket)
            with suppress(Unreachable, Refused, TimeoutError):
                async with asyncio.timeout(1):
                    await member.remote.forget(name)
        except (Unreachable, Refused) as error:
            self._shut_out(member, f"The painter at {member.remote.url} does not paint now: {error}.")
            self._tries[ticket.number] += 1
            if self._tries[ticket.number] >= TRIES:
                log.warning("a request is given up with which %d painters went away", TRIES)
                self._end(ticket, Failed(PaintingError(GIVEN_UP)))
            else:
                self._queue.put_back(ticket)

    async def _hear(self, ticket: Ticket[Request], member: _Member, name: str) -> None:
        """Its events, with one more attempt at the same painter, which may have the picture. Raises Unreachable."""
        for last_attempt in (False, True):
            try:
                async with aclosing(member.remote.events(name, ticket.request)) as events:
                    async for event in events:
                        if isinstance(event, Failed) and isinstance(event.error, PainterLost | ShuttingDown):
                            raise Unreachable(str(event.error))
                        if is_last(event):
                            self._end(ticket, event)
                            with suppress(Unreachable, Refused):
                                await member.remote.forget(name)
                            return
                        self._queue.progress(ticket, event)
            except Unreachable:
                if last_attempt:
                    raise
                await asyncio.sleep(0.2)

    def _end(self, ticket: Ticket[Request], last: GenerationEvent) -> None:
        self._queue.finish(ticket, last)
        self._forget(ticket)

    def _forget(self, ticket: Ticket[Request]) -> None:
        self._tries.pop(ticket.number, None)
        self._names.pop(ticket.number, None)

    def _leave(self, number: int) -> None:
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()

    def _count_tokens(self, text: str) -> int:
        """As a painter counts them, where one answers. Any thread but the fleet's own."""
        try:
            return self._counted(text)
        except (Unreachable, Refused, TimeoutError, RuntimeError):  # the last: the loop has ended
            return estimate_tokens(text)

    def _ask_for_tokens(self, text: str) -> int:
        members = [member for member in list(self._members) if member.says == ""]
        if not members:
            raise Unreachable
        asked = asyncio.run_coroutine_threadsafe(members[0].remote.tokens(text), self._loop)
        count = asked.result(COUNTING_S)
        return estimate_tokens(text) if count is None else count


def adapter_of(request: Request) -> str | None:
    """Which adapter it is painted with."""
    return request.adapter if isinstance(request, GenerationRequest) else None


def choose(members: Sequence[_Member], adapter: str | None) -> _Member:
    """Who has most places free; of equals, one that has the adapter loaded already."""
    return max(members, key=lambda member: (member.free, adapter in member.adapters))
