"""What people see: the page itself, a request on it, a picture's own page, and the door. All without any script."""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from core.web.access import is_https, visitor_of
from core.web.answers import NotHere, status_of
from core.web.page import Page
from core.web.shelf import ID, Shown
from core.web.views import CHOICES, made_from, tiles_of, view_of

PICTURE_CACHE = "public, max-age=3600"
UNLISTED = {"X-Robots-Tag": "noindex, nofollow, noarchive"}


class Pages:
    """The handlers of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/", self.front),
            web.get(f"/jobs/{{name:{ID.pattern}}}", self.job),
            web.get(f"/p/{{name:{ID.pattern}}}", self.picture),
            web.get(f"/p/{{name:{ID.pattern}}}.png", self.picture_file),
            web.get(f"/p/{{name:{ID.pattern}}}.strip.png", self.strip_file),
            web.get(f"/p/{{name:{ID.pattern}}}.json", self.recipe),
            web.get("/log-in", self.door),
            web.post("/log-in", self.log_in),
        ]

    async def front(self, request: web.Request) -> web.Response:
        """Nothing recorded yet."""
        tiles = tiles_of(self._page.jobs.of(visitor_of(request)))
        return self._html("piece.html.jinja", {"view": None, "tiles": tiles, "film": "", **CHOICES})

    async def job(self, request: web.Request) -> web.Response:
        """A request as it is now. Whoever else has its address sees the picture and nothing more."""
        name, visitor = request.match_info["name"], visitor_of(request)
        job = self._page.jobs.find(name, visitor)
        if job is None:
            raise web.HTTPSeeOther(f"/p/{name}")
        if job.is_cancelled:
            raise web.HTTPSeeOther("/")
        self._page.register.touch(job)
        status = 200 if job.error is None else status_of(job.error)
        tiles = tiles_of(self._page.jobs.of(visitor), name)
        film = self._page.films.made_of(name, visitor)
        values = {"view": view_of(job), "tiles": tiles, "film": film.page if film is not None else "", **CHOICES}
        return self._html("piece.html.jinja", values, status)

    async def picture(self, request: web.Request) -> web.Response:
        """A picture for whoever has its address, told in a way that chat programs show."""
        shown = await self._shown(request)
        base = f"{'https' if is_https(request) else 'http'}://{request.host}"
        values = {"shown": shown, "made": made_from(shown), "base": base}
        return self._html("picture.html.jinja", values, headers=UNLISTED)

    async def picture_file(self, request: web.Request) -> web.StreamResponse:
        """The PNG, with its recipe in it."""
        return _file((await self._shown(request)).picture)

    async def strip_file(self, request: web.Request) -> web.StreamResponse:
        """Its sound's strip in its colours."""
        return _file((await self._shown(request)).strip)

    async def recipe(self, request: web.Request) -> web.Response:
        """All that is needed to paint it again."""
        shown = await self._shown(request)
        return web.json_response(json.loads(shown.about.recipe), headers=UNLISTED)

    async def door(self, request: web.Request) -> web.Response:
        """The form for the password; or, by a link that holds it, straight in."""
        to = _own_path(request.query.get("to", "/"))
        if "token" not in request.query:
            return self._html("door.html.jinja", {"to": to, "wrong": ""})
        return self._try(request, request.query["token"], to)

    async def log_in(self, request: web.Request) -> web.Response:
        """The form comes back."""
        form = await request.post()
        return self._try(request, str(form.get("token", "")), _own_path(str(form.get("to", "/"))))

    def _try(self, request: web.Request, told: str, to: str) -> web.Response:
        left = self._page.access.log_in(request, told)
        if left is None:
            response = web.Response(status=303, headers={"Location": to})
            self._page.access.remember(request, response)
            return response
        tries = "1 more try" if left == 1 else f"{left} more tries"
        wrong = f"That was not it. You have {tries} this minute."
        return self._html("door.html.jinja", {"to": to, "wrong": wrong}, 401)

    async def tell(self, request: web.Request, sentence: str, status: int) -> web.Response:
        """An error as a page."""
        return self._html("trouble.html.jinja", {"sentence": sentence}, status)

    async def _shown(self, request: web.Request) -> Shown:
        shown = await asyncio.to_thread(self._page.shelf.find, request.match_info["name"])
        if shown is None:
            raise NotHere
        return shown

    def _html(
        self, template: str, values: dict[str, Any], status: int = 200, *, headers: dict[str, str] | None = None
    ) -> web.Response:
        text = self._page.render(template, **values)
        return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _file(path: Path) -> web.FileResponse:
    return web.FileResponse(path, headers={"Cache-Control": PICTURE_CACHE, **UNLISTED})


def _own_path(path: str) -> str:
    """`path` if it is one of this page: a link to the door shall lead nowhere else."""
    return path if path.startswith("/") and path.isprintable() and "\\" not in path and path[1:2] != "/" else "/"
