"""All requests of the page: each is a task that outlives its browser's connection.

They are kept in memory for a day at most. It knows nothing of what they are for, of HTTP, nor of who may see what.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from core.errors import Cancelled, ImagineSoundError, ShuttingDown
from core.log_lines import one_line
from core.web.followed import Followed
from core.web.quotas import Quotas
from core.web.shelf import KEPT_S

log = logging.getLogger(__name__)

MOST_REMEMBERED = 5000
"""Requests that are over; each takes a few kilobytes."""
LITTLE_KEPT_S = 60.0
"""A browser may still ask for a preview when the picture is there."""
SHUTTING_DOWN = "This page is being shut down; please ask again in a minute."
FAULT = "Something went wrong here that is no fault of your recording; please try again."


class Register:
    """Begins requests, remembers and forgets them."""

    def __init__(self, quotas: Quotas, now: Callable[[], float]) -> None:
        """`now`: in seconds since the epoch."""
        self._quotas = quotas
        self._now = now
        self._all: dict[str, Followed] = {}
        self._closed = False
        self.last_failure: tuple[float, str] | None = None
        """When, in seconds since the epoch, and the sentence that somebody was told."""

    def check_open(self) -> None:
        """Raises ShuttingDown where nothing is taken any more."""
        if self._closed:
            raise ShuttingDown(SHUTTING_DOWN)

    def begin(self, asked: Followed, work: Callable[[], Awaitable[None]]) -> None:
        """Do the `work` for what is asked, for which a place in the quotas was taken."""
        self._all[asked.id] = asked
        asked.task = asyncio.create_task(self._run(asked, work), name=f"page's request {asked.id[:8]}")
        self.touch(asked)

    def find(self, name: str, browser: str) -> Followed | None:
        """That browser's request with that id."""
        asked = self._all.get(name)
        return asked if asked is not None and asked.browser == browser and browser else None

    def of(self, browser: str) -> list[Followed]:
        """A browser's requests, the newest first, but for those of which nothing came."""
        return [asked for asked in self._all.values() if asked.browser == browser and asked.error is None][::-1]

    def cancel(self, asked: Followed) -> None:
        """Nobody wants it any more."""
        if asked.task is not None and not asked.is_over:
            asked.task.cancel()

    def touch(self, asked: Followed) -> None:
        """Somebody has looked, who cannot listen."""
        asked.expect(partial(self._nobody_listens, asked))

    def leave(self, asked: Followed) -> None:
        """Somebody does not listen any more."""
        asked.leave(partial(self._nobody_listens, asked))

    def unfinished(self) -> tuple[int, int]:
        """How many requests are being painted, and how many wait for that."""
        return sum(asked.is_painting for asked in self._all.values()), sum(a.is_waiting for a in self._all.values())

    def forget(self, asked: Followed) -> None:
        """As if it had never been asked for."""
        self._all.pop(asked.id, None)

    def forget_old(self) -> None:
        """Forget what was over a day ago, or too many requests ago."""
        now = asyncio.get_running_loop().time()
        over = [(asked, now - asked.ended) for asked in self._all.values() if asked.ended is not None]
        for index, (asked, ago) in enumerate(over):
            if ago > KEPT_S or index < len(over) - MOST_REMEMBERED:
                self.forget(asked)
            elif ago > LITTLE_KEPT_S:
                asked.forget_little()

    async def close(self) -> None:
        """Cancel what is not over, and take nothing more."""
        self._closed = True
        tasks = [asked.task for asked in self._all.values() if asked.task is not None and not asked.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _nobody_listens(self, asked: Followed) -> None:
        if asked.is_waiting and asked.listeners == 0:
            log.info("request %s waited and nobody listened", asked.id[:8])
            self.cancel(asked)

    async def _run(self, asked: Followed, work: Callable[[], Awaitable[None]]) -> None:
        """From beginning to end; nothing gets out of it."""
        try:
            await work()
        except asyncio.CancelledError:
            self._fail(asked, ShuttingDown(SHUTTING_DOWN) if self._closed else Cancelled())
        except ImagineSoundError as error:
            log.info("request %s failed: %s (%r)", asked.id[:8], one_line(str(error)), error.__cause__)
            self._fail(asked, error)
        except Exception:
            log.exception("request %s failed", asked.id[:8])
            self._fail(asked, ImagineSoundError(FAULT))
        finally:
            self._quotas.end(asked.browser)
            self.forget_old()

    def _fail(self, asked: Followed, error: ImagineSoundError) -> None:
        asked.error = error
        if not asked.is_cancelled:
            self.last_failure = (self._now(), str(error))
        asked.fail()
