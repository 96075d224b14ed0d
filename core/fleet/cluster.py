"""Painters on a Ray cluster: the same service as a Serve deployment, one GPU a replica, as many as are needed.

The only file that imports ray, which is the extra `cluster`. Ray places, starts, replaces and drains replicas; what a
lost one had under way is asked for again by whoever asked (`fleet.py`), and painted by another. It knows nothing of
queues between people.
"""

import asyncio
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from core.errors import PainterLost
from core.fleet.binary import Nonsense
from core.fleet.desk import Asked, Desk, NotReady, object_of
from core.fleet.wire import Json
from core.generation.protocol import ImageGenerator
from core.models import ModelStore
from core.painter import Painter
from core.reading_settings import read_settings
from core.settings import CoreSettings

log = logging.getLogger(__name__)

APPLICATION = "imagine-sound"
PORT = 8000
PING_S = 3.0
COUNTED_EVERY_S = 2.0
"""So often a replica asks how many there are."""
HEALTH_EVERY_S, HEALTH_S = 5.0, 30.0
DRAINING_S = 120.0
"""A replica that is not needed any more paints what it has begun, so long at most."""
UPSCALE_S, DOWNSCALE_S = 30.0, 600.0
MOST_REPLICAS = 256
BUSY_SHARE = 0.7
"""Of a batch: where more than that is under way a replica, another is started."""


@dataclass(frozen=True)
class Scale:
    """How many replicas, and what each takes."""

    least: int = 1
    most: int = MOST_REPLICAS
    gpus: float = 1
    cpus: float = 1
    batch: int = 8


class Replica:
    """One painter of the cluster, made by `make` in the replica's process. Called by Ray alone."""

    def __init__(self, make: Callable[[], ImageGenerator], token: str | None) -> None:
        self._token = token
        self._painter = Painter(make)
        self._desk = Desk(self._painter, unheard_s=0)  # who is cut off asks again, of whichever replica
        self._replicas, self._counted_at = 1, 0.0

    async def __call__(self, request: Request) -> Response:
        """See `service.py`."""
        given = request.headers.get("authorization", "")
        if self._token is not None and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return JSONResponse({"sentence": "PAINTER_TOKEN is another one there, or missing here."}, 401)
        try:
            return await self._answer(request)
        except Nonsense as error:
            return JSONResponse({"sentence": f"That is not understood here ({error})."}, 422)
        except NotReady as error:
            return JSONResponse(error.says, 503)

    async def _answer(self, request: Request) -> Response:
        match request.method, request.url.path:
            case "POST", "/v1/pictures":
                return self._stream(await self._desk.picture(await _json(request)))
            case "POST", "/v1/inspections":
                return self._stream(await self._desk.inspection(await _json(request)))
            case "GET", "/v1/info":
                return JSONResponse(await self._info())
            case "POST", "/v1/tokens":
                return JSONResponse(await self._desk.tokens(await _json(request)))
            case "DELETE", path if path.startswith("/v1/pictures/"):
                self._desk.forget(path.rpartition("/")[2])  # of another replica, it ends with its stream
                return Response(status_code=204)
        return JSONResponse({"sentence": "There is no such thing here."}, 404)

    def _stream(self, asked: Asked) -> Response:
        return StreamingResponse(
            self._events(asked), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def _events(self, asked: Asked) -> AsyncIterator[str]:
        """Server-sent events, with comments between them where nothing happens for a while."""
        async with aclosing(self._desk.told(asked)) as told:
            following = asyncio.ensure_future(anext(told, None))
            try:
                while True:
                    done, _ = await asyncio.wait({following}, timeout=PING_S)
                    if not done:
                        yield ": still there\n\n"
                        continue
                    if (event := following.result()) is None:
                        return
                    following = asyncio.ensure_future(anext(told, None))
                    yield f"event: {event[0]}\ndata: {event[1]}\n\n"
            finally:
                following.cancel()

    async def _info(self) -> Json:
        """That of the cluster: the places of all replicas, and one name."""
        info = await self._desk.info()
        if time.monotonic() - self._counted_at > COUNTED_EVERY_S:
            self._counted_at = time.monotonic()
            self._replicas = max(1, await asyncio.to_thread(running_replicas))
        return info | {"name": APPLICATION, "places": info["places"] * self._replicas}

    async def check_health(self) -> None:
        """Called by Ray: a replica whose painter is lost is replaced, an idle one is not."""
        self._desk.open()
        if isinstance(self._painter.failure, PainterLost):
            raise self._painter.failure


def paints_here() -> ImageGenerator:
    """The painter that the settings of this machine choose; called in a replica's process. Raises ModelError."""
    settings = read_settings(CoreSettings)
    from core.generation.factory import make_generator

    return make_generator(settings, ModelStore(settings))


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, and what it has."""

    address: str
    gpus: float
    cpus: float


def nodes() -> list[Node]:
    """Those that are there now."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return [
        Node(node["NodeManagerAddress"], node["Resources"].get("GPU", 0), node["Resources"].get("CPU", 0))
        for node in alive
    ]


def running_replicas() -> int:
    """How many paint now."""
    application = serve.status().applications.get(APPLICATION)
    deployments = application.deployments.values() if application else ()
    return sum(deployment.replica_states.get("RUNNING", 0) for deployment in deployments)


def deploy(make: Callable[[], ImageGenerator], token: str | None, scale: Scale, *, host: str, port: int = PORT) -> None:
    """Have the cluster that this process is connected to paint, and answer at `host`:`port` of its head."""
    serve.start(http_options={"host": host, "port": port}, proxy_location="HeadOnly")
    deployment = serve.deployment(
        max_ongoing_requests=4 * scale.batch,
        graceful_shutdown_timeout_s=DRAINING_S,
        health_check_period_s=HEALTH_EVERY_S,
        health_check_timeout_s=HEALTH_S,
        ray_actor_options={"num_gpus": scale.gpus, "num_cpus": scale.cpus},
        autoscaling_config={
            "min_replicas": scale.least,
            "max_replicas": scale.most,
            "target_ongoing_requests": BUSY_SHARE * scale.batch,
            "upscale_delay_s": UPSCALE_S,
            "downscale_delay_s": DOWNSCALE_S,
        },
    )(Replica)
    serve.run(deployment.bind(make, token), name=APPLICATION, route_prefix="/")


def connect(address: str) -> None:
    """Connect this process to the cluster at `address`, or the one of this machine for `auto`."""
    ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.WARNING)


async def _json(request: Request) -> Json:
    try:
        return object_of(await request.json())
    except json.JSONDecodeError as error:
        raise Nonsense("no JSON") from error
