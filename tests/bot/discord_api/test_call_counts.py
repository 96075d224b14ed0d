"""Discord's answers are counted by their status, and calls without one are counted, too."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.discord_api.call_counts import CALLS, counted


def count(status: str) -> float:
    return float(CALLS.labels(status)._value.get())


async def test_calls_are_counted_by_how_they_were_answered() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=429 if request.path == "/busy" else 204)

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", answer)])
    before = {status: count(status) for status in ("204", "429", "none")}
    traces = [counted(aiohttp.TraceConfig())]
    async with TestServer(app) as server, aiohttp.ClientSession(trace_configs=traces) as session:
        for path in ("/", "/", "/busy"):
            await session.get(server.make_url(path))
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://127.0.0.1:{unused_port()}/")
    assert {status: count(status) - was for status, was in before.items()} == {"204": 2, "429": 1, "none": 1}
