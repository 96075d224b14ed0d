"""How the program is: for a supervisor, for a collector of metrics, and in words for whoever runs it."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core.fetching import free_bytes
from core.findings import Finding, Mark
from core.generation.protocol import PainterState
from core.hub import hub_cache
from core.metrics import LOOP_LAG, PAINTER, QUEUE_LENGTH
from core.web import wording
from core.web.page import Page

LATE_S = 5.0
"""An event loop that stands so long keeps everybody waiting."""
LEAST_FREE_GB = 1.0
LOOK_S = 2.0
"""So long a part may take to be looked at."""


class Status:
    """The handlers of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        QUEUE_LENGTH.set_function(page.engine.queue_length)
        PAINTER.of = page.engine.figures
        LOOP_LAG.set_function(lambda: page.lag.last_minute().worst_s)

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/healthz", self.health),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
            web.get("/status", self.status),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Whether the event loop turns: nothing else is a reason to end the process."""
        lag = self._page.lag.last_minute()
        is_well = lag.worst_s < LATE_S
        told = {"well": is_well, "lag_s": round(lag.worst_s, 3), "waited_s": round(lag.waited_s, 3)}
        return web.json_response(told, status=200 if is_well else 503)

    async def ready(self, request: web.Request) -> web.Response:
        """Whether requests can be answered, part by part. What is said of a part is for whoever is logged in."""
        found = await self._look()
        parts = {name: {"ready": finding.is_ready, "sentence": finding.sentence} for name, finding in found.items()}
        if not self._page.access.knows(request):
            parts = {name: {"ready": finding.is_ready} for name, finding in found.items()}
        is_ready = all(finding.is_ready for finding in found.values())
        return web.json_response({"ready": is_ready, "parts": parts}, status=200 if is_ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """All numbers, as Prometheus reads them."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def status(self, request: web.Request) -> web.Response:
        """The same in words."""
        found = {"Pictures on the way": self._on_the_way(), **await self._look(), "Last error": self._last_error()}
        text = self._page.render("status.html.jinja", found=found, headline=headline(list(found.values())))
        return web.Response(text=text, content_type="text/html")

    async def _look(self) -> dict[str, Finding]:
        """All parts at once, each within its time."""
        page = self._page
        names = ["Hearing", "Painting", "Space", *(part.name for part in page.parts)]
        looks = [self._hearing(), self._painting(), self._space(), *(part.look() for part in page.parts)]
        findings = await asyncio.gather(*(asyncio.wait_for(look, LOOK_S) for look in looks), return_exceptions=True)
        return {
            name: found if isinstance(found, Finding) else Finding(Mark.WRONG, "It does not answer.")
            for name, found in zip(names, findings, strict=True)
        }

    def _on_the_way(self) -> Finding:
        painting, waiting = self._page.register.unfinished()
        if not painting + waiting:
            sentence = "None."
        else:
            sentence = f"{wording.capitalised(wording.counted(painting, 'is', 'are'))} being painted, "
            sentence += f"{wording.counted(waiting, 'waits', 'wait')}."
        another = wording.about(self._page.jobs.seconds_for_another())
        return Finding(Mark.FINE, f"{sentence} A new one would be ready in {another}." if another else sentence)

    async def _hearing(self) -> Finding:
        name = self._page.heard_by
        if not name:
            return Finding(Mark.WRONG, "There is no model that hears; `imagine-sound doctor` says what to do.")
        return Finding(Mark.FINE, f"{name}, ready.")

    async def _painting(self) -> Finding:
        info, failure = self._page.engine.loaded_info(), self._page.engine.load_failure()
        if failure is not None:
            return Finding(Mark.WRONG, str(failure))
        if info is None:
            return Finding(Mark.FINE, "The painter is loaded when the first picture is asked for.")
        if painters := self._page.engine.figures().painters:
            return of_painters(painters, info.model)
        if info.is_miniature:
            return Finding(
                Mark.BETTER,
                f"{info.model}, a small practice model. For real pictures: imagine-sound models pull, and a CUDA GPU.",
            )
        return Finding(Mark.FINE, f"{info.model}, ready.")

    async def _space(self) -> Finding:
        settings = self._page.settings
        return await asyncio.to_thread(space_in, [settings.data_dir, settings.model_cache, hub_cache()])

    def _last_error(self) -> Finding:
        failure = self._page.register.last_failure
        if failure is None:
            return Finding(Mark.FINE, "None since the start.")
        when, sentence = failure
        return Finding(Mark.FINE, f"{time.strftime('%H:%M', time.localtime(when))}: {sentence}")


def of_painters(painters: Sequence[PainterState], model: str) -> Finding:
    """How several are that paint as one."""
    away = [painter.says for painter in painters if painter.says]
    if not away:
        return Finding(Mark.FINE, f"{model}, {wording.counted(len(painters), 'painter', 'painters')}, ready.")
    mark = Mark.BETTER if len(away) < len(painters) else Mark.WRONG
    return Finding(mark, f"{model}, {len(painters) - len(away)} of {len(painters)} painters. {' '.join(away)}")


def space_in(places: Sequence[Path]) -> Finding:
    """Whether there is room where things are kept."""
    free = {place: free_bytes(place) / 1e9 for place in places}
    if min(free.values()) < LEAST_FREE_GB:
        place = min(free, key=lambda place: free[place])
        return Finding(Mark.WRONG, f"Less than {LEAST_FREE_GB:g} GB is free in {place}; make room there.")
    pictures, models, *_ = free.values()
    return Finding(Mark.FINE, f"{pictures:.0f} GB free where the pictures lie, {models:.0f} GB where the models lie.")


def headline(found: Sequence[Finding]) -> tuple[str, str]:
    """All of it in one line, and what to know besides."""
    wrong = sum(finding.mark is Mark.WRONG for finding in found)
    better = sum(finding.mark is Mark.BETTER for finding in found)
    first = "All is well."
    if wrong:
        first = f"{wording.capitalised(wording.counted(wrong, 'thing is', 'things are'))} wrong."
    more = f"{wording.capitalised(wording.counted(better, 'thing', 'things'))} could be better. " if better else ""
    return first, f"{more}Seen a moment ago."
