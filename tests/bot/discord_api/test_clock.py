"""Ages go by Discord's clock, which each of its answers tells, and a computer's clock that is off is named once."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.discord_api.clock import DiscordClock

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
THEN = "Thu, 01 Jan 2026 11:00:00 GMT"


def test_time_is_discords_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = DiscordClock(lambda: NOW)
    assert clock.now() == NOW
    for _ in range(2):
        clock.correct(THEN)
    assert clock.now() == NOW - timedelta(hours=1)
    assert sum("clock is off by 1:00:00" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 99 Jan 2026 11:00:00 GMT"])
def test_answer_without_a_date_changes_nothing(date: str | None) -> None:
    clock = DiscordClock(lambda: NOW)
    clock.correct(date)
    assert clock.now() == NOW


async def test_every_answer_of_a_session_is_seen() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(headers={"Date": THEN})

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    clock = DiscordClock(lambda: NOW)
    async with TestServer(app) as server, aiohttp.ClientSession(trace_configs=[clock.trace()]) as session:
        await session.get(server.make_url("/"))
    assert clock.now() == NOW - timedelta(hours=1)
