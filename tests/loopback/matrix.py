"""The first tables: one fault at one request, `kill -9` before and after each, and 503 for ten minutes.

A column is a way in with a point on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.faults import FOR_GOOD, KILLS, LASTING, Fault, Point, What
from tests.loopback.people import Person, Request
from tests.loopback.verdict import messages_of

ONE_FAULT = "one fault at one request"
KILLED = "kill -9 before and after each request"
OUTAGE = "503 for minutes"
OUTAGE_S = 600.0
PATIENCE_AFTER_KILL_S = 12.0
LONG_PATIENCE_S = 80.0
"""Longer than the longest pause after which the bot tries again."""

REMOVED_WITHIN_S = 10.0
"""A message that arrives after its request was taken back is gone by then."""


@dataclass(frozen=True)
class Column:
    """A way in, and the request of it that is struck."""

    way: str
    point: Point

    def __str__(self) -> str:
        return f"{self.way}: {self.point}"


POST, COMMAND, DELETE = "post", "command", "Delete pressed"
COLUMNS = (
    *(
        Column(POST, point)
        for point in (Point.RECORDING, Point.THREAD, Point.FIRST, Point.PROGRESS, Point.LAST, Point.REMOVAL)
    ),
    *(
        Column(COMMAND, point)
        for point in (Point.RECORDING, Point.ACKNOWLEDGEMENT, Point.ORIGINAL, Point.PROGRESS, Point.LAST)
    ),
    Column(DELETE, Point.REMOVAL),
)
_ONLY_AT = {
    What.UNKNOWN_INTERACTION: {Point.ACKNOWLEDGEMENT},
    What.TOO_LARGE: {Point.PROGRESS, Point.LAST},
}
_NOT_AT = {
    What.UNAUTHORIZED: {Point.RECORDING},
    What.GONE: {Point.ACKNOWLEDGEMENT},
}
_NO_OTHER_WAY = {Point.FIRST, Point.PROGRESS, Point.LAST, Point.REMOVAL, Point.ACKNOWLEDGEMENT, Point.ORIGINAL}
"""Where a refusal for good leaves nothing else to try."""


def cells(outage_s: float = OUTAGE_S) -> Iterator[Cell]:
    """All of them."""
    for column in COLUMNS:
        for what in What:
            allowed = column.point in _ONLY_AT.get(what, {column.point}) - _NOT_AT.get(what, set())
            if not allowed:
                continue
            killing = what in KILLS
            run = partial(_one_fault, what=what, column=column)
            yield Cell(KILLED if killing else ONE_FAULT, what.value, str(column), run, shares=not killing)
        yield Cell(OUTAGE, "until it is over", str(column), partial(_outage, column=column, seconds=outage_s),
                   shares=True, quick=False)  # fmt: skip
    for what in What:
        if what not in _ONLY_AT and what is not What.GONE:
            run = partial(_history, what=what)
            yield Cell(KILLED if what in KILLS else ONE_FAULT, what.value, f"restart: {Point.HISTORY}", run)


async def _one_fault(world: World, what: What, column: Column) -> Outcome:
    times = FOR_GOOD if what in LASTING else 1
    return await _with_fault(world, column, Fault(what, column.point, times=times))


async def _outage(world: World, column: Column, seconds: float) -> Outcome:
    fault = Fault(What.ERROR_503, column.point, seconds=seconds)  # longer than Discord waits for an acknowledgement
    return await _with_fault(world, column, fault, limit=seconds + LONG_PATIENCE_S, patience=seconds + LONG_PATIENCE_S)


async def _with_fault(
    world: World, column: Column, fault: Fault, *, limit: float = 200, patience: float = LONG_PATIENCE_S
) -> Outcome:
    person = world.person(f"{fault.what} {column.point}")
    fault.channel_id = person.channel.id
    patience = PATIENCE_AFTER_KILL_S if fault.what in KILLS else patience
    if column.point is Point.REMOVAL:
        request = person.post()
        before = await world.settle([request], patience=patience)
        if not before.is_good:
            return before
        world.discord.faults.add(fault)
        await _take_back(world, person, request, column.way)
    else:
        world.discord.faults.add(fault)
        request = person.post() if column.way == POST else person.command()
    _expect(request, fault)
    await world.wait_for(lambda: fault.struck > 0, 30)
    outcome = await world.settle([request], patience=patience, limit=limit)
    # what was taken back is over at once; a message that was on its way is removed when it has arrived
    await world.wait_for(lambda: not world.strays_of(person), REMOVED_WITHIN_S)
    return Outcome([*outcome.verdicts, *world.strays_of(person)], fault.struck > 0, outcome.notes)


async def _take_back(world: World, person: Person, request: Request, way: str) -> None:
    """Delete the recording, or press Delete behind *⋯* under the reply."""
    if way != DELETE:
        person.take_back(request)
        return
    (reply,) = (message for message in messages_of(world.state, request) if not message.deleted)
    opened = person.press(reply, "more")
    await world.wait_for(lambda: bool(opened.messages), 30)
    person.press(opened.messages[-1], "delete")
    request.withdrawn = True


def _expect(request: Request, fault: Fault) -> None:
    """What may come of it besides an answer."""
    what, point = fault.what, fault.point
    if what is What.GONE:
        request.withdrawn = request.withdrawn or point is Point.THREAD
        request.may_vanish = request.has_no_thread = point is not Point.RECORDING
    request.may_be_told = what in LASTING or what in (What.GONE, What.UNAUTHORIZED)
    refused_thread = what is What.FORBIDDEN and point is Point.THREAD
    request.has_no_thread = request.has_no_thread or refused_thread
    gone = what in (What.GONE, What.FORBIDDEN) and point is Point.RECORDING
    request.may_be_left = gone and request.source is not None
    refused = what in (What.FORBIDDEN, What.UNKNOWN_INTERACTION) and point in _NO_OTHER_WAY
    unacknowledged = point is Point.ACKNOWLEDGEMENT and (
        what in (What.KILL_BEFORE, What.UNAUTHORIZED) or fault.seconds is not None
    )
    request.hopeless = refused or unacknowledged  # of the latter Discord itself says "did not respond"


async def _history(world: World, what: What) -> Outcome:
    """Killed after the first message was made; the restart may look for it in the history, where the fault waits."""
    person = world.person(f"{what} history")
    killing = world.discord.faults.add(Fault(What.KILL_AFTER, Point.FIRST, person.channel.id))
    times = FOR_GOOD if what in LASTING else 1
    fault = world.discord.faults.add(Fault(what, Point.HISTORY, person.channel.id, times=times))
    request = person.post()
    await world.wait_for(lambda: killing.struck > 0)
    outcome = await world.settle([request], patience=LONG_PATIENCE_S)
    return Outcome([*outcome.verdicts, *world.strays_of(person)], fault.struck > 0, outcome.notes)
