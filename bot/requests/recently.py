"""What happened only just now: a second click of the same finger, a sentence that has been said to somebody already.

Kept in memory: what a restart forgets is said once more, at worst.
"""

import time
from collections.abc import Hashable


class Recently:
    """Remembers keys for `seconds` each."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[Hashable, float] = {}

    def again(self, key: Hashable) -> bool:
        """Whether it was noted within the last `seconds`; if not, it is now."""
        now = time.monotonic()
        self._until = {other: until for other, until in self._until.items() if until > now}
        repeated = key in self._until
        self._until.setdefault(key, now + self._seconds)
        return repeated

    def forget(self, key: Hashable) -> None:
        """It did not happen after all."""
        self._until.pop(key, None)
