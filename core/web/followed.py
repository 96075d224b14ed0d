"""What a browser asked for and follows: what is told of it, in order, until it is over, to whoever listens.

What is told is numbered, so that whoever was cut off goes on from there. Of what only the newest counts (a place in
line, a step, a preview) the older is forgotten, so that the list stays short. It knows nothing of what is asked for.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from core.errors import Cancelled, ImagineSoundError

GRACE_S = 30.0
"""How long a request that waits is kept while nobody listens."""


@dataclass(frozen=True)
class Told:
    """One thing that was told; `data` is JSON."""

    number: int
    kind: StrEnum
    data: dict[str, Any]


@dataclass
class Followed(ABC):
    """Of the event loop alone. `error`: why it failed. `ended`: when it was over, on the event loop's clock."""

    id: str
    browser: str
    error: ImagineSoundError | None = field(default=None, kw_only=True)
    ended: float | None = field(default=None, kw_only=True)
    listeners: int = field(default=0, kw_only=True)
    task: "asyncio.Task[None] | None" = field(default=None, kw_only=True)
    _told: list[Told] = field(default_factory=list, kw_only=True)
    _last: int = field(default=0, kw_only=True)
    _more: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)
    _leaving: asyncio.TimerHandle | None = field(default=None, kw_only=True)

    @property
    @abstractmethod
    def is_waiting(self) -> bool:
        """Whether nothing is lost yet where nobody wants it any more."""

    @property
    @abstractmethod
    def is_painting(self) -> bool:
        """Whether it is being made."""

    @property
    @abstractmethod
    def page(self) -> str:
        """Where it is seen."""

    @property
    @abstractmethod
    def page_after(self) -> str:
        """Where whoever cancels it is led to."""

    @abstractmethod
    async def is_begun(self) -> None:
        """Wait until it is known whether the recording can be heard, and anything come of it."""

    @abstractmethod
    def fail(self) -> None:
        """It is over, without what was asked for; `error` says why."""

    @abstractmethod
    def forget_little(self) -> None:
        """It was over a while ago: what only counted on the way is not needed any more."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.ended is not None

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody wanted it no more."""
        return isinstance(self.error, Cancelled)

    @property
    def last_told(self) -> int:
        """The number of what was told last; 0 for nothing."""
        return self._last

    def tell(self, kind: StrEnum, /, **data: object) -> None:
        """Tell all who listen."""
        self._last += 1
        self._told = [told for told in self._told if told.kind is not kind]
        self._told.append(Told(self._last, kind, data))
        self._more.set()
        self._more = asyncio.Event()

    async def told_since(self, number: int) -> AsyncIterator[Told]:
        """What was told after `number`, as it comes, until the request is over."""
        while True:
            for told in [told for told in self._told if told.number > number]:
                number = told.number
                yield told
            if self.is_over and number >= self._last:
                return
            if number >= self._last:
                await self.news()

    async def news(self) -> None:
        """Wait until something is told."""
        await self._more.wait()

    def listen(self) -> None:
        """Somebody listens from now on, until `leave`."""
        self.listeners += 1
        self._stay()

    def leave(self, when_nobody: Callable[[], None]) -> None:
        """Somebody does not listen any more; `when_nobody` is called if nobody does for a while."""
        self.listeners -= 1
        self.expect(when_nobody)

    def expect(self, when_nobody: Callable[[], None]) -> None:
        """Somebody will listen soon, or `when_nobody` is called."""
        if self.listeners == 0 and not self.is_over:
            self._stay()
            self._leaving = asyncio.get_running_loop().call_later(GRACE_S, when_nobody)

    def end(self) -> None:
        """It is over."""
        self.ended = asyncio.get_running_loop().time()
        self._stay()

    def _stay(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
