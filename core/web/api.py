"""What scripts and programs ask the page for: begin a request, follow it, cancel it. Answers are JSON and pictures.

A form that a browser sends without any script gets the address of a page instead.
"""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from core.errors import EmptyRecording
from core.hearing.strip import strip_png
from core.options import ImagineOptions
from core.telling import check_words
from core.web.access import visitor_of
from core.web.answers import NotHere, is_form
from core.web.asking import asked_again, asked_for
from core.web.beginning import begun
from core.web.followed import Followed
from core.web.job import Job
from core.web.page import Page
from core.web.samples import Sample, samples
from core.web.uploads import Sent

PING_S = 15.0
PICTURE_CACHE = "private, max-age=600"


class Api:
    """The handlers of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.post("/api/jobs", self.begin),
            web.get("/api/jobs/{name}/events", self.follow, allow_head=False),
            web.delete("/api/jobs/{name}", self.cancel),
            web.post("/api/jobs/{name}/cancel", self.cancel),
            web.get("/api/jobs/{name}/ink.png", self.ink),
            web.get(r"/api/jobs/{name}/{number:\d+}.jpg", self.preview),
            web.get(r"/api/jobs/{name}/{number:\d+}.strip.png", self.preview_strip),
            web.get(r"/samples/{name:\w+}.wav", self.sample),
            web.get(r"/samples/{name:\w+}.strip.png", self.sample_strip),
        ]

    async def begin(self, request: web.Request) -> web.Response:
        """A recording, a sample, or again what was heard before."""
        return await begun(request, self._page, self._begin)

    async def _begin(self, sent: Sent, visitor: str) -> Job:
        source, options = await self._asked(sent, visitor)
        check_words(self._page.refuses, options.prompt, options.said)
        return self._page.jobs.begin(visitor, source, options)

    async def _asked(self, sent: Sent, visitor: str) -> tuple[Path | bytes | Job, ImagineOptions]:
        """What is to be heard, or was, and what is to be made of it."""
        if sent.file is not None:
            return sent.file, asked_for(sent.fields)
        if "of" in sent.fields:
            before = self._page.jobs.find(sent.fields["of"], visitor)
            if before is None or before.heard is None:
                raise NotHere
            options = asked_again(sent.fields, before.options, before.heard)
            if "said" in sent.fields or "sounds" in sent.fields:
                self._page.register.cancel(before)  # it was understood wrongly
            return before, options
        if "sample" in sent.fields:
            return (await _sample(sent.fields["sample"])).wav, asked_for(sent.fields)
        raise EmptyRecording

    async def follow(self, request: web.Request) -> web.StreamResponse:
        """The events of a request, from where the browser was cut off."""
        asked = self._asked_for(request)
        told = request.headers.get(EventSourceResponse.DEFAULT_LAST_EVENT_HEADER) or request.query.get("after", "")
        last = int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else 0
        if asked.is_over and last >= asked.last_told:
            return web.Response(status=204)  # which tells a browser not to come back
        response = EventSourceResponse(ping_interval=PING_S, send_timeout=PING_S)
        response.headers["Cache-Control"] = "no-store"
        asked.listen()
        try:
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):
                async with response:
                    async for event in asked.told_since(last):
                        data = json.dumps(event.data, ensure_ascii=False)
                        await response.send(data, id=str(event.number), event=event.kind.value)
        finally:
            self._page.register.leave(asked)
        return response

    async def cancel(self, request: web.Request) -> web.Response:
        """Nobody wants it any more."""
        asked = self._asked_for(request)
        self._page.register.cancel(asked)
        if is_form(request):
            return web.Response(status=303, headers={"Location": asked.page_after})
        return web.Response(status=204)

    async def ink(self, request: web.Request) -> web.Response:
        """The sound's strip before there is a picture."""
        strip = self._job(request).strip
        if strip is None:
            raise NotHere
        return _file(strip_png(await asyncio.shield(strip)), "image/png")

    async def preview(self, request: web.Request) -> web.Response:
        """The newest preview: whoever asks for an older one has been overtaken."""
        job = self._job(request)
        if job.preview is None:
            raise NotHere
        return _file(job.preview.jpeg, "image/jpeg")

    async def preview_strip(self, request: web.Request) -> web.Response:
        """The strip in its colours."""
        job = self._job(request)
        if job.preview is None or job.strip is None:
            raise NotHere
        return _file(strip_png(await asyncio.shield(job.strip), job.preview.palette), "image/png")

    async def sample(self, request: web.Request) -> web.Response:
        """A sample's sound."""
        return _file((await _sample(request.match_info["name"])).wav, "audio/wav")

    async def sample_strip(self, request: web.Request) -> web.Response:
        """Its strip."""
        return _file((await _sample(request.match_info["name"])).strip, "image/png")

    def _asked_for(self, request: web.Request) -> Followed:
        asked = self._page.register.find(request.match_info["name"], visitor_of(request))
        if asked is None:
            raise NotHere
        return asked

    def _job(self, request: web.Request) -> Job:
        job = self._page.jobs.find(request.match_info["name"], visitor_of(request))
        if job is None:
            raise NotHere
        return job


async def _sample(name: str) -> Sample:
    found = (await asyncio.to_thread(samples)).get(name)
    if found is None:
        raise NotHere
    return found


def _file(data: bytes, kind: str) -> web.Response:
    """Bytes that stay as they are, for the browser that asked."""
    return web.Response(body=data, content_type=kind, headers={"Cache-Control": PICTURE_CACHE})
