"""A circuit breaker: what fails again and again is left alone for a while. What it guards is not known here."""

from collections.abc import Callable

FAILURES = 3
"""So many in a row open it."""
REST_S = 60.0


class Breaker:
    """Admits every call until FAILURES in a row have failed, and from then on one each REST_S until one succeeds.

    `clock` tells seconds, and never goes back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._next_try = 0.0

    def admits(self) -> bool:
        """Whether a call may be made now. While open, whoever is admitted is the one try of its REST_S."""
        if self._failures < FAILURES:
            return True
        if self._clock() < self._next_try:
            return False
        self._next_try = self._clock() + REST_S
        return True

    def succeeded(self) -> None:
        """A call has succeeded, which closes it."""
        self._failures = 0

    def failed(self) -> None:
        """A call has failed."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._next_try = self._clock() + REST_S
