"""When the process ended so that it would be started again (exit status 75): each time is a line in a file.

The file is written where nothing else may work any more, and read by the start after that.
"""

import time
from contextlib import suppress
from pathlib import Path

WITHIN_S = 3600.0
MANY = 2
FILE = "restarts.txt"


class Restarts:
    """Those of the last hour, in a file of the directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE

    def note(self) -> None:
        """The process ends now to be started again. What cannot be written keeps nothing from ending."""
        with suppress(OSError):
            self._path.write_text("".join(f"{at!r}\n" for at in (*self._of_the_last_hour(), time.time())))

    def are_many(self) -> bool:
        """Whether it has happened for the second time within the hour."""
        return len(self._of_the_last_hour()) >= MANY

    def _of_the_last_hour(self) -> list[float]:
        try:
            times = [float(line) for line in self._path.read_text().split()]
        except (OSError, ValueError):  # there was none, or it was cut off by the end
            return []
        return [at for at in times if 0 <= time.time() - at < WITHIN_S]
