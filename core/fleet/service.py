"""A painter behind HTTP, for whoever paints through it from elsewhere: requests in, server-sent events out.

    POST   /v1/pictures        {"id": ..., "prompt": ..., ...}; answers with events; the same id again is one picture
    POST   /v1/inspections     the same for the noise of a picture
    DELETE /v1/pictures/{id}   gives it up, or throws it away once it was fetched
    GET    /v1/info            the model and its defaults, how many requests it holds, and what it has counted
    POST   /v1/tokens          {"texts": [...]}: how many tokens the model reads in each
    GET    /healthz, /readyz

What is said in them: `wire.py`. It knows nothing of queues between people: whoever asks is to ask for no more than
there are places.
"""

import hmac
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp_sse import EventSourceResponse

from core.address import Address
from core.fleet.binary import Nonsense
from core.fleet.desk import Asked, Desk, NotReady, object_of
from core.fleet.kept import UNHEARD_S
from core.fleet.wire import Json
from core.painter import Painter

PING_S = 3.0
"""A painter that says nothing for several times as long is taken to be gone."""
LONGEST_SENDING_S = 60.0
"""So long an event may take to be sent; a slow line needs a while for a picture."""
MOST_BYTES = 64_000_000
"""Of a request, which may hold a picture to be inspected."""


def create_service(painter: Painter, *, token: str | None = None, unheard_s: float = UNHEARD_S) -> web.Application:
    """The service around `painter`, which is loaded at once; whoever knows `token` may use it.

    Without a token everybody may who reaches it, but no browser on behalf of a page.
    """
    app = web.Application(client_max_size=MOST_BYTES, middlewares=[_guard(token)])
    service = _Service(Desk(painter, unheard_s=unheard_s))
    app.add_routes(
        [
            web.post("/v1/pictures", service.paint),
            web.post("/v1/inspections", service.inspect),
            web.delete("/v1/pictures/{name}", service.forget),
            web.get("/v1/info", service.info, allow_head=False),
            web.post("/v1/tokens", service.tokens),
            web.get("/healthz", service.healthz),
            web.get("/readyz", service.readyz),
        ]
    )
    app.cleanup_ctx.append(service.running)
    return app


class _Service:
    """The handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """From the first request to the last."""
        self._desk.open()
        yield
        await self._desk.close()

    async def paint(self, request: web.Request) -> web.StreamResponse:
        """A picture."""
        return await self._answer(request, await self._desk.picture(await _json(request)))

    async def inspect(self, request: web.Request) -> web.StreamResponse:
        """The noise of one."""
        return await self._answer(request, await self._desk.inspection(await _json(request)))

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        response = EventSourceResponse(ping_interval=PING_S, send_timeout=LONGEST_SENDING_S, allow_all_methods=True)
        response.headers["Cache-Control"] = "no-store"
        async with aclosing(self._desk.told(asked)) as told:
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):
                async with response:
                    async for kind, data in told:
                        await response.send(data, event=kind)
        return response

    async def forget(self, request: web.Request) -> web.Response:
        """Nobody wants it any more."""
        self._desk.forget(request.match_info["name"])
        return web.Response(status=204)

    async def info(self, _: web.Request) -> web.Response:
        """What paints."""
        return web.json_response(await self._desk.info())

    async def tokens(self, request: web.Request) -> web.Response:
        """How long texts are."""
        return web.json_response(await self._desk.tokens(await _json(request)))

    async def healthz(self, _: web.Request) -> web.Response:
        """The event loop turns."""
        return web.json_response({"waiting": self._desk.waiting})

    async def readyz(self, _: web.Request) -> web.Response:
        """Whether it paints."""
        await self._desk.info()
        return web.json_response({"ready": True})


async def _json(request: web.Request) -> Json:
    try:
        return object_of(await request.json())
    except json.JSONDecodeError as error:
        raise Nonsense("no JSON") from error


def _guard(token: str | None) -> Middleware:
    """Who may ask, and what becomes of nonsense."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if refused := _refused(request, token):
            return refused
        try:
            return await handler(request)
        except Nonsense as error:
            return web.json_response({"sentence": f"That is not understood here ({error})."}, status=422)
        except NotReady as error:
            return web.json_response(error.says, status=503)

    return guard


def _refused(request: web.Request, token: str | None) -> web.Response | None:
    if request.path in ("/healthz", "/readyz"):
        return None
    given = request.headers.get("Authorization", "")
    if token is not None and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return web.json_response({"sentence": "PAINTER_TOKEN is another one there, or missing here."}, status=401)
    asked = Address(request.url.host or "", 0)
    if token is None and not asked.is_of_this_machine_alone:  # a page whose name was made to lead here
        return web.json_response({"sentence": "This painter is for its own machine alone."}, status=403)
    if request.method == "POST" and request.content_type != "application/json":  # another site's page cannot send that
        return web.json_response({"sentence": "Say it as application/json."}, status=415)
    return None
