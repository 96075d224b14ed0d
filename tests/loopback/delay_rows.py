"""Rows about time: what one fault costs, and how soon all that is owed is shown once Discord is back."""

import asyncio
import itertools
import statistics
from collections.abc import Iterator, Sequence
from functools import partial

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.faults import Fault, Point, What
from tests.loopback.matrix import COLUMNS, POST, Column
from tests.loopback.people import Request
from tests.loopback.verdict import Verdict, judge

GROUP = "in time"
PASSING = (What.ERROR_500, What.ERROR_502, What.ERROR_503, What.ERROR_520, What.BROKEN)
LONGEST_DELAY_S = 5.0
"""One of them, once, costs no more than this."""
SHOWN_WITHIN_S = 60.0
"""After an outage."""
PATIENCE_S = 30.0
PEOPLE, ASKED_BY_EACH = 10, 2


def cells(outage_s: float) -> Iterator[Cell]:
    """All of them."""
    for column in COLUMNS:
        if column.point not in (Point.REMOVAL, Point.ORIGINAL):
            yield Cell(GROUP, f"one fault, {column}", "", partial(_one_fault, column=column), quick=False)
    yield Cell(GROUP, "all that was asked for in an outage", "", partial(_outage, seconds=outage_s), quick=False)


async def _one_fault(world: World, column: Column) -> Outcome:
    """The worst of what each passing fault costs, beside the same without any."""
    undisturbed = [await _seconds(world, column, None) for _ in range(3)]
    usual = statistics.median(seconds for seconds in undisturbed if seconds is not None)
    verdicts, costs = [], []
    for what in PASSING:
        fault = Fault(what, column.point)
        seconds = await _seconds(world, column, fault)
        costs.append(f"{what} {'never' if seconds is None else f'{max(0.0, seconds - usual):.1f}'}")
        is_late = seconds is None or seconds - usual > LONGEST_DELAY_S
        verdicts.append(Verdict.LATE if is_late else Verdict.ANSWERED)
        if not fault.struck:
            return Outcome(verdicts, struck=False)
    return Outcome(verdicts, notes=costs, figure="seconds more: " + ", ".join(costs))


async def _seconds(world: World, column: Column, fault: Fault | None) -> float | None:
    """From asking to the picture; None: there is none."""
    person = world.person(f"{fault.what if fault else 'nothing'} {column.point}")
    if fault is not None:
        fault.channel_id = person.channel.id
        world.discord.faults.add(fault)
    request = person.post() if column.way == POST else person.command()
    (seconds,) = await _answered(world, [request], PATIENCE_S)
    return seconds


async def _answered(world: World, requests: Sequence[Request], limit: float) -> list[float | None]:
    """How long each takes from now on until it is answered; None: longer than `limit`."""
    clock = asyncio.get_running_loop().time
    began = clock()
    seconds: list[float | None] = [None] * len(requests)
    while None in seconds and clock() - began < limit:
        for index, request in enumerate(requests):
            if seconds[index] is None and judge(world.state, request) is Verdict.ANSWERED:
                seconds[index] = clock() - began
        await asyncio.sleep(0.02)
    return seconds


async def _outage(world: World, seconds: float) -> Outcome:
    """Discord answers nothing but 503, and its gateway tells of recordings all the while."""
    fault = world.discord.faults.add(Fault(What.ERROR_503, None, seconds=seconds))
    people = [world.person(f"person {number}") for number in range(PEOPLE)]
    requests = []
    for _ in range(ASKED_BY_EACH):
        for person in people:
            requests.append(person.post())
            await asyncio.sleep(seconds / PEOPLE / ASKED_BY_EACH / 2)
    assert fault.began is not None, "nothing was asked of Discord"
    await asyncio.sleep(max(0.0, fault.began + seconds - asyncio.get_running_loop().time()))
    after = await _answered(world, requests, SHOWN_WITHIN_S)
    late = [second is None for second in after]
    verdicts = [Verdict.LATE if is_late else Verdict.ANSWERED for is_late in late]
    shown = [second for second in after if second is not None]
    overtaken = sum(later < earlier - 1 for earlier, later in itertools.pairwise(shown))
    figure = f"{min(shown, default=0):.0f} to {max(shown, default=0):.0f} s after it, {overtaken} overtaken"
    return Outcome(verdicts, notes=[figure], figure=figure)
