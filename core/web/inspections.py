"""*Did this page's painter paint it?*: a picture is sent, and what can be said of it is told. Without any script.

Nothing is kept of the picture. What is said is `core/attribution.py`'s business.
"""

import logging

from aiohttp import web

from core.attribution import Attribution, Verdict
from core.errors import ImagineSoundError, NoPicture
from core.log_lines import one_line
from core.web.access import VISITOR, new_visitor, set_cookie, visitor_of, wants_page
from core.web.answers import headers_of, status_of
from core.web.page import Page
from core.web.uploads import PICTURE, Arrival

log = logging.getLogger(__name__)

LONGEST_S = 60.0
"""A browser and the proxies before the page wait no longer."""


class Inspections:
    """The handlers of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [web.get("/verify", self.form), web.post("/verify", self.inspect)]

    async def form(self, request: web.Request) -> web.Response:
        """Where a picture is dropped or chosen."""
        return self._html()

    async def inspect(self, request: web.Request) -> web.Response:
        """The answer: on the same page, or as JSON for programs."""
        visitor = visitor_of(request) or new_visitor()
        try:
            found = await self._inspect(request, visitor)
        except ImagineSoundError as error:
            if not wants_page(request):
                raise
            log.info("a picture was not inspected: %s", one_line(str(error)))
            response = self._html(wrong=str(error), status=status_of(error))
            response.headers.update(headers_of(error))
        else:
            plain = {**found.plain(), "sentence": found.sentence}
            response = self._html(found=found) if wants_page(request) else web.json_response(plain)
        set_cookie(request, response, VISITOR, visitor)
        return response

    async def _inspect(self, request: web.Request, visitor: str) -> Attribution:
        page = self._page
        async with Arrival(request, page.arriving, page.settings.audio_limits.max_bytes, PICTURE) as arrival:
            sent = await arrival.read()
            if sent.file is None:
                raise NoPicture
            return await page.inspector.inspect(sent.file, user=f"page {visitor}", within_s=LONGEST_S)

    def _html(self, *, found: Attribution | None = None, wrong: str = "", status: int = 200) -> web.Response:
        certain = found is not None and found.verdict in (Verdict.PAINTED_HERE, Verdict.SIGNED_HERE)
        text = self._page.render("verify.html.jinja", found=found, certain=certain, wrong=wrong)
        return web.Response(text=text, content_type="text/html", status=status)
