"""The time as Discord has it: this computer's clock may be wrong, and Discord's ids and expiries are not by it.

Every answer of Discord's says when it was sent. It knows the time only to a second, which is enough for ages.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import aiohttp

log = logging.getLogger(__name__)

WORTH_SAYING = timedelta(seconds=60)


class DiscordClock:
    """This computer's clock, corrected by what Discord's answers say."""

    def __init__(self, here: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._here = here
        self._ahead = timedelta()
        self._has_said = False

    def now(self) -> datetime:
        """The time by Discord's clock."""
        return self._here() - self._ahead

    def trace(self) -> aiohttp.TraceConfig:
        """What has to be given to an HTTP session for the clock to see its answers."""
        config = aiohttp.TraceConfig()
        config.on_request_end.append(self._on_request_end)
        return config

    async def _on_request_end(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, answer: aiohttp.TraceRequestEndParams
    ) -> None:
        self.correct(answer.response.headers.get("Date"))

    def correct(self, date: str | None) -> None:
        """Take over the time that an answer came with, an HTTP date."""
        if date is None:
            return
        try:
            there = parsedate_to_datetime(date)
        except ValueError:
            log.debug("%r is no date", date)
            return
        self._ahead = self._here() - there if there.tzinfo is not None else self._ahead
        if abs(self._ahead) > WORTH_SAYING and not self._has_said:
            self._has_said = True
            log.warning("this computer's clock is off by %s; please set it (NTP). I go by Discord's.", self._ahead)
