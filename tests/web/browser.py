"""A page under test, and what a browser sends it: cookies, an Origin, and what it accepts."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from yarl import URL

from core.engine import Engine
from core.settings import CoreSettings
from core.web.app import PAGE, create_app
from core.web.page import Page
from core.web.parts import Part

HTML = {"Accept": "text/html,application/xhtml+xml"}


class Clock:
    """Wall-clock time that a test moves on."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@dataclass(frozen=True)
class Site:
    """A page that runs."""

    page: Page
    url: URL
    clock: Clock

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, engine: Engine, settings: CoreSettings, parts: Sequence[Part], clock: Clock
    ) -> AsyncIterator["Site"]:
        app = create_app(engine, settings, parts, now=clock)
        async with TestServer(app) as server:
            await server.start_server(handler_cancellation=True)
            yield cls(app[PAGE], server.make_url("/"), clock)

    @asynccontextmanager
    async def browser(self) -> AsyncIterator["Browser"]:
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name
        async with aiohttp.ClientSession(self.url, cookie_jar=jar) as session:
            yield Browser(session, self)

    def files(self) -> list[str]:
        """What lies on the disk."""
        directory = self.page.settings.data_dir / "web"
        return sorted(path.name for path in directory.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    number: str
    kind: str
    data: dict[str, Any]


class Browser:
    """One browser with its cookies."""

    def __init__(self, session: aiohttp.ClientSession, site: Site) -> None:
        self.session = session
        self.site = site
        self.origin = str(site.url.origin())

    async def post(self, path: str, data: Any = None, **options: Any) -> aiohttp.ClientResponse:
        headers = {"Origin": self.origin, **options.pop("headers", {})}
        return await self.session.post(path, data=data, headers=headers, allow_redirects=False, **options)

    async def get(self, path: str, *, page: bool = True, **options: Any) -> aiohttp.ClientResponse:
        headers = {**(HTML if page else {}), **options.pop("headers", {})}
        return await self.session.get(path, headers=headers, allow_redirects=False, **options)

    async def delete(self, path: str) -> aiohttp.ClientResponse:
        return await self.session.delete(path, headers={"Origin": self.origin})

    async def ask(self, recording: bytes, query: str = "") -> str:
        """Send a recording that is taken; returns the request's id."""
        response = await self.post(f"/api/jobs{query}", recording, headers={"Content-Type": "audio/wav"})
        assert response.status == 202, await response.text()
        return str((await response.json())["id"])

    async def refused(self, recording: bytes, kind: str = "audio/wav") -> tuple[int, str]:
        """Send a recording that is not; returns the status and the sentence."""
        response = await self.post("/api/jobs", recording, headers={"Content-Type": kind})
        return response.status, str((await response.json())["error"])

    async def events(self, job: str, after: str = "", until: str = "") -> AsyncIterator[Event]:
        """What is told of a request, until it is over or `until` was told."""
        headers = {"Last-Event-ID": after} if after else {}
        async with self.session.get(f"/api/jobs/{job}/events", headers=headers) as response:
            assert response.content_type == "text/event-stream"
            fields: dict[str, str] = {}
            async for line in response.content:
                name, _, value = line.decode().strip().partition(": ")
                fields[name] = value
                if not name and "data" in fields:
                    event = Event(fields["id"], fields["event"], json.loads(fields["data"]))
                    fields.clear()
                    yield event
                    if event.kind == until:
                        return

    async def followed(self, job: str, after: str = "") -> list[Event]:
        """All that is told of a request until it is over."""
        return [event async for event in self.events(job, after)]
