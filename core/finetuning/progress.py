"""Progress bars and lines in the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Advance(Protocol):
    """Moves a bar."""

    def __call__(self, done: int, remark: str = "") -> None:
        """`done` of the total is done; `remark` is shown beside the bar."""
        ...


class ProgressBars:
    """One bar per stage, and lines between them."""

    def __init__(self, console: Console | None = None) -> None:
        """Without a terminal the bars are left out and the lines stay."""
        self.console = console or Console(stderr=True)

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
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            task = progress.add_task(title, total=total, remark="")

            def advance(done: int, remark: str = "") -> None:
                progress.update(task, completed=done, remark=remark)

            yield advance

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self.console.print(line, markup=False, highlight=False)
