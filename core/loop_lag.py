"""How late the event loop is: whoever holds it, or the interpreter's lock, keeps everybody waiting.

A thread asks the loop to come round twenty times a second, and notes how late it does. It knows nothing of what the
loop does.
"""

import asyncio
import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

log = logging.getLogger(__name__)

BEAT_S = 0.05
BEATS_A_MINUTE = round(60 / BEAT_S)
LATE_S = 0.1
"""Above this people may notice."""
_SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Time on a processor and time spent waiting for one, in ns
(https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat)."""


@dataclass(frozen=True)
class Beat:
    """How late the loop came round, how much of that its thread waited for a processor, and the largest garbage
    collection since the beat before; all in seconds."""

    lag_s: float
    waited_s: float
    collection_s: float


@dataclass(frozen=True)
class Lag:
    """The last minute, in seconds. `waited_s`: how much of the worst was waiting for a processor."""

    p99_s: float
    worst_s: float
    waited_s: float
    largest_collection_s: float


class LoopLag:
    """Measures the running event loop. Use as a context manager; once a minute the log is told if it stood."""

    def __init__(self, *, beats: int = BEATS_A_MINUTE) -> None:
        """`beats`: how many are kept, and told of together."""
        self._kept = beats
        self._beats: deque[Beat] = deque(maxlen=beats)
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._due = 0.0
        self._waited_before = 0.0
        self._collection_began = 0.0
        self._largest_collection_s = 0.0

    def __enter__(self) -> Self:
        gc.callbacks.append(self._collecting)
        self._waited_before = _waited_for_processor_s()
        threading.Thread(target=self._ask, name="loop lag", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        gc.callbacks.remove(self._collecting)

    def last_minute(self) -> Lag:
        """What was measured. In the loop's thread."""
        if not self._beats:
            return Lag(0.0, 0.0, 0.0, 0.0)
        ordered = sorted(self._beats, key=lambda beat: beat.lag_s)
        worst = ordered[-1]
        return Lag(
            p99_s=ordered[int(0.99 * (len(ordered) - 1))].lag_s,
            worst_s=worst.lag_s,
            waited_s=worst.waited_s,
            largest_collection_s=max(beat.collection_s for beat in self._beats),
        )

    def _ask(self) -> None:
        beats = 0
        self._due = time.perf_counter()
        while not self._stopped.wait(max(0.0, self._due - time.perf_counter())):
            came_round = threading.Event()
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._come_round, came_round)
            while not came_round.wait(1):
                if self._stopped.is_set():
                    return
            self._due = time.perf_counter() + BEAT_S
            beats += 1
            if beats % self._kept == 0:
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._tell)

    def _come_round(self, came_round: threading.Event) -> None:
        """In the loop's thread."""
        waited = _waited_for_processor_s()
        lag = max(0.0, time.perf_counter() - self._due)
        self._beats.append(Beat(lag, min(lag, waited - self._waited_before), self._largest_collection_s))
        self._waited_before, self._largest_collection_s = waited, 0.0
        came_round.set()

    def _tell(self) -> None:
        lag = self.last_minute()
        if lag.worst_s > LATE_S:
            log.warning(
                "the event loop stood for up to %.0f ms in the last minute (99 %% of its turns: under %.0f ms), "
                "%.0f ms of it for want of a processor; the largest garbage collection took %.0f ms",
                *(1000 * seconds for seconds in (lag.worst_s, lag.p99_s, lag.waited_s, lag.largest_collection_s)),
            )

    def _collecting(self, phase: str, _: Mapping[str, int]) -> None:
        """Any thread: a collection holds the interpreter's lock."""
        if phase == "start":
            self._collection_began = time.perf_counter()
        else:
            took = time.perf_counter() - self._collection_began
            self._largest_collection_s = max(self._largest_collection_s, took)


def _waited_for_processor_s() -> float:
    """How long this thread has waited for a processor since it began; 0 where the system does not say."""
    try:
        return int(_SCHEDSTAT.read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
