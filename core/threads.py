"""What the standard library lacks about threads: work that may hang for ever, and what all threads are doing.

Knows nothing of what the threads are for.
"""

import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


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


def stacks() -> str:
    """What each thread is doing, by its name, the innermost call last; a record's `stacks` (see `log_lines.py`)."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = [
        f"Thread {names.get(number, number)}:\n{''.join(traceback.format_stack(frame))}"
        for number, frame in sys._current_frames().items()
    ]
    return "\n".join(parts)
