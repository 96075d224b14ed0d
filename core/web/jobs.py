"""All requests of the page: each is a task that reads the engine's stream, and outlives its browser's connection.

Requests are kept in memory for a day at most, pictures on the shelf. It knows nothing of HTTP, nor of who may see what.
"""

import asyncio
import io
import logging
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

from PIL import Image

from core.checker import COVERED
from core.engine import Engine
from core.errors import Cancelled, ImagineSoundError, PictureBlocked, ShuttingDown
from core.events import Event, Heard, Understood
from core.generation.protocol import Loading, Painted, Painting, Picture, Queued
from core.hearing.palette import palette_of
from core.hearing.strip import Strip, strip_png, weave
from core.log_lines import one_line
from core.metrics import measured
from core.options import ImagineOptions
from core.pace import Pace
from core.pictures import to_png
from core.provenance.manifest import Sign
from core.recipe import to_json
from core.web import wording
from core.web.job import WAITING, Job, Kind, Preview, State
from core.web.quotas import Quotas
from core.web.shelf import KEPT_S, About, Shelf, Shown, new_id

log = logging.getLogger(__name__)

LABELS_A_WINDOW = 5
MOST_REMEMBERED = 5000
"""Requests that are over; each takes a few kilobytes."""
PREVIEW_KEPT_S = 60.0
"""A browser may still ask for it when the picture is there."""
SHUTTING_DOWN = "This page is being shut down; please ask again in a minute."
FAULT = "Something went wrong here that is no fault of your recording; please try again."


class Jobs:
    """Begins, follows and remembers requests."""

    def __init__(
        self, engine: Engine, shelf: Shelf, quotas: Quotas, refuses: Callable[[str], bool], now: Callable[[], float]
    ) -> None:
        """`refuses`: of which texts nothing is painted. `now`: in seconds since the epoch."""
        self._engine = engine
        self._shelf = shelf
        self._quotas = quotas
        self._refuses = refuses
        self._now = now
        self._jobs: dict[str, Job] = {}
        self._pace = Pace()
        self._closed = False
        self.last_failure: tuple[float, str] | None = None
        """When, in seconds since the epoch, and the sentence that somebody was told."""

    def begin(self, browser: str, source: Path | bytes | Job, options: ImagineOptions) -> Job:
        """Begin a request, for which a place in the quotas was taken: of a recording, whose file is removed once it
        was heard, or of what another request heard. Raises ShuttingDown.
        """
        if self._closed:
            raise ShuttingDown(SHUTTING_DOWN)
        job = Job(new_id(), browser, options)
        if isinstance(source, Job):
            job.heard, job.strip, job.state = source.heard, source.strip, State.HEARD
        self._quotas.spend(browser)
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._run(job, source), name=f"page's job {job.id[:8]}")
        job.expect(partial(self._nobody_listens, job))
        return job

    def find(self, name: str, browser: str) -> Job | None:
        """That browser's request with that id."""
        job = self._jobs.get(name)
        return job if job is not None and job.browser == browser and browser else None

    def of(self, browser: str) -> list[Job]:
        """A browser's requests, the newest first, but for those of which nothing came."""
        mine = [job for job in self._jobs.values() if job.browser == browser and job.state is not State.FAILED]
        return mine[::-1]

    def cancel(self, job: Job) -> None:
        """Nobody wants the picture any more."""
        if job.task is not None and not job.is_over:
            job.task.cancel()

    def touch(self, job: Job) -> None:
        """Somebody has looked, who cannot listen."""
        job.expect(partial(self._nobody_listens, job))

    def leave(self, job: Job) -> None:
        """Somebody does not listen any more."""
        job.leave(partial(self._nobody_listens, job))

    def unfinished(self) -> tuple[int, int]:
        """How many requests are being painted, and how many wait for that."""
        states = [job.state for job in self._jobs.values()]
        return states.count(State.PAINTING), sum(state in WAITING for state in states)

    def seconds_for_another(self) -> float | None:
        """How long a new one would take; None where that is not known."""
        return self._pace.seconds_until(self._engine.queue_length() + 1)

    def forget_old(self) -> None:
        """Forget what was over a day ago, or too many requests ago."""
        now = asyncio.get_running_loop().time()
        over = [(job, now - job.ended) for job in self._jobs.values() if job.ended is not None]
        for index, (job, ago) in enumerate(over):
            if ago > KEPT_S or index < len(over) - MOST_REMEMBERED:
                del self._jobs[job.id]
            elif ago > PREVIEW_KEPT_S:
                job.preview = None

    async def close(self) -> None:
        """Cancel what is not over, and take nothing more."""
        self._closed = True
        tasks = [job.task for job in self._jobs.values() if job.task is not None and not job.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _nobody_listens(self, job: Job) -> None:
        if job.state in WAITING and job.listeners == 0:
            log.info("request %s waited and nobody listened", job.id[:8])
            self.cancel(job)

    async def _run(self, job: Job, source: Path | bytes | Job) -> None:
        """From beginning to end; nothing gets out of it."""
        try:
            await self._follow(job, source)
        except asyncio.CancelledError:
            self._fail(job, ShuttingDown(SHUTTING_DOWN) if self._closed else Cancelled())
        except ImagineSoundError as error:
            log.info("request %s failed: %s (%r)", job.id[:8], one_line(str(error)), error.__cause__)
            self._fail(job, error)
        except Exception:
            log.exception("request %s failed", job.id[:8])
            self._fail(job, ImagineSoundError(FAULT))
        finally:
            self._quotas.end(job.browser)
            if isinstance(source, Path):
                source.unlink(missing_ok=True)  # noqa: ASYNC240 - most often it is gone
            self.forget_old()

    async def _follow(self, job: Job, source: Path | bytes | Job) -> None:
        known = source.heard if isinstance(source, Job) else source
        assert known is not None  # nobody asks again for what was not heard
        events = self._engine.imagine(known, job.options, user=f"page {job.browser}", refuses=self._refuses)
        queued: tuple[int, float] | None = None
        loop = asyncio.get_running_loop()
        async with aclosing(measured("page", events)) as measured_events:
            async for event in measured_events:
                if isinstance(event, Queued) and queued is None:
                    queued = (event.position, loop.time())
                if isinstance(event, Painted) and queued is not None:
                    self._pace.learn(queued[0], loop.time() - queued[1])
                await self._take(job, event, source)

    async def _take(self, job: Job, event: Event, source: Path | bytes | Job) -> None:
        match event:
            case Heard():
                if isinstance(source, Path):
                    await asyncio.to_thread(source.unlink, missing_ok=True)
                job.heard = event.summary.with_fewer_labels(LABELS_A_WINDOW)
                job.state = State.HEARD
                job.strip = asyncio.create_task(asyncio.to_thread(_woven, event), name="weaving")
                self._tell_heard(job)
            case Understood():
                assert job.heard is not None
                job.heard, job.left_out = job.heard.understood(event), event.left_out
                self._tell_heard(job)
            case Loading(arrived):
                job.state, job.position = State.HEARD, None
                job.tell(Kind.QUEUED, position=None, arrived=arrived, **wording.loading(arrived))
            case Queued(position, picture_s):
                job.state, job.position = State.QUEUED, position
                job.about_s = self._pace.seconds_until(position, picture_s)
                job.tell(Kind.QUEUED, position=position, **wording.waiting(position, job.about_s))
            case Painting(step, steps, preview):
                job.state, job.step, job.steps = State.PAINTING, step, steps
                job.tell(Kind.PAINTING, step=step, steps=steps)
                if preview is not None:
                    await self._show_preview(job, preview)
            case Painted(picture):
                await self._keep(job, picture)

    def _tell_heard(self, job: Job) -> None:
        assert job.heard is not None
        first, *others = wording.things_in(job.heard, job.options)
        job.tell(
            Kind.HEARD,
            title=first.name,
            others=wording.listed_things(others),
            seconds=job.heard.duration_s,
            ink=f"/api/jobs/{job.id}/ink.png",
        )

    async def _show_preview(self, job: Job, jpeg: bytes) -> None:
        palette = await asyncio.to_thread(lambda: palette_of(Image.open(io.BytesIO(jpeg))))
        job.preview = Preview(job.preview.number + 1 if job.preview else 1, jpeg, palette)
        base = f"/api/jobs/{job.id}/{job.preview.number}"
        job.tell(Kind.PREVIEW, step=job.step, steps=job.steps, preview=f"{base}.jpg", strip=f"{base}.strip.png")

    async def _keep(self, job: Job, picture: Picture) -> None:
        assert job.heard is not None
        first, *others = wording.things_in(job.heard, job.options)
        about = About(
            title=first.name,
            others=tuple(thing.name for thing in others),
            alt=wording.alt_text(job.heard, job.options),
            seconds=job.heard.duration_s,
            size=picture.image.size,
            made=self._now(),
            recipe=to_json(picture.recipe),
            is_covered=COVERED in picture.notes,
        )
        assert job.strip is not None
        strip = await asyncio.shield(job.strip)
        keep = partial(self._shelf.keep, job.id, about=about)
        job.picture = await asyncio.to_thread(_kept, keep, picture, strip, self._engine.sign)
        job.end(State.PAINTED)
        job.tell(
            Kind.PAINTED,
            page=f"/p/{job.id}",
            picture=f"/p/{job.id}.png",
            strip=f"/p/{job.id}.strip.png",
            recipe=f"/p/{job.id}.json",
            alt=about.alt,
        )

    def _fail(self, job: Job, error: ImagineSoundError) -> None:
        if isinstance(error, PictureBlocked):
            self._quotas.give_back(job.browser)
            job.preview = None
        job.error = error
        job.end(State.FAILED)
        if not job.is_cancelled:
            self.last_failure = (self._now(), str(error))
        job.tell(Kind.FAILED, error=str(error), kind=type(error).__name__)


def _woven(heard: Heard) -> Strip:
    """In any thread: what hears recordings shall not have to do it."""
    return weave(heard.clip.samples, heard.summary.windows)


def _kept(keep: Callable[[bytes, bytes], Shown], picture: Picture, strip: Strip, sign: Sign) -> Shown:
    """Encoding and writing take up to a second for large pictures."""
    return keep(to_png(picture, sign), strip_png(strip, palette_of(picture.image)))
