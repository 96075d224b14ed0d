"""Progress bars and lines in the terminal; what fine-tuning knows of them is `core/finetuning/progress.py`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.finetuning.progress import Advance

SILENCE_S = 30.0
"""How long nothing is said where there is no terminal."""


class ProgressBars:
    """One bar per stage, and lines between them."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Without a terminal there are lines instead of bars."""
        self.console = console or Console(stderr=True)
        self._clock = clock

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """A bar up to `total`."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[remark]}"),
        )
        if not self.console.is_terminal:
            yield self._lines(title, total)
            return
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(title, total=total, remark="")

            def advance(done: int, remark: str = "") -> None:
                progress.update(task, completed=done, remark=remark)

            yield advance

    def _lines(self, title: str, total: int) -> Advance:
        """Where there is no terminal, in a notebook, say: a line now and then, with what time is left."""
        last, first = self._clock(), (0.0, -1)

        def advance(done: int, remark: str = "") -> None:
            nonlocal last, first
            now = self._clock()
            if first[1] < 0:
                first = now, done  # a resumed task does not begin at nothing, and its first part may take long
            if now - last < SILENCE_S:
                return
            last = now
            line = f"{title}: {done} of {total}"
            if done > first[1]:
                left = (now - first[0]) * (total - done) / (done - first[1])
                line += f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"
            self.say(f"{line}  {remark}".rstrip())

        return advance

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self.console.print(line, markup=False, highlight=False)
