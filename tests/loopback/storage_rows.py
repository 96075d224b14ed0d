"""Rows about the disk: the database locked, the disk full and free again, a slow disk."""

import asyncio
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.people import Request
from tests.loopback.verdict import messages_of

GROUP = "the disk"
LOCKED_S = (3.0, 15.0, 60.0)
FULL_S = 10.0
SLOW_SYNC_MS = 500
CROWD, CROWD_S = 500, 10.0
CROWD_ROW = f"each fsync takes 50 ms, {CROWD} recordings in {CROWD_S:g} s"

SLOW_SYNC = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static void pause_a_bit(void) { usleep(1000 * atoi(getenv("SLOW_SYNC_MS"))); }
int fsync(int fd) { pause_a_bit(); return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { pause_a_bit(); return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""


def cells() -> Iterator[Cell]:
    """All of them."""
    for seconds in LOCKED_S:
        yield Cell(GROUP, f"database locked for {seconds:g} s", "", partial(_locked, seconds=seconds), quick=False)
    yield Cell(GROUP, "database locked for 15 s when the picture is shown", "", _locked_at_the_end, quick=False)
    yield Cell(GROUP, "full when it is posted, free after 10 s", "", _full, quick=False)
    yield Cell(GROUP, "full in the making, free after 10 s", "", _full_in_the_making, quick=False)
    library = slow_sync()
    if library is not None:
        crowd = {"LD_PRELOAD": str(library), "SLOW_SYNC_MS": "50"}
        yield Cell(GROUP, CROWD_ROW, "", _crowd, settings=crowd, quick=False)
        settings = {"LD_PRELOAD": str(library), "SLOW_SYNC_MS": str(SLOW_SYNC_MS)}
        yield Cell(
            GROUP,
            f"each fsync takes {SLOW_SYNC_MS} ms, ten recordings at once",
            "",
            _slow,
            settings=settings,
            quick=False,
        )


_kept = tempfile.TemporaryDirectory(prefix="slow-sync-")
"""Until this process ends."""


@cache
def slow_sync() -> Path | None:
    """A library that makes each fsync slow, to be preloaded; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    directory = Path(_kept.name)
    (directory / "slow.c").write_text(SLOW_SYNC)
    library = directory / "slow.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, directory / "slow.c", "-ldl"], check=True)
    return library


@asynccontextmanager
async def locked(world: World) -> AsyncIterator[None]:
    """Somebody else holds the database."""
    other = sqlite3.connect(world.bot.database, isolation_level=None, timeout=30, check_same_thread=False)
    try:
        await asyncio.to_thread(_begin, other)
        yield
    finally:
        other.close()


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


@asynccontextmanager
async def full(world: World) -> AsyncIterator[None]:
    """No file of the bot can be written to any more: what a full disk does, but for the error's name."""
    pid, kind = world.bot.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (1, before[1]))
    try:
        yield
    finally:
        if world.bot.is_running and world.bot.pid == pid:
            resource.prlimit(pid, kind, before)


async def _locked(world: World, seconds: float) -> Outcome:
    """Two recordings and a command while it is locked, one recording after it."""
    async with locked(world):
        requests = [world.person("locked").post(), world.person("locked").post(), world.person("locked").command()]
        await asyncio.sleep(seconds)
    _may_be_told(requests)
    requests.append(world.person("after").post())
    return await world.settle(requests)


async def _locked_at_the_end(world: World) -> Outcome:
    request = world.person("locked").post()
    await _until_painting(world, request)
    async with locked(world):
        await asyncio.sleep(15)
    return await world.settle([request])


async def _full(world: World) -> Outcome:
    async with full(world):
        requests = [world.person("full").post(), world.person("full").command()]
        await asyncio.sleep(FULL_S)
    _may_be_told(requests)
    requests.append(world.person("after").post())
    return await world.settle(requests)


async def _full_in_the_making(world: World) -> Outcome:
    requests = [world.person("full").post()]
    await _until_painting(world, requests[0])
    async with full(world):
        await asyncio.sleep(FULL_S)
    requests.append(world.person("after").post())
    return await world.settle(requests)


async def _slow(world: World) -> Outcome:
    return await world.settle([world.person("slow").post() for _ in range(10)], patience=60, limit=240)


async def _crowd(world: World) -> Outcome:
    """Nobody is told that nothing can be written down; all are answered in the end."""
    requests = []
    for _ in range(CROWD):
        requests.append(world.person("crowd").post())
        await asyncio.sleep(CROWD_S / CROWD)
    return await world.settle(requests, patience=120, limit=1200)


def _may_be_told(requests: Sequence[Request]) -> None:
    """What cannot be written down is not accepted, and that has to be said."""
    for request in requests:
        request.may_be_told = True


async def _until_painting(world: World, request: Request) -> None:
    await world.wait_for(lambda: any(one.edited for one in messages_of(world.state, request)))
