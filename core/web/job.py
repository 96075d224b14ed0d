"""One request of a browser for a picture: what has become of it. It knows nothing of engines or of HTTP."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from core.errors import NothingHeard
from core.events import HeardSummary
from core.hearing.palette import Palette
from core.hearing.strip import Strip
from core.options import ImagineOptions
from core.web.followed import Followed
from core.web.shelf import Shown


class State(StrEnum):
    """Where a request is."""

    HEARING = "hearing"
    HEARD = "heard"
    QUEUED = "queued"
    PAINTING = "painting"
    PAINTED = "painted"
    FAILED = "failed"


class Kind(StrEnum):
    """What is told."""

    HEARD = "heard"
    QUEUED = "queued"
    PAINTING = "painting"
    PREVIEW = "preview"
    PAINTED = "painted"
    FAILED = "failed"


@dataclass(frozen=True)
class Preview:
    """The picture under way: a JPEG, and its colours; the `number` changes with it."""

    number: int
    jpeg: bytes
    palette: Palette


@dataclass
class Job(Followed):
    """Of the event loop alone. `heard` is there from HEARD on, `picture` when PAINTED, `error` when FAILED.

    `strip`: the sound's, which is woven after it was heard. `about_s`: how long it may still take, where that is known.
    """

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

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of it is painted yet."""
        return self.state in (State.HEARING, State.HEARD, State.QUEUED)

    @property
    def is_painting(self) -> bool:
        """Whether it is being painted."""
        return self.state is State.PAINTING

    @property
    def page(self) -> str:
        """Where it is seen."""
        return f"/jobs/{self.id}"

    @property
    def page_after(self) -> str:
        """Where whoever cancels it is led to."""
        return "/"

    @property
    def is_silent(self) -> bool:
        """Whether there was nothing to paint in it."""
        return isinstance(self.error, NothingHeard)

    async def is_begun(self) -> None:
        """Wait until it is known whether the recording can be heard and painted."""
        while self.state is State.HEARING or self._may_be_silence:
            await self.news()

    @property
    def _may_be_silence(self) -> bool:
        is_silence = self.heard is not None and self.heard.only_silence
        return self.state is State.HEARD and is_silence and not self.options.silence

    def succeed(self, picture: Shown) -> None:
        """It is painted."""
        self.picture, self.state = picture, State.PAINTED
        self.end()

    def fail(self) -> None:
        """No picture comes of it; `error` says why."""
        self.state = State.FAILED
        self.end()
        self.tell(Kind.FAILED, error=str(self.error), kind=type(self.error).__name__)

    def forget_little(self) -> None:
        """Nobody asks for the preview any more."""
        self.preview = None
