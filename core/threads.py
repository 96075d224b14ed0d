"""What the standard library lacks about threads: work that may hang for ever, and what all threads are doing.

Knows nothing of what the threads are for.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")

LOW_PRIORITY = 10
"""As nice(1) counts: a tenth of the weight of 0 (sched_prio_to_weight in Linux's kernel/sched/core.c)."""


def in_daemon_thread(work: Callable[[], Result], name: str) -> Future[Result]:
    """Begin `work` in a thread of its own.

    An executor's threads are waited for when the process ends; this one ends with the process, whatever it is doing.
    """
    outcome: Future[Result] = Future()
    outcome.set_running_or_notify_cancel()  # whoever stops waiting does not stop the work

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return outcome


def yield_to_others() -> None:
    """Give the calling thread, and those that it starts, a tenth of a processor's time where others want all of it.

    Only on Linux, where threads have priorities of their own; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may not allow it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)


def stacks() -> str:
    """What each thread is doing, by its name, the innermost call last; a record's `stacks` (see `log_lines.py`)."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = [
        f"Thread {names.get(number, number)}:\n{''.join(traceback.format_stack(frame))}"
        for number, frame in sys._current_frames().items()
    ]
    return "\n".join(parts)
