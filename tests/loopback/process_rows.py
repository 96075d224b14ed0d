"""Rows about the process: killed at any moment, stopped in order, started twice or in trouble, its clock wrong."""

import asyncio
import random
from collections.abc import Iterator
from functools import partial

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.faults import Fault, Point, What
from tests.loopback.people import Request
from tests.loopback.process import BotProcess
from tests.loopback.verdict import Verdict

RANDOM_KILLS = "kill -9 at random moments"
BURSTS = "five kills in a row"
SIGTERM = "SIGTERM"
PROCESS = "the process and its clock"
KILLS_A_CELL = 10
CELLS_OF_KILLS = 10
CELLS_OF_BURSTS = 20
MOMENTS_S = (0.0, 0.1, 0.5, 1.5, 3.0)
DEADLINES_S = (0, 2, 8)
PATIENCE_S = 15.0


def cells() -> Iterator[Cell]:
    """All of them."""
    for number in range(CELLS_OF_KILLS):
        yield Cell(
            RANDOM_KILLS,
            f"ten kills, two requests each, no. {number + 1}",
            "",
            partial(_kills, seed=number),
            quick=False,
        )
    for number in range(CELLS_OF_BURSTS):
        yield Cell(BURSTS, f"ten requests, no. {number + 1}", "", partial(_burst, seed=1000 + number), quick=False)
    for moment in MOMENTS_S:
        for deadline in DEADLINES_S:
            settings = {"DRAIN_SECONDS": str(deadline)}
            run = partial(_terminate, moment=moment)
            yield Cell(
                SIGTERM, f"{moment:g} s after the posts", f"{deadline} s to drain", run, settings=settings, quick=False
            )
    yield Cell(PROCESS, "two processes on one database", "", _two_processes)
    for what in (What.ERROR_500, What.ERROR_503):
        yield Cell(PROCESS, f"Discord answers {what} at the start for 8 s", "", partial(_bad_start, what=what))
    yield Cell(PROCESS, "Discord away at the start for 8 s", "", _away_at_start)
    for row, before, after in (
        ("clock an hour ahead, right after the restart", 3600, 0),
        ("clock an hour back, right after the restart", -3600, 0),
        ("clock two hours ahead after the restart", 0, 7200),
        ("clock a day back after the restart", 0, -86400),
    ):
        yield Cell(PROCESS, row, "", partial(_clock, before=before, after=after))
    for seconds in (3600, -3600):
        yield Cell(PROCESS, f"clock steps by {seconds} s while it is painted", "", partial(_step, seconds=seconds))


async def _kills(world: World, seed: int) -> Outcome:
    chance = random.Random(seed)
    requests: list[Request] = []
    for _ in range(KILLS_A_CELL):
        await world.wait_for(lambda: world.bot.is_ready, 60)
        requests += [world.person("killed").post(), _command(world, "killed")]
        await asyncio.sleep(chance.uniform(0, 3))
        world.bot.kill()
        await world.wait_for(lambda: not world.bot.is_ready)
    return await world.settle(requests, patience=PATIENCE_S)


def _command(world: World, name: str) -> Request:
    request = world.person(name).command()
    request.may_be_unheard = True
    return request


async def _burst(world: World, seed: int) -> Outcome:
    """All is asked before the first kill; each start is killed before or soon after it is connected."""
    chance = random.Random(seed)
    requests = [world.person("burst").post() for _ in range(8)]
    requests += [_command(world, "burst") for _ in range(2)]
    for _ in range(5):
        if chance.random() < 0.7:
            await world.wait_for(lambda: world.bot.is_ready)
        await asyncio.sleep(chance.uniform(0.3, 3))
        await world.kill()
    return await world.settle(requests, patience=PATIENCE_S)


async def _terminate(world: World, moment: float) -> Outcome:
    requests = [world.person("stopped").post() for _ in range(6)]
    requests.append(_command(world, "stopped"))
    await asyncio.sleep(moment)
    world.bot.terminate()
    await world.wait_for(lambda: not world.bot.is_running, 60)
    return await world.settle(requests, patience=PATIENCE_S)


async def _two_processes(world: World) -> Outcome:
    """A deploy that overlaps, a forgotten terminal."""
    second = BotProcess(world.discord, world.bot.data.parent)
    await second.start(wait=False)
    await asyncio.sleep(6)
    try:
        requests = [world.person("two").post() for _ in range(3)]
        requests.append(world.person("two").command())
        return await world.settle(requests)
    finally:
        await second.stop()


async def _bad_start(world: World, what: What) -> Outcome:
    request = await _killed_with_a_request(world)
    world.discord.faults.add(Fault(what, Point.START, seconds=8))
    world.let_up()
    return _with_exits(world, await world.settle([request], patience=30))


async def _away_at_start(world: World) -> Outcome:
    request = await _killed_with_a_request(world)
    world.discord.go_away()
    world.let_up()
    await asyncio.sleep(8)
    world.discord.come_back()
    return _with_exits(world, await world.settle([request], patience=30))


def _with_exits(world: World, outcome: Outcome) -> Outcome:
    """Whoever starts the bot by hand is not asked to do so again: ending is as bad as losing."""
    ended = [status for status in world.exits if status >= 0]
    verdicts = [*outcome.verdicts, *([Verdict.LOST] if ended else [])]
    return Outcome(verdicts, notes=[*outcome.notes, *(f"the bot ended with {status}" for status in ended)])


async def _clock(world: World, before: int, after: int) -> Outcome:
    world.bot.clock.write_text(str(before))
    request = await _killed_with_a_request(world)
    world.bot.clock.write_text(str(after))
    world.let_up()
    return await world.settle([request])


async def _step(world: World, seconds: int) -> Outcome:
    requests = [world.person("step").post(), world.person("step").command()]
    await asyncio.sleep(1)
    world.bot.clock.write_text(str(seconds))
    return await world.settle(requests)


async def _killed_with_a_request(world: World) -> Request:
    """A request whose first message is there when the bot is killed; the bot stays down."""
    person = world.person("before")
    world.hold_down()
    fault = world.discord.faults.add(Fault(What.KILL_BEFORE, Point.LAST, person.channel.id))
    request = person.post()
    await world.wait_for(lambda: fault.struck > 0)
    await world.wait_for(lambda: not world.bot.is_running)
    return request
