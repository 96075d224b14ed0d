"""An event loop in one thread whose time passes only when nothing else is left to be done.

What would run in other threads runs in between, after a moment, so that the same steps always lead to the same end, and
the loop can be stopped at any of them.
"""

import asyncio
import selectors
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock

import aiosqlite.core

T = TypeVar("T")

MOMENT_S = 0.003
"""What a thread takes to begin, and to hand over what it has done."""
WITHOUT_END = 1_000_000_000


class QuickLoop(asyncio.SelectorEventLoop):
    """Stops by itself after `steps`, each of them one wait of the whole process."""

    def __init__(self) -> None:
        self.now, self.steps = 0.0, WITHOUT_END
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def run_steps(self, count: int) -> None:
        """Go on until the process has waited so many times, or has nothing to wait for."""
        self.steps = count
        self.run_forever()
        self.steps = WITHOUT_END

    def run_for(self, seconds: float) -> None:
        self.run_until_complete(asyncio.sleep(seconds))

    def drop_everything(self) -> None:
        """End all tasks; what waits for its time, or in a thread, is never done."""
        while tasks := asyncio.all_tasks(self):  # again, since some begin others to clean up
            for task in tasks:
                task.cancel()
            self.run_until_complete(asyncio.wait(tasks))
            self.run_steps(0)
            for task in tasks:
                task.cancelled() or task.exception()  # which nobody waits for any more

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future: asyncio.Future[T] = self.create_future()

        def run() -> None:
            if future.done():  # cancelled before a thread was free for it
                return
            try:
                result = func(*args)
            except Exception as error:
                self.call_later(MOMENT_S, _hand_over, future.set_exception, future, error)
            else:
                self.call_later(MOMENT_S, _hand_over, future.set_result, future, result)

        self.call_later(MOMENT_S, run)
        return future


class _Selector(selectors.DefaultSelector):
    """Lets no time pass, but on the loop's own clock."""

    def __init__(self, loop: QuickLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or (timeout > 0 and self._loop.steps == 0):
            self._loop.stop()
        elif timeout > 0:
            self._loop.steps -= 1
            self._loop.now += timeout
        return super().select(0)


def _hand_over(act: Callable[[Any], None], future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        act(result)


class _Thread:
    """A thread that does nothing."""

    daemon = True

    def __init__(self, **_: Any) -> None: ...

    def start(self) -> None: ...


class _Orders:
    """Orders for a thread, carried out at once."""

    def put_nowait(self, order: tuple["asyncio.Future[Any] | None", Callable[[], Any]]) -> None:
        future, function = order
        try:
            result = function()
        except Exception as error:
            if future is not None:
                future.set_exception(error)
        else:
            if future is not None:
                future.set_result(result)


@contextmanager
def sqlite_in_the_same_thread() -> Iterator[None]:
    """Let aiosqlite carry out at once what it would hand to a thread."""
    with (
        mock.patch.object(aiosqlite.core, "Thread", _Thread),
        mock.patch.object(aiosqlite.core, "SimpleQueue", _Orders),
    ):
        yield
