"""How a run tells how far it is. Who shows it, and how, is not known here."""

from contextlib import AbstractContextManager
from typing import Protocol


class Advance(Protocol):
    """Tells how far a task is."""

    def __call__(self, done: int, remark: str = "") -> None:
        """`done` of the total is done; `remark` says a little more."""
        ...


class Progress(Protocol):
    """One task per stage, and lines between them."""

    def task(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """A task of `total` parts."""
        ...

    def say(self, line: str) -> None:
        """Something that a person should know now."""
        ...
