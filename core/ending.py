"""The process's end when it cannot end by itself: an event loop that stands, and threads that hang.

All that is to be kept is in the store at any moment, so that ending hard loses nothing. It knows nothing of the bot.
"""

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

from core.errors import ExitCode
from core.threads import stacks

log = logging.getLogger(__name__)

LOOP_STALL_S = 60.0
"""The event loop comes round many times a second; one that stands for so long never will."""
SLICES = 20


def stop_signal() -> asyncio.Event:
    """Set once SIGTERM or SIGINT comes. To be called in the event loop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # on Windows, where Ctrl+C is a KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def stopped_or_lost(stop: asyncio.Event, lost: Coroutine[Any, Any, None]) -> ExitCode:
    """Wait for `stop`, or until the painter is `lost`: RESTART then."""
    tasks = [asyncio.create_task(task) for task in (_set(stop), lost)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    status = ExitCode.RESTART if tasks[1].done() else ExitCode.DONE
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return status


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def end_now(status: int) -> NoReturn:
    """End the process at once, whatever its threads are doing; the log and what was printed are written out."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def end_within(seconds: float, status: int) -> threading.Timer:
    """End the process in so many seconds, unless it has ended by then or the timer is cancelled."""

    def end() -> None:
        log.critical("not ended after %g s; what all threads do:", seconds, extra={"stacks": stacks()})
        end_now(status)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


class LoopWatch:
    """Ends the process with RESTART once the running event loop has stood for `seconds`. Use as a context manager."""

    def __init__(self, seconds: float, *, before_end: Callable[[], object] = lambda: None) -> None:
        """`before_end` is called from another thread, just before the process ends."""
        self._seconds = seconds
        self._before_end = before_end
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._look, name="loop watch", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        faulthandler.cancel_dump_traceback_later()

    def _look(self) -> None:
        slice_s = self._seconds / SLICES
        while True:
            # where something holds the interpreter's lock, this thread stands too: the C timer ends it with status 1
            faulthandler.dump_traceback_later(2 * self._seconds, exit=True)
            if self._stopped.is_set():
                faulthandler.cancel_dump_traceback_later()
                return
            came_round = threading.Event()
            if not _call(self._loop, came_round.set):
                return
            # waited for in slices, so that a pause of the whole process counts as one of them only
            if not any(came_round.wait(slice_s) for _ in range(SLICES)):
                log.critical(
                    "the event loop stands for %g s; what all threads do:", self._seconds, extra={"stacks": stacks()}
                )
                self._before_end()
                end_now(ExitCode.RESTART)
            self._stopped.wait(slice_s)


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> bool:
    """Have `callback` called by the loop; False if the loop has ended."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        return False
    return True
