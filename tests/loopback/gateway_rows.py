"""Rows about the gateway: broken, resumed, invalidated, silent, away, events delivered again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from tests.loopback import payloads
from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.people import Person, Request

GROUP = "gateway"
AGAIN = "an event delivered again"
PATIENCE_S = 20.0
AWAY_S = (5.0, 60.0)

Break = Callable[[World], Awaitable[None]]


def cells() -> Iterator[Cell]:
    """All of them: a recording is posted just before the trouble, in it, and after it."""
    for code in (1001, 4000, 4009):
        yield _trouble(f"closed with {code}", partial(_close, code=code))
    yield _trouble("reconnect asked for (op 7)", _reconnect)
    yield _trouble("session invalid, resumable (op 9)", partial(_invalidate, resumable=True))
    yield _trouble("session invalid, not resumable (op 9)", partial(_invalidate, resumable=False))
    yield _trouble("cut without a word", _cut)
    yield Cell(GROUP, "no acknowledgements, nothing arrives", "", _silent, quick=False)
    for seconds in AWAY_S:
        yield Cell(GROUP, f"network away for {seconds:g} s", "", partial(_away, seconds=seconds), quick=False)
    for moment, wait in (("at once", 0.0), ("1 s later", 1.0), ("after the answer", None)):
        for way in ("post", "command"):
            yield Cell(AGAIN, way, moment, partial(_again, way=way, wait=wait))


def _trouble(row: str, break_it: Break) -> Cell:
    async def run(world: World) -> Outcome:
        people = [world.person(row) for _ in range(3)]
        requests = [people[0].post()]
        await break_it(world)
        requests.append(people[1].post())
        await asyncio.sleep(3)
        requests.append(people[2].post())
        return await world.settle(requests, patience=PATIENCE_S)

    return Cell(GROUP, row, "", run)


async def _close(world: World, code: int) -> None:
    await world.discord.gateway.close(code)


async def _reconnect(world: World) -> None:
    world.discord.gateway.ask_to_reconnect()


async def _invalidate(world: World, resumable: bool) -> None:
    world.discord.gateway.invalidate(resumable=resumable)
    await asyncio.sleep(0.5)


async def _cut(world: World) -> None:
    world.discord.gateway.break_off()


async def _silent(world: World) -> Outcome:
    """The connection stands and nothing comes through it any more, as behind a router that forgot it."""
    first, second = world.person("before"), world.person("meanwhile")
    requests = [first.post()]
    world.discord.gateway.heartbeat_s = 5
    await world.discord.gateway.close(4000)
    await world.wait_for(lambda: bool(world.discord.gateway.connected))
    await asyncio.sleep(2)
    world.discord.gateway.fall_silent()
    requests.append(second.post())
    return await world.settle(requests, patience=90)


async def _away(world: World, seconds: float) -> Outcome:
    """Nothing answers for a while; people go on posting, as they are still connected."""
    people = [world.person("away") for _ in range(4)]
    requests = [people[0].post()]
    await asyncio.sleep(0.3)
    world.discord.go_away()
    requests.append(people[1].post())
    await asyncio.sleep(seconds)
    requests.append(people[2].post())
    world.discord.come_back()
    await world.wait_for(lambda: bool(world.discord.gateway.connected), 90)
    requests.append(people[3].post())
    return await world.settle(requests, patience=40)


async def _again(world: World, way: str, wait: float | None) -> Outcome:
    person = world.person("again")
    request = person.post() if way == "post" else person.command()
    if wait is None:
        await world.settle([request])
    else:
        await asyncio.sleep(wait)
    _deliver_again(world, person, request)
    outcome = await world.settle([request])
    return Outcome([*outcome.verdicts, *world.strays_of(person)], notes=outcome.notes)


def _deliver_again(world: World, person: Person, request: Request) -> None:
    if request.interaction is not None:
        world.discord.interactions.deliver(request.interaction)
        return
    assert request.source is not None
    payload = payloads.message(world.state, request.source) | payloads.of_event(world.state, request.source)
    world.discord.gateway.dispatch("MESSAGE_CREATE", payload)
