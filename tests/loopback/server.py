"""The stand-in for Discord: an HTTP server on 127.0.0.1 that puts state, routes, gateway, limits and faults together.

Every request takes `latency` each way. A route that is not there, and a fault of the stand-in itself, are kept in
`errors`: whoever uses it fails on them.
"""

import asyncio
import contextlib
import inspect
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from tests.loopback import calls
from tests.loopback.calls import Answer, Call, Route
from tests.loopback.channel_routes import ChannelRoutes
from tests.loopback.faults import KILLS, STATUSES, Fault, Faults, Point, What
from tests.loopback.gateway import Gateway
from tests.loopback.interactions import Interactions
from tests.loopback.ratelimits import RateLimits
from tests.loopback.state import Lifetimes, Refused, State

log = logging.getLogger(__name__)

TOKEN = "loopback-token-that-must-never-be-logged"
PREFIX = "/api/v10"
LATENCY_S = 0.06
SLOW_S = 8.0
SLOW_ACKNOWLEDGEMENT_S = 1.5
LIMITED_S = 1.0


class Discord:
    """The server. `address` is known after `start`. `kill` is what a killing fault calls."""

    def __init__(self, *, lifetimes: Lifetimes | None = None, latency: float = LATENCY_S) -> None:
        self._lifetimes = lifetimes
        self._latency = latency
        self.faults = Faults()
        self.limits = RateLimits()
        self.errors: list[str] = []
        self.away = False
        self.kill: Callable[[], None] = lambda: None
        self.state: State
        self.gateway: Gateway
        self.interactions: Interactions
        self._routes: list[Route] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.state = State(f"http://{host}:{port}", self._lifetimes)
        self.gateway = Gateway(self.state, TOKEN, self._latency)
        self.interactions = Interactions(self.state)
        self._routes = [*ChannelRoutes(self.state, self.gateway).routes(), *self.interactions.routes()]

    async def stop(self) -> None:
        """Listen no more."""
        assert self._runner is not None
        await self._runner.cleanup()

    def go_away(self) -> None:
        """The network between the bot and Discord is gone: connections break, and no new one holds."""
        self.away = True
        self.gateway.break_off()

    def come_back(self) -> None:
        """It is there again."""
        self.away = False

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.away:
            return _broken(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.gateway.serve(request)
        await asyncio.sleep(self._latency)
        path = request.path.removeprefix(PREFIX)
        for route in self._routes:
            values = route.match(request.method, path)
            if values is not None:
                break
        else:
            self.errors.append(f"unknown route: {request.method} {request.path}")
            return _error(Refused(404, 0, "404: Not Found"))
        if route.needs_token and request.headers.get("Authorization") != f"Bot {TOKEN}":
            return _error(Refused(401, 0, "401: Unauthorized"))
        try:
            call = await calls.read(request, route, values)
        except ConnectionError:  # the bot was killed while it asked
            return web.Response(status=499)
        response = await self._answer(call, request)
        await asyncio.sleep(self._latency)
        return response

    async def _answer(self, call: Call, request: web.Request) -> web.Response:
        channel_id = self._channel_of(call)
        root_id = self.state.root_of(channel_id) if channel_id is not None else None
        fault = self.faults.next(call.point, root_id, has_files=bool(call.files))
        if fault is not None:
            log.info("%s at %s of %s", fault.what, call.point, call.route.name)
            return await self._strike(fault, call, request)
        return await self._apply(call)

    def _channel_of(self, call: Call) -> int | None:
        if "token" in call.values:
            return self.interactions.channel_of(call.values["token"])
        return call.number("channel_id") if "channel_id" in call.values else None

    async def _apply(self, call: Call) -> web.Response:
        major = call.values.get("channel_id") or call.values.get("token")
        headers, wait = self.limits.take(call.route.name, major)
        if wait is not None:
            return _limited(wait, headers, everywhere=False)
        try:
            answer = call.route.handle(call)
            result: Answer = await answer if inspect.isawaitable(answer) else answer
        except Refused as refused:
            return _error(refused, headers)
        except Exception:
            self.errors.append(traceback.format_exc())
            raise
        if result is None:
            return web.Response(status=204, headers=headers)
        if isinstance(result, bytes):
            return web.Response(body=result, headers=headers)
        return _json(200, result, headers)

    async def _strike(self, fault: Fault, call: Call, request: web.Request) -> web.Response:
        what = fault.what
        if what in STATUSES:
            return _page(STATUSES[what])
        if what in KILLS:
            if what is What.KILL_AFTER:
                await self._apply(call)
            self.kill()
            return _broken(request)
        match what:
            case What.LIMITED | What.LIMITED_GLOBALLY:
                return _limited(LIMITED_S, {}, everywhere=what is What.LIMITED_GLOBALLY)
            case What.SLOW:
                await asyncio.sleep(SLOW_ACKNOWLEDGEMENT_S if call.point is Point.ACKNOWLEDGEMENT else SLOW_S)
                return await self._apply(call)
            case What.BROKEN:
                return _broken(request)
            case What.LOST:
                await self._apply(call)
                return _broken(request)
            case What.APPLIED_500:
                await self._apply(call)
                return _page(500)
            case What.UNAUTHORIZED:
                return _error(Refused(401, 0, "401: Unauthorized"))
            case What.FORBIDDEN:
                return _error(Refused(403, 50001, "Missing Access"))
            case What.TOO_LARGE:
                return _error(Refused(413, 40005, "Request entity too large"))
            case What.UNKNOWN_INTERACTION:
                return _error(Refused(404, 10062, "Unknown interaction"))
            case What.GONE:
                self._remove_target(call)
                return await self._apply(call)
        raise AssertionError(what)

    def _remove_target(self, call: Call) -> None:
        """Somebody has just deleted what the request is about."""
        match call.point:
            case Point.RECORDING:
                self.state.attachments.pop(call.number("attachment_id"), None)
            case Point.FIRST:
                self.state.delete_channel(self.state.channel(call.number("channel_id")))
            case Point.ACKNOWLEDGEMENT | Point.ORIGINAL:
                self.interactions.remove_original(call.values["token"])
            case _:
                channel = self.state.channels[call.number("channel_id")]
                message = channel.messages.get(call.number("message_id"))
                if message is not None and not message.deleted:
                    self.state.delete(message)


def _json(status: int, data: Any, headers: dict[str, str]) -> web.Response:
    # without a charset, as Discord: the library compares the whole header
    return web.Response(status=status, body=json.dumps(data).encode(), headers=headers, content_type="application/json")


def _error(refused: Refused, headers: dict[str, str] | None = None) -> web.Response:
    return _json(refused.status, {"message": refused.message, "code": refused.code}, headers or {})


def _limited(seconds: float, headers: dict[str, str], *, everywhere: bool) -> web.Response:
    data = {"message": "You are being rate limited.", "retry_after": seconds, "global": everywhere}
    more = {"Via": "1.1 google", "Retry-After": f"{seconds:.0f}"} | (
        {"X-RateLimit-Global": "true"} if everywhere else {}
    )
    return _json(429, data, headers | more)


def _page(status: int) -> web.Response:
    """What stands before Discord answers with pages, not with JSON."""
    return web.Response(status=status, text=f"<html><body>{status}</body></html>", content_type="text/html")


def _broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


@contextlib.asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Discord]:
    """A stand-in for as long as it is needed."""
    discord = Discord(**options)
    await discord.start()
    try:
        yield discord
    finally:
        await discord.stop()
