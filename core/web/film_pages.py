"""What people, scripts and programs ask of films: begin one, see it, take it away. Each is its own browser's alone.

How a request is followed and cancelled is `api.py`'s business.
"""

import asyncio
from dataclasses import replace

from aiohttp import web

from core.errors import EmptyRecording
from core.options import ImagineOptions
from core.recipe import from_json
from core.stories.story import StoryOptions
from core.web.access import visitor_of
from core.web.answers import NotHere, is_form, status_of
from core.web.asking import asked_for
from core.web.beginning import begun
from core.web.film_job import FilmJob
from core.web.film_shelf import ShownFilm
from core.web.film_views import FilmView, made_view, view_of
from core.web.page import Page
from core.web.pages import UNLISTED
from core.web.shelf import ID
from core.web.uploads import Sent
from core.web.views import CHOICES

NAME = f"{{name:{ID.pattern}}}"
KEPT_BY_ITS_BROWSER = {"Cache-Control": "private, max-age=600", **UNLISTED}


class FilmPages:
    """The handlers of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.post("/api/films", self.begin),
            web.get(rf"/api/films/{NAME}/{{number:\d+}}.jpg", self.still),
            web.delete(f"/api/films/{NAME}", self.remove),
            web.post(f"/api/films/{NAME}/remove", self.remove),
            web.get(f"/films/{NAME}", self.film),
            web.get(f"/films/{NAME}.mp4", self.film_file),
            web.get(f"/films/{NAME}.jpg", self.poster),
        ]

    async def begin(self, request: web.Request) -> web.Response:
        """A recording that becomes a film: the browser's own copy, since none was kept here."""
        return await begun(request, self._page, self._begin)

    async def _begin(self, sent: Sent, visitor: str) -> FilmJob:
        if sent.file is None:
            raise EmptyRecording
        options = StoryOptions(self._asked(sent, visitor))
        return self._page.films.begin(visitor, sent.file, sent.fields.get("of", ""), options)

    def _asked(self, sent: Sent, visitor: str) -> ImagineOptions:
        """Where it is asked for from a picture: in its style, and from its seed."""
        if "of" not in sent.fields:
            return replace(asked_for(sent.fields), prompt=None)
        before = self._page.jobs.find(sent.fields["of"], visitor)
        if before is None:
            raise NotHere
        seed = from_json(before.picture.about.recipe).seed if before.picture is not None else None
        return replace(before.options, seed=seed, near=None, prompt=None, said=None)

    async def film(self, request: web.Request) -> web.Response:
        """A film, or how far it is."""
        name, visitor = request.match_info["name"], visitor_of(request)
        job = self._page.films.find(name, visitor)
        if job is None or job.film is not None:
            return self._html(made_view(await self._shown(request), job.last_told if job is not None else 0))
        if job.is_cancelled:
            raise web.HTTPSeeOther(job.page_after)
        self._page.register.touch(job)
        return self._html(view_of(job), 200 if job.error is None else status_of(job.error))

    async def still(self, request: web.Request) -> web.Response:
        """What is painted so far; whoever asks for an older one has been overtaken."""
        job = self._page.films.find(request.match_info["name"], visitor_of(request))
        if job is None or job.still is None:
            raise NotHere
        return web.Response(body=job.still.jpeg, content_type="image/jpeg", headers=KEPT_BY_ITS_BROWSER)

    async def film_file(self, request: web.Request) -> web.StreamResponse:
        """The MP4, or the part of it that a browser asks for."""
        return web.FileResponse((await self._shown(request)).film, headers=KEPT_BY_ITS_BROWSER)

    async def poster(self, request: web.Request) -> web.StreamResponse:
        """The picture that is seen before it plays."""
        return web.FileResponse((await self._shown(request)).poster, headers=KEPT_BY_ITS_BROWSER)

    async def remove(self, request: web.Request) -> web.Response:
        """Nobody is to have it any more."""
        shown = await self._shown(request)
        self._page.films.forget(shown.id, visitor_of(request))
        await asyncio.to_thread(self._page.film_shelf.remove, shown.id)
        if is_form(request):
            return web.Response(status=303, headers={"Location": made_view(shown).back})
        return web.Response(status=204)

    async def _shown(self, request: web.Request) -> ShownFilm:
        shown = await asyncio.to_thread(self._page.film_shelf.find, request.match_info["name"], visitor_of(request))
        if shown is None:
            raise NotHere
        return shown

    def _html(self, view: FilmView, status: int = 200) -> web.Response:
        text = self._page.render("piece.html.jinja", view=view, tiles=[], film="", **CHOICES)
        return web.Response(text=text, content_type="text/html", status=status, headers=UNLISTED)
