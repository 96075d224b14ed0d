"""Kills a process where it touches a file, at each where it counts, and at random: `python -m ... WHAT DIRECTORY`.

It prints the directories that the killed processes left, a line each: each began with a copy of DIRECTORY/template. The
processes are forked, so that the program is loaded once; the last one comes to its end.
"""

import asyncio
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.storage.backup import back_up
from bot.storage.replacing import READY
from bot.storage.restore import restore
from bot.storage.store import Store
from tests.bot.storage.installations import installation

TOUCHES = frozenset(
    {
        "open",
        "os.rename",
        "os.remove",
        "os.link",
        "os.mkdir",
        "os.rmdir",
        "os.chmod",
        "shutil.copyfile",
        "sqlite3.connect",
    }
)
"""Python's own events for what changes files (https://docs.python.org/3/library/audit_events.html)."""
AT_RANDOM = 2
EVERY = 8
"""While a restore is only being made ready, and of a migration, so many touches are skipped."""


def make_backup(directory: Path) -> None:
    of = installation(directory)
    back_up(of, directory / "backup.zip", of.adapters())


def bring_back(directory: Path) -> None:
    file = directory / "earlier.zip"
    asyncio.run(restore(file, installation(directory), datetime.now(UTC), timedelta(days=1)))


def migrate(directory: Path) -> None:
    async def open_and_close() -> None:
        store = Store(installation(directory).database)
        await store.open()
        await store.close()

    asyncio.run(open_and_close())


WHAT: Mapping[str, Callable[[Path], None]] = {"backup": make_backup, "restore": bring_back, "migration": migrate}


def killed_at(nth: int, act: Callable[[Path], None], directory: Path, *, after_s: float | None = None) -> bool:
    """Whether the process was killed, at the `nth` touch of a file or after so many seconds."""
    child = os.fork()
    if child == 0:
        left = nth

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in TOUCHES and str(directory) in str(arguments):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        if after_s is None:
            sys.addaudithook(hook)
        else:
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, after_s)
        act(directory)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def main(what: str, root: Path) -> None:
    act, nth = WHAT[what], 1
    began = time.monotonic()
    while killed_at(nth, act, shutil.copytree(root / "template", root / f"{nth}")):
        print(root / f"{nth}")
        began, nth = time.monotonic(), nth + (1 if what == "backup" or (root / f"{nth}" / READY).exists() else EVERY)
    took_s = time.monotonic() - began
    for number in range(AT_RANDOM):
        place = root / f"random-{number}"
        killed_at(0, act, shutil.copytree(root / "template", place), after_s=random.uniform(0.001, took_s))
        print(place)
    print(root / f"{nth}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
