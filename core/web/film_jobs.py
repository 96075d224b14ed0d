"""The page's requests for films: each reads a story's stream, and puts its film on the shelf.

It knows nothing of HTTP, nor of who may see what.
"""

import asyncio
import io
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

from PIL import Image

from core.checker import COVERED
from core.engine import Engine
from core.errors import PictureBlocked
from core.generation.protocol import Loading, Painting, Picture, Queued
from core.pictures import poster_file
from core.stories.counted import counted
from core.stories.events import Cut, Film, Filmed, Filming, SceneLost, ScenePainted, ScenePaints, StoryEvent
from core.stories.story import StoryOptions, tell
from core.web import film_wording
from core.web.film_job import FilmJob, FilmState, SceneState
from core.web.film_shelf import AboutFilm, Chapter, FilmShelf, ShownFilm
from core.web.quotas import Quotas, TooMuch
from core.web.register import Register
from core.web.shelf import new_id

LARGEST_STILL = 768
"""Pixels a side; the film itself is larger."""


class FilmJobs:
    """Begins films, and follows them."""

    def __init__(
        self, engine: Engine, shelf: FilmShelf, quotas: Quotas, register: Register, refuses: Callable[[str], bool]
    ) -> None:
        """`refuses`: of which texts nothing is painted."""
        self._engine = engine
        self._shelf = shelf
        self._quotas = quotas
        self._register = register
        self._refuses = refuses

    def begin(self, browser: str, recording: Path, of: str, options: StoryOptions) -> FilmJob:
        """Begin a request, for which a place in the quotas was taken, of a recording whose file is removed in the end.

        Raises ShuttingDown.
        """
        self._register.check_open()
        job = FilmJob(new_id(), browser, of)
        self._quotas.spend(browser)
        self._register.begin(job, partial(self._work, job, recording, options))
        return job

    def find(self, name: str, browser: str) -> FilmJob | None:
        """That browser's film with that id."""
        job = self._register.find(name, browser)
        return job if isinstance(job, FilmJob) else None

    def made_of(self, picture: str, browser: str) -> FilmJob | None:
        """The newest film that was asked for from a picture, made or under way."""
        films = (job for job in self._register.of(browser) if isinstance(job, FilmJob))
        return next((job for job in films if job.of == picture), None)

    def forget(self, name: str, browser: str) -> None:
        """There is no such film any more."""
        if (job := self.find(name, browser)) is not None:
            self._register.forget(job)

    async def _work(self, job: FilmJob, recording: Path, options: StoryOptions) -> None:
        story = tell(self._engine, recording, options, user=f"page {job.browser}", refuses=self._refuses)
        try:
            async with aclosing(counted("page", story)) as events:
                async for event in events:
                    await self._take(job, event)
        finally:
            recording.unlink(missing_ok=True)  # noqa: ASYNC240 - one name, and also where it was cancelled

    async def _take(self, job: FilmJob, event: StoryEvent) -> None:
        match event:
            case Cut(scenes):
                self._spend(job, len(scenes))
                job.begin_scenes(event)
            case ScenePaints(number, progress):
                await self._paints(job, number, progress)
            case ScenePainted(number, painted):
                await self._painted(job, number, painted.picture)
            case SceneLost(number, error):
                if isinstance(error, PictureBlocked):
                    job.still = None
                self._settle(job, number, SceneState.LOST)
            case Filming(done_s, of_s):
                job.tell_progress(FilmState.FILMING, film_wording.filming(done_s, of_s))
            case Filmed(film):
                await self._keep(job, film)

    def _spend(self, job: FilmJob, scenes: int) -> None:
        """It counts as so many pictures, of which one was spent when it began."""
        try:
            self._quotas.check(job.browser, scenes - 1)
        except TooMuch:
            self._quotas.give_back(job.browser)
            raise
        self._quotas.spend(job.browser, scenes - 1)

    async def _paints(self, job: FilmJob, number: int, event: Loading | Queued | Painting) -> None:
        job.scenes[number] = SceneState.NOW
        state = FilmState.PAINTING if isinstance(event, Painting) or job.settled else FilmState.CUT
        job.tell_progress(state, film_wording.painting(job, number, event))
        if isinstance(event, Painting) and event.preview is not None:
            job.show(event.preview)

    async def _painted(self, job: FilmJob, number: int, picture: Picture) -> None:
        if COVERED in picture.notes:
            job.is_covered = True
            job.still = None
        elif not job.is_covered:
            job.show(await asyncio.to_thread(_jpeg, picture.image))
        self._settle(job, number, SceneState.PAINTED)

    def _settle(self, job: FilmJob, number: int, state: SceneState) -> None:
        job.scenes[number] = state
        job.tell_progress(FilmState.PAINTING, film_wording.settled(job))

    async def _keep(self, job: FilmJob, film: Film) -> None:
        assert job.cut is not None  # a film is made of scenes
        about = AboutFilm(
            of=job.of,
            chapters=tuple(Chapter(round(scene.begins_s, 2), scene.title) for scene in film.scenes),
            seconds=film.duration_s,
            size=film.size,
            made=self._shelf.now,
            lost=job.scenes.count(SceneState.LOST),
            begins_s=job.cut.begins_s,
            shortened=job.cut.shortened,
            is_covered=job.is_covered,
        )
        keeping = asyncio.create_task(asyncio.to_thread(self._kept, job, film, about), name="a film is kept")
        try:
            job.succeed(await asyncio.shield(keeping))
        except asyncio.CancelledError:  # the thread goes on: what it keeps goes when it is through
            await asyncio.wait((keeping,))
            await asyncio.to_thread(self._shelf.remove, job.id)
            raise

    def _kept(self, job: FilmJob, film: Film, about: AboutFilm) -> ShownFilm:
        info = self._engine.loaded_info()
        poster = poster_file(film.poster, "jpg", self._engine.sign, info.model if info is not None else "")
        return self._shelf.keep(job.id, job.browser, film.path, poster, about)


def _jpeg(image: Image.Image) -> bytes:
    """Encoding takes a while."""
    small, out = image.convert("RGB"), io.BytesIO()
    small.thumbnail((LARGEST_STILL, LARGEST_STILL))
    small.save(out, "JPEG", quality=85)
    return out.getvalue()
