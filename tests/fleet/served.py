"""Painting services on this machine, whose painter is scripted, and what can go wrong between them and a fleet."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from core.fleet.fleet import Fleet, FleetPatience
from core.fleet.kept import UNHEARD_S
from core.fleet.service import create_service
from core.generation.batcher import Batcher
from core.generation.protocol import ImageGenerator
from core.painter import Painter
from tests.generation.scripted import ScriptedModel

Result = TypeVar("Result")

IMPATIENT = FleetPatience(silence_s=1.0, looked_at_every_s=0.05)


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def close(self) -> None:
        self.run(self._end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end_all(self) -> None:
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:  # a connection may still come in meanwhile
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # what was aborted is closed in one of the next turns


@dataclass
class Line:
    """A line to a server, which is cut as soon as what goes along it, either way, is such that it is to be `cut_at`.

    It is there again at once until it was cut `returns` times, and then no more.
    """

    loop: Loop
    server_port: int
    cut_at: Callable[[bytes], bool] = lambda came: False
    returns: int = 0
    cuts: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _is_cut: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._is_cut = False
        if self._server is None:
            self._server = await asyncio.start_server(self._connect, "127.0.0.1")
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Whoever is connected, or connects from now on, is cut off. (A server that closes forgets whom it accepts.)"""
        if not self._is_cut:
            self.cuts += 1
            self._is_cut = True
            for writer in list(self._writers):
                writer.transport.abort()

    async def close(self) -> None:
        await self.cut()
        await asyncio.sleep(0.02)
        if self._server is not None:
            self._server.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            with suppress(OSError):
                if self._is_cut:
                    return
                there, writer_there = await asyncio.open_connection("127.0.0.1", self.server_port)
                writers.append(writer_there)
                self._writers |= {*writers}
                await asyncio.gather(self._pass_on(reader, writer_there), self._pass_on(there, writer))
        finally:
            for one in writers:
                self._writers.discard(one)
                one.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came = b""
        while piece := await reader.read(200):
            came += piece
            if self.cut_at(came):
                await self.cut()
                if self.cuts <= self.returns:
                    await self.open()
                return
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@dataclass
class Served:
    """A painting service."""

    model: ScriptedModel
    loop: Loop
    port: int
    runner: web.AppRunner
    make: Callable[[], ImageGenerator]
    """Another of its painters, here."""
    lines: list[Line] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.model.released.set()
        for line in self.lines:
            self.loop.run(line.close())
        self.loop.run(self.runner.cleanup())

    def behind(self, cut_at: Callable[[bytes], bool], *, returns: int = 0) -> Line:
        """A line to it; see there."""
        made = Line(self.loop, self.port, cut_at, returns)
        self.lines.append(made)
        self.loop.run(made.open())
        return made


def serve(
    loop: Loop,
    model: ScriptedModel | None = None,
    *,
    token: str | None = None,
    port: int = 0,
    unheard_s: float = UNHEARD_S,
    batch: int = 4,
    make: Callable[[], ImageGenerator] | None = None,
) -> Served:
    model = model or ScriptedModel()

    def batcher() -> ImageGenerator:
        return Batcher(lambda: model, max_batch=batch, max_waiting=100)

    async def start() -> tuple[web.AppRunner, int]:
        painter = Painter(make or batcher)
        app = create_service(painter, token=token, unheard_s=unheard_s)

        async def close(_: web.Application) -> None:
            await painter.close()

        app.on_cleanup.append(close)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        return runner, runner.addresses[0][1]

    runner, port = loop.run(start())
    return Served(model, loop, port, runner, make or batcher)


@contextmanager
def answering(loop: Loop, *routes: web.RouteDef) -> Iterator[str]:
    """The address of a server that answers as it likes."""

    async def start() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    runner, port = loop.run(start())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.run(runner.cleanup())


@contextmanager
def fleet_of(*urls: str, token: str | None = None, max_waiting: int = 100) -> Iterator[Fleet]:
    fleet = Fleet(urls, token=token, max_waiting=max_waiting, patience=IMPATIENT)
    try:
        yield fleet
    finally:
        fleet.close()
