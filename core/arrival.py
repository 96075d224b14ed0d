"""How much of a download has arrived: a bar in a terminal, one log line every 10 % in a service."""

import logging
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

Tell = Callable[[float], None]
"""Told how much has arrived, from 0 to 1, from the thread that fetches."""


def tell_nobody(share: float) -> None:
    """Nobody but the terminal or the log is told."""


class Arrival:
    """Of `total` bytes of what is called `name`. Libraries that fetch use it as they would use a bar of tqdm's."""

    def __init__(self, name: str, total: int, tell: Tell = tell_nobody) -> None:
        from tqdm import tqdm

        self.total = total
        self._name = name
        self._tell = tell
        self._arrived = 0
        self._percent = -1
        self._bar = tqdm(
            total=total, desc=name, unit="B", unit_scale=True, delay=0.5, leave=False, disable=not sys.stderr.isatty()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def update(self, count: int) -> None:
        """`count` more bytes are here; fewer where some had to be thrown away."""
        self._arrived += count
        self._bar.total = self.total
        self._bar.update(count)
        percent = min(100, int(100 * self._arrived / self.total)) if self.total else 100
        if percent <= self._percent:
            return
        if self._bar.disable and percent // 10 > max(0, self._percent) // 10:
            log.info("%s: %d %% of %.2f GB have arrived", self._name, percent // 10 * 10, self.total / 1e9)
        self._percent = percent
        self._tell(percent / 100)

    def complete(self) -> None:
        """All is here, also what did not have to be fetched because another file holds the same."""
        self.update(self.total - self._arrived)

    def reset(self) -> None:
        """Count anew."""
        self._bar.reset()
        self._arrived = 0

    def close(self) -> None:
        """The download is over, or was given up."""
        self._bar.close()
