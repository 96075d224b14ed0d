"""How fast the queue moves, from the pictures painted last: what people who wait are told.

It knows places and seconds, nothing of jobs. Where nothing has been painted yet, it claims what the painter estimates.
"""

import statistics
from collections import deque

LOOKED_BACK = 20
"""Pictures; what was painted long ago tells little of now."""


class Pace:
    """Learns from each picture how long a place in the queue takes."""

    def __init__(self) -> None:
        self._seconds_a_place: deque[float] = deque(maxlen=LOOKED_BACK)

    def learn(self, position: int, seconds: float) -> None:
        """A picture that was at `position` (1 is next) was there after so many seconds."""
        self._seconds_a_place.append(seconds / max(1, position))

    def seconds_until(self, position: int, estimate: float | None = None) -> float | None:
        """How long a picture at `position` will take to be painted; None where nothing is known.

        `estimate`: how many seconds one takes, which counts until one has been painted.
        """
        if not self._seconds_a_place:
            return None if estimate is None else position * estimate
        return position * statistics.median(self._seconds_a_place)
