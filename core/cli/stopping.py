"""When a long run is to stop: at Ctrl-C or SIGTERM, or when its time is over; both at its next step."""

import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from core.errors import InvalidHyperparameters

_TIME_SPAN = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")


def seconds_of(text: str) -> float:
    """A span of time as people write it: `11h`, `90m`, `1h30m`, `45s`. Raises ValueError if the text is none."""
    match = _TIME_SPAN.fullmatch(text.strip().lower())
    parts = match.groupdict() if match else {}
    total = sum(float(parts.get(unit) or 0) * factor for unit, factor in (("h", 3600), ("m", 60), ("s", 1)))
    if total <= 0:
        raise ValueError(f"{text!r} is no span of time; write 11h, 90m or 1h30m")
    return total


def deadline_after(stop_after: str | None) -> float:
    """The time of the monotonic clock at which to stop; infinite for None. Raises InvalidHyperparameters."""
    if stop_after is None:
        return float("inf")
    try:
        return time.monotonic() + seconds_of(stop_after)
    except ValueError as error:
        raise InvalidHyperparameters(f"--stop-after: {error}.") from error


class Interrupts:
    """Turns the first Ctrl-C or SIGTERM into a wish to stop at the next step; the second one ends at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> "Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):  # not in the main thread
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
