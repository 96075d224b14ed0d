"""What follows from a shortage of memory: fewer pictures at once for a while, and rests for whom nothing helps.

Pure but for the clock that it is given; knows nothing of pictures.
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

FIRST_PATIENCE_S = 60.0
"""So long without a failure, and the whole number is tried again; after each trial that fails, twice as long."""
LONGEST_PATIENCE_S = 240.0

RESTS_S = (1.0, 4.0, 15.0)
"""Who does not fit even alone rests so long, time after time, for memory that another program holds."""


@dataclass(frozen=True)
class Clock:
    """Seconds that only grow, and how to let some pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


USUAL_CLOCK = Clock()


@dataclass(frozen=True)
class Rest:
    """Not before `until`, in the clock's seconds; `number` rests were taken one after the other."""

    number: int = 0
    until: float = 0.0

    def next(self, now: float) -> "Rest | None":
        """The rest that follows on another failure; None if there were enough."""
        if self.number == len(RESTS_S):
            return None
        return Rest(self.number + 1, now + RESTS_S[self.number])


NO_REST = Rest()


@dataclass(frozen=True)
class Reduction:
    """At most `most` at once until `until`, in the clock's seconds, `patience_s` after the last failure."""

    most: int
    until: float
    patience_s: float

    def is_trial(self, size: int, now: float) -> bool:
        """Whether `size` at once is more than this allowed, after its time."""
        return now >= self.until and size > self.most


class Allowance:
    """How many at once after what has failed lately, for each kind of work apart. Not thread-safe."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._reductions: dict[Hashable, Reduction] = {}

    def most(self, kind: Hashable, planned: int) -> int:
        """How many to try at once where `planned` are to fit; 0 if one alone has failed."""
        reduction = self._reductions.get(kind)
        if reduction is None or self._now() >= reduction.until:
            return planned
        return min(planned, reduction.most)

    def failed(self, kind: Hashable, size: int) -> None:
        """`size` at once did not fit: half as many from now on."""
        before, now = self._reductions.get(kind), self._now()
        patience_s = FIRST_PATIENCE_S if before is None else before.patience_s
        if before is not None and before.is_trial(size, now):
            patience_s = min(LONGEST_PATIENCE_S, 2 * patience_s)
        self._reductions[kind] = Reduction(size // 2, now + patience_s, patience_s)

    def worked(self, kind: Hashable, size: int) -> None:
        """`size` at once did fit; if they were a trial, nothing is short any more."""
        before = self._reductions.get(kind)
        if before is not None and before.is_trial(size, self._now()):
            del self._reductions[kind]
