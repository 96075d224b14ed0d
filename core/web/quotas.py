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
        self.check(browser, 1)
        self._unfinished[browser] += 1

    def check(self, browser: str, pictures: int) -> None:
        """Whether so many pictures more may be asked for. Raises TooMuch."""
        self._look_back(browser)
        limits = self._settings
        mine, most = self._asked.get(browser, deque()), limits.pictures_per_user_hour
        if len(mine) + pictures > most:
            until = self._until(mine, most, pictures)
            if pictures > 1:
                raise TooMuch(
                    f"This takes {pictures} pictures more, and you may ask for {most} within an hour; please come back "
                    f"in {_when(until)}, or take a shorter recording.",
                    until,
                )
            raise TooMuch(f"You asked for {most} pictures within an hour; please come back in {_when(until)}.", until)
        most = min(limits.pictures_per_server_hour, limits.pictures_per_hour or limits.pictures_per_server_hour)
        if len(self._all) + pictures > most:
            until = self._until(self._all, most, pictures)
            raise TooMuch(f"This page has painted all that it may this hour; come back in {_when(until)}.", until)

    def spend(self, browser: str, pictures: int = 1) -> None:
        """The request is heard and painted: it counts."""
        times = [self._now()] * pictures
        self._asked.setdefault(browser, deque()).extend(times)
        self._all.extend(times)

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

    def _until(self, asked: deque[float], most: int, pictures: int) -> float:
        """Seconds until so many are few enough; an hour where that is never so."""
        last = len(asked) + pictures - most - 1
        return asked[last] + HOUR_S - self._now() if last < len(asked) else HOUR_S


def _when(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
