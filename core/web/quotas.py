"""How much one browser, and all of them together, may ask for: pictures in an hour, and requests at once.

It is kept in memory: whoever throws a cookie away begins anew, so that what all together may ask for is the wall. It
knows nothing of what is asked for.
"""

import time
from collections import Counter, deque
from collections.abc import Callable

from core.errors import ImagineSoundError
from core.settings import ServiceSettings

HOUR_S = 3600.0
SOON_S = 10
"""When to try again where a picture has to be finished first."""


class TooMuch(ImagineSoundError):
    """`retry_s`: in so many seconds it may be possible."""

    def __init__(self, sentence: str, retry_s: float) -> None:
        super().__init__(sentence)
        self.retry_s = max(1, round(retry_s))


class Quotas:
    """What each browser asked for within the last hour, and what of it is unfinished."""

    def __init__(self, settings: ServiceSettings, now: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._now = now
        self._asked: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()
        self._unfinished: Counter[str] = Counter()

    def begin(self, browser: str) -> None:
        """Take a place for a request, which has to `end`. Raises TooMuch."""
        limits = self._settings
        if self._unfinished[browser] >= limits.waiting_per_user:
            raise TooMuch("Your other pictures are not finished yet; please wait for one of them.", SOON_S)
        if self._unfinished.total() >= limits.waiting_per_server:
            raise TooMuch("Too many pictures are waiting already; please try again later.", SOON_S)
        self._look_back(browser)
        mine, most = self._asked.get(browser, deque()), limits.pictures_per_user_hour
        if len(mine) >= most:
            raise TooMuch(
                f"You asked for {most} pictures within an hour; please come back in {_when(self._until(mine, most))}.",
                self._until(mine, most),
            )
        most = min(limits.pictures_per_server_hour, limits.pictures_per_hour or limits.pictures_per_server_hour)
        if len(self._all) >= most:
            until = self._until(self._all, most)
            raise TooMuch(f"This page has painted all that it may this hour; come back in {_when(until)}.", until)
        self._unfinished[browser] += 1

    def spend(self, browser: str) -> None:
        """The request is heard and painted: it counts."""
        now = self._now()
        self._asked.setdefault(browser, deque()).append(now)
        self._all.append(now)

    def give_back(self, browser: str) -> None:
        """The newest request came to nothing by no fault of whoever asked: it does not count."""
        mine = self._asked.get(browser)
        if mine:
            self._all.remove(mine.pop())

    def end(self, browser: str) -> None:
        """A request is over, however it ended."""
        self._unfinished[browser] -= 1
        if self._unfinished[browser] <= 0:
            del self._unfinished[browser]

    def _look_back(self, browser: str) -> None:
        """Forget what was asked for more than an hour ago, and browsers of which nothing is left."""
        past = self._now() - HOUR_S
        for asked in (self._all, self._asked.get(browser, deque())):
            while asked and asked[0] <= past:
                asked.popleft()
        if len(self._asked) > 2 * len(self._all) + 100:
            self._asked = {name: asked for name, asked in self._asked.items() if asked and asked[-1] > past}

    def _until(self, asked: deque[float], most: int) -> float:
        return asked[len(asked) - most] + HOUR_S - self._now()


def _when(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
