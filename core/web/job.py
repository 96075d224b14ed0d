"""One request of a browser: what has become of it, and what is told of that, in order.

What is told is numbered, so that whoever was cut off goes on from there. Of what only the newest counts (a place in
line, a step, a preview) the older is forgotten, so that the list stays short. It knows nothing of engines or of HTTP.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

from core.errors import Cancelled, ImagineSoundError, NothingHeard
from core.events import HeardSummary
from core.hearing.palette import Palette
from core.hearing.strip import Strip
from core.options import ImagineOptions
from core.web.shelf import Shown

GRACE_S = 30.0
"""How long a request that waits is kept while nobody listens."""


class State(StrEnum):
    """Where a request is."""

    HEARING = "hearing"
    HEARD = "heard"
    QUEUED = "queued"
    PAINTING = "painting"
    PAINTED = "painted"
    FAILED = "failed"


WAITING = (State.HEARING, State.HEARD, State.QUEUED)
OVER = (State.PAINTED, State.FAILED)


class Kind(Enum):
    """What is told."""

    HEARD = "heard"
    QUEUED = "queued"
    PAINTING = "painting"
    PREVIEW = "preview"
    PAINTED = "painted"
    FAILED = "failed"


@dataclass(frozen=True)
class Told:
    """One thing that was told; `data` is JSON."""

    number: int
    kind: Kind
    data: dict[str, Any]


@dataclass(frozen=True)
class Preview:
    """The picture under way: a JPEG, and its colours; the `number` changes with it."""

    number: int
    jpeg: bytes
    palette: Palette


@dataclass
class Job:
    """Of the event loop alone. `heard` is there from HEARD on, `picture` when PAINTED, `error` when FAILED.

    `strip`: the sound's, which is woven after it was heard. `about_s`: how long it may still take, where that is known.
    """

    id: str
    browser: str
    options: ImagineOptions
    state: State = State.HEARING
    heard: HeardSummary | None = None
    strip: "asyncio.Task[Strip] | None" = None
    left_out: tuple[str, ...] = ()
    position: int | None = None
    about_s: float | None = None
    step: int = 0
    steps: int = 0
    preview: Preview | None = None
    picture: Shown | None = None
    error: ImagineSoundError | None = None
    ended: float | None = None
    """When, on the event loop's clock."""
    listeners: int = 0
    task: "asyncio.Task[None] | None" = None
    _told: list[Told] = field(default_factory=list)
    _last: int = 0
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _leaving: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in OVER

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody wanted no picture any more."""
        return isinstance(self.error, Cancelled)

    @property
    def is_silent(self) -> bool:
        """Whether there was nothing to paint in it."""
        return isinstance(self.error, NothingHeard)

    @property
    def last_told(self) -> int:
        """The number of what was told last; 0 for nothing."""
        return self._last

    def tell(self, kind: Kind, /, **data: object) -> None:
        """Tell all who listen."""
        self._last += 1
        self._told = [told for told in self._told if told.kind is not kind]
        self._told.append(Told(self._last, kind, data))
        self._wake()

    def _wake(self) -> None:
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
                await self._more.wait()

    async def is_begun(self) -> None:
        """Wait until it is known whether the recording can be heard and painted."""
        while self.state is State.HEARING or self._may_be_silence:
            await self._more.wait()

    @property
    def _may_be_silence(self) -> bool:
        is_silence = self.heard is not None and self.heard.only_silence
        return self.state is State.HEARD and is_silence and not self.options.silence

    def listen(self) -> None:
        """Somebody listens from now on, until `leave`."""
        self.listeners += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def leave(self, when_nobody: Callable[[], None]) -> None:
        """Somebody does not listen any more; `when_nobody` is called if nobody does for a while."""
        self.listeners -= 1
        self.expect(when_nobody)

    def expect(self, when_nobody: Callable[[], None]) -> None:
        """Somebody will listen soon, or `when_nobody` is called."""
        if self.listeners == 0 and not self.is_over:
            if self._leaving is not None:
                self._leaving.cancel()
            self._leaving = asyncio.get_running_loop().call_later(GRACE_S, when_nobody)

    def end(self, state: State) -> None:
        """It is over, as PAINTED or FAILED."""
        self.state = state
        self.ended = asyncio.get_running_loop().time()
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
