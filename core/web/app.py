"""The page as one aiohttp application, for whoever runs it: `imagine-sound serve`, or the bot beside its gateway.

It works with an engine that is somebody else's, and closes only what it began itself.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path

from aiohttp import web

from core.attribution import Inspector
from core.engine import Engine
from core.errors import ModelError, WrongSetting
from core.loop_lag import LoopLag
from core.models import ModelStore
from core.prompting.words import BLOCKED_WORDS, read_word_list
from core.settings import CoreSettings
from core.stories.workplace import remove_abandoned
from core.web.access import Access, add_headers, guard
from core.web.answers import tell_errors
from core.web.api import Api
from core.web.film_jobs import FilmJobs
from core.web.film_pages import FilmPages
from core.web.film_shelf import FilmShelf
from core.web.inspections import Inspections
from core.web.jobs import Jobs
from core.web.page import Page, load_templates
from core.web.pages import Pages
from core.web.parts import Part
from core.web.quotas import Quotas
from core.web.register import Register
from core.web.samples import samples
from core.web.shelf import Shelf
from core.web.status import Status
from core.web.uploads import empty

log = logging.getLogger(__name__)

SWEEP_S = 600.0
"""How often pictures are looked through for those that are a day old."""

PAGE = web.AppKey("page", Page)


def create_app(
    engine: Engine,
    settings: CoreSettings,
    parts: Sequence[Part] = (),
    *,
    lag: LoopLag | None = None,
    now: Callable[[], float] = time.time,
) -> web.Application:
    """The page of `engine`. Blocks for some milliseconds: it reads the list of blocked words and looks for models.

    `parts` of the process are shown and looked at with the page's own. `lag` measures the event loop already; without
    it, the page does. `now`: in seconds since the epoch. Raises WrongSetting where the list cannot be read.
    """
    directory = settings.data_dir / "web"
    shelf, quotas = Shelf(directory, now), Quotas(settings)
    film_shelf = FilmShelf(directory, shelf)
    register, refuses = Register(quotas, now), _refused(settings.data_dir / BLOCKED_WORDS)
    page = Page(
        engine=engine,
        settings=settings,
        parts=parts,
        access=Access(settings.web_token.get_secret_value() if settings.web_token else None, settings.web_hosts),
        quotas=quotas,
        shelf=shelf,
        film_shelf=film_shelf,
        register=register,
        jobs=Jobs(engine, shelf, quotas, register, refuses),
        films=FilmJobs(engine, film_shelf, quotas, register, refuses),
        arriving=directory / "arriving",
        refuses=refuses,
        lag=lag or LoopLag(),
        heard_by=_heard_by(settings),
        inspector=Inspector(engine, settings.data_dir),
    )
    pages = Pages(page)
    app = web.Application(
        middlewares=[tell_errors(pages.tell), guard(page.access)],
        client_max_size=64_000,  # of the log-in; recordings are read by `uploads.py`
    )
    app[PAGE] = page
    handlers = (pages, Api(page), FilmPages(page), Status(page), Inspections(page))
    app.add_routes([route for each in handlers for route in each.routes()])
    app.router.add_static("/static/", Path(str(resources.files("core.web").joinpath("static"))))
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(partial(_run, page, measures_lag=lag is None))
    app.on_shutdown.append(_shut_down)
    return app


async def _run(page: Page, app: web.Application, *, measures_lag: bool) -> AsyncIterator[None]:
    """From the start to the end of the application."""
    await asyncio.to_thread(empty, page.arriving)
    await asyncio.to_thread(load_templates)
    tasks = [asyncio.create_task(_sweep(page.shelf)), asyncio.create_task(asyncio.to_thread(samples))]
    if measures_lag:
        page.lag.__enter__()
    yield
    if measures_lag:
        page.lag.__exit__()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _shut_down(app: web.Application) -> None:
    """Whoever follows a request is told; their connections end by that."""
    await app[PAGE].register.close()


async def _sweep(shelf: Shelf) -> None:
    while True:
        try:
            gone = await asyncio.to_thread(shelf.sweep)
            await asyncio.to_thread(remove_abandoned)
        except OSError:
            log.exception("could not remove the page's old pictures; I try again")
        else:
            if gone:
                log.info("removed %d pictures of the page that were a day old", gone)
        await asyncio.sleep(SWEEP_S)


def _refused(path: Path) -> Callable[[str], bool]:
    try:
        return read_word_list(path).holds
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{path} cannot be read ({error}); mend it, or remove it.") from error


def _heard_by(settings: CoreSettings) -> str:
    """The name of the model that hears, as far as it is here: nothing is fetched to know it."""
    try:
        return ModelStore(settings.model_copy(update={"download_models": False})).yamnet().name
    except ModelError:
        return ""
