"""When there is time to compile a part of the model: while nobody asks, or if it is quickly done. Pure."""

import math
from collections import deque

CALM_S = 1.0
"""So long nobody has asked for anything: whoever comes with the program's start, or asks for one more, waits for no
compiling."""
LONGEST_PAUSE_S = 0.25
"""Pictures under way may stand still so long, which nobody sees."""
NEVER_CALM_S = 120.0
"""Where there is always a picture under way, one part is compiled after so many seconds all the same: else whoever has
the most to paint would paint the slowest for ever."""
REMEMBERED = 3


class Breaks:
    """Knows by what it is told, in a clock's seconds, whether a part may be compiled now. Not thread-safe."""

    def __init__(self, calm_s: float = CALM_S) -> None:
        self._calm_s = calm_s
        self._is_calm = False
        self._since = -math.inf
        self._has_work = True
        self._has_ended = False
        self._lasted: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def next_in_s(self) -> float | None:
        """How long whoever asks next is to be waited for, before there is a break; None: for ever."""
        if self._has_ended or not self._has_work:
            return None
        return 0.0 if self._is_calm else self._calm_s

    def is_one(self, now: float, *, is_busy: bool) -> bool:
        """Whether a part may be compiled now. `is_busy`: whether there are pictures under way."""
        if self._has_ended or not self._has_work:
            return False
        if not is_busy:
            return self._is_calm
        return max(self._lasted, default=math.inf) < LONGEST_PAUSE_S or now - self._since >= NEVER_CALM_S

    def waited(self, now: float, *, came: bool) -> None:
        """Nothing was under way, and whoever asks was waited for; somebody came, or nobody."""
        self._is_calm = not came
        self._since = now

    def stepped(self) -> None:
        """Something was painted, of which there may be something to compile."""
        self._has_work = True

    def took(self, began: float, now: float, *, had_work: bool) -> None:
        """A part was compiled, unless there was none left."""
        self._has_work = had_work
        self._since = now
        if had_work:
            self._lasted.append(now - began)

    def put_off(self) -> None:
        """It was not possible."""
        self._is_calm = False

    def end(self) -> None:
        """There are none any more."""
        self._has_ended = True
