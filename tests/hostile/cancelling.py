"""How quickly what nobody wants any more is gone: children, hearing threads, a whole engine."""

import asyncio
import contextlib
import os
import random
import time
from pathlib import Path

from core.engine import Engine
from core.events import Heard
from core.settings import CoreSettings
from tests.hostile.others import programs


def bomb() -> bytes:
    """Half a minute of work for ffmpeg."""
    return programs(8_000)


def children() -> set[int]:
    """The processes that this one started and that still run."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
                if int(parent) == os.getpid() and state != "Z":
                    found.add(int(name))
    return found


async def gone_after(before: set[int], limit_s: float = 5.0) -> float:
    """Seconds until no child runs that did not run before."""
    begun = time.monotonic()
    while await asyncio.to_thread(children) - before and time.monotonic() < begun + limit_s:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def cancel_at_random(settings: CoreSettings, tries: int) -> list[float]:
    """Seconds for which the child outlives its cancelled job, for each try."""
    data, dice, outlived = bomb(), random.Random(1), []
    async with Engine(settings) as engine:
        await engine.ears()
        before = children()
        for _ in range(tries):
            hearing = asyncio.create_task(engine.hear(data))
            await asyncio.sleep(dice.uniform(0, 0.6))
            hearing.cancel()
            await asyncio.wait({hearing})
            outlived.append(await gone_after(before))
    return outlived


async def close_under_way(settings: CoreSettings, bombs: int) -> tuple[float, list[BaseException | Heard], set[int]]:
    """Seconds that closing takes with `bombs` being heard or waiting, how they ended, and the children left."""
    data = bomb()
    engine = Engine(settings)
    await engine.ears()
    before = children()
    hearing = [asyncio.create_task(engine.hear(data)) for _ in range(bombs)]
    await asyncio.sleep(1)
    begun = time.monotonic()
    await engine.close()
    took = time.monotonic() - begun
    ended = await asyncio.gather(*hearing, return_exceptions=True)
    return took, ended, children() - before


async def next_after_two_cancelled(settings: CoreSettings, recording: Path) -> float:
    """Seconds that the next person waits for what is in `recording`, once two bombs have been cancelled."""
    data = bomb()
    async with Engine(settings) as engine:
        await engine.hear(recording)  # what is loaded at the first time is
        two = [asyncio.create_task(engine.hear(data)) for _ in range(2)]
        await asyncio.sleep(1.5)
        for hearing in two:
            hearing.cancel()
        begun = time.monotonic()
        await engine.hear(recording)
        return time.monotonic() - begun
