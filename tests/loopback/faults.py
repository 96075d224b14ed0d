"""What can go wrong: a fault is *what* happens at *which point*, in which channel, how often and after how many.

It says only what and when; `server.py` carries it out.
"""

import time
from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """What happens to a request."""

    LIMITED = "429"
    LIMITED_GLOBALLY = "429, global"
    ERROR_500 = "500"
    ERROR_502 = "502"
    ERROR_503 = "503"
    ERROR_520 = "520"
    SLOW = "slow"
    BROKEN = "connection broken"
    LOST = "applied, answer lost"
    APPLIED_500 = "applied, 500 answered"
    UNAUTHORIZED = "401, once"
    FORBIDDEN = "403, for good"
    GONE = "404: just deleted"
    TOO_LARGE = "413, for good"
    UNKNOWN_INTERACTION = "10062"
    KILL_BEFORE = "kill -9 before"
    KILL_AFTER = "kill -9 after"


class Point(StrEnum):
    """Which request it happens to."""

    RECORDING = "recording"
    THREAD = "thread"
    FIRST = "first message"
    PROGRESS = "progress edit"
    LAST = "last edit"
    REMOVAL = "removal"
    HISTORY = "history"
    ACKNOWLEDGEMENT = "acknowledgement"
    ORIGINAL = "original response"
    START = "start"
    OTHER = "other"


KILLS = frozenset({What.KILL_BEFORE, What.KILL_AFTER})
STATUSES = {What.ERROR_500: 500, What.ERROR_502: 502, What.ERROR_503: 503, What.ERROR_520: 520}
LASTING = frozenset({What.FORBIDDEN, What.TOO_LARGE})
"""What does not pass by itself."""
FOR_GOOD = 1_000_000


@dataclass
class Fault:
    """`times` requests at `point` (None: at each) are struck, after `after` that are not; or all of them for `seconds`.

    `channel_id` is the text channel, threads included; None: everywhere. `struck` counts.
    """

    what: What
    point: Point | None
    channel_id: int | None = None
    times: int = 1
    after: int = 0
    seconds: float | None = None
    struck: int = 0
    seen: int = 0
    began: float | None = None

    @property
    def points(self) -> frozenset[Point]:
        """Who may not edit a message now may not do so at the end either."""
        if self.point is None:
            return frozenset(Point) - {Point.START}
        also = self.what is What.FORBIDDEN and self.point is Point.PROGRESS
        return frozenset({self.point, Point.LAST} if also else {self.point})

    def strikes(self, point: Point, channel_id: int | None, *, has_files: bool) -> bool:
        """Whether this request is struck; counts it."""
        if point not in self.points or self.channel_id not in (None, channel_id):
            return False
        if self.what is What.TOO_LARGE and not has_files:
            return False
        self.seen += 1
        if self.seen <= self.after or not self._is_due():
            return False
        self.struck += 1
        return True

    def _is_due(self) -> bool:
        if self.seconds is None:
            return self.struck < self.times
        now = time.monotonic()
        self.began = self.began if self.began is not None else now
        return now - self.began < self.seconds


class Faults:
    """The faults that wait for their request."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Let it happen."""
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Nothing happens any more."""
        self._waiting.clear()

    def next(self, point: Point, channel_id: int | None, *, has_files: bool) -> Fault | None:
        """The fault that strikes this request, if any."""
        hits = [fault for fault in self._waiting if fault.strikes(point, channel_id, has_files=has_files)]
        return hits[0] if hits else None
