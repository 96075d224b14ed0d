"""Progress bars and lines in the terminal; what fine-tuning knows of them is `core/finetuning/progress.py`."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.finetuning.progress import Advance


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
