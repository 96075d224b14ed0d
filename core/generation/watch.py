"""Watches the painting thread from a thread of its own: a step that hangs is noticed, since nothing else would.

The painting thread says what it begins; what has not ended within its phase's limit never will. It knows nothing of
models, requests or what becomes of a painter that is lost.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TypeVar

from core.errors import PainterLost
from core.threads import in_daemon_thread, stacks

log = logging.getLogger(__name__)

STALL_SECONDS = 120.0
"""A step takes seconds; nothing between two ticks takes as long as this on a working GPU."""

STEPS_A_STALL = 20
"""Where steps are slow by nature, so many times the usual one is a stall."""

STEPS_REMEMBERED = 99

LOOKS_A_STALL = 20
LONGEST_BETWEEN_LOOKS_S = 1.0


Result = TypeVar("Result")


class Phase(StrEnum):
    """What the painting thread is doing."""

    LOADING = "loading the model"
    WAITING = "waiting for requests"
    COMPILING = "compiling a part of the model"
    STEPPING = "taking a step"
    BETWEEN_STEPS = "encoding, previewing or decoding"
    WHOLE_PICTURE = "painting a picture in one go"


@dataclass(frozen=True)
class Patience:
    """How long a phase may last, in seconds; waiting for requests may last for ever."""

    loading_s: float = 600.0
    compiling_s: float = 1800.0
    whole_picture_s: float = 1800.0
    stall_s: float = STALL_SECONDS

    def limit(self, phase: Phase, steps: Sequence[float]) -> float | None:
        """The limit of `phase`, None for none; `steps` are how long the last steps took."""
        match phase:
            case Phase.WAITING:
                return None
            case Phase.LOADING:
                return self.loading_s
            case Phase.COMPILING:
                return self.compiling_s
            case Phase.WHOLE_PICTURE:
                return self.whole_picture_s
            case Phase.STEPPING | Phase.BETWEEN_STEPS:
                return max(self.stall_s, STEPS_A_STALL * median(steps)) if steps else self.stall_s

    @property
    def between_looks_s(self) -> float:
        """How long the watch sleeps between two looks."""
        return min(LONGEST_BETWEEN_LOOKS_S, min(self.loading_s, self.compiling_s, self.stall_s) / LOOKS_A_STALL)


USUAL_PATIENCE = Patience()


@dataclass(frozen=True, eq=False)
class Tick:
    """The beginning of something, at a monotonic time."""

    phase: Phase
    began: float


def within(limit_s: float, work: Callable[[], Result]) -> Result:
    """What `work` returns, done in a thread of its own. Raises PainterLost where it takes longer than `limit_s`.

    For what is asked of a device before there is a painting thread.
    """
    working = in_daemon_thread(work, "device")
    if not wait({working}, limit_s).done:
        log.critical(
            "the device has not answered within %g s; what all threads do:", limit_s, extra={"stacks": stacks()}
        )
        raise PainterLost
    return working.result()


class Watch:
    """Calls `on_stall`, once and in its own thread, with what hangs. `begin` is called by the thread it watches."""

    def __init__(self, on_stall: Callable[[str], None], patience: Patience) -> None:
        self._on_stall = on_stall
        self._patience = patience
        self._lock = threading.Lock()
        self._tick = Tick(Phase.LOADING, time.monotonic())
        self._steps: deque[float] = deque(maxlen=STEPS_REMEMBERED)
        self._stopped = threading.Event()
        threading.Thread(target=self._look, name="watch", daemon=True).start()

    def begin(self, phase: Phase) -> None:
        """The thread begins something; what it did before has ended."""
        now = time.monotonic()
        with self._lock:
            if self._tick.phase is Phase.STEPPING:
                self._steps.append(now - self._tick.began)
            self._tick = Tick(phase, now)

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def _look(self) -> None:
        between_s = self._patience.between_looks_s
        seen, unchanged_s = self._tick, 0.0
        while not self._stopped.wait(between_s):
            with self._lock:
                tick, steps = self._tick, tuple(self._steps)
            # looks are counted, not the clock's seconds: while the whole process is paused, nothing grows old
            unchanged_s = unchanged_s + between_s if tick is seen else 0.0
            seen = tick
            limit = self._patience.limit(tick.phase, steps)
            if limit is not None and unchanged_s >= limit:
                stalled = f"{tick.phase} has not ended within {limit:g} s"
                log.critical("%s; what all threads do:", stalled, extra={"stacks": stacks()})
                self._on_stall(stalled)
                return
