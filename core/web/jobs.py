"""The page's requests for pictures: each reads the engine's stream, and puts its picture on the shelf.

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
from core.events import Event, Heard, Understood
from core.generation.protocol import Loading, Painted, Painting, Picture, Queued
from core.hearing.palette import palette_of
from core.hearing.strip import Strip, strip_png, weave
from core.metrics import measured
from core.options import ImagineOptions
from core.pace import Pace
from core.pictures import to_png
from core.provenance.manifest import Sign
from core.recipe import to_json
from core.web import wording
from core.web.job import Job, Kind, Preview, State
from core.web.quotas import Quotas
from core.web.register import Register
from core.web.shelf import About, Shelf, Shown, new_id

LABELS_A_WINDOW = 5


class Jobs:
    """Begins pictures, and follows them."""

    def __init__(
        self, engine: Engine, shelf: Shelf, quotas: Quotas, register: Register, refuses: Callable[[str], bool]
    ) -> None:
        """`refuses`: of which texts nothing is painted."""
        self._engine = engine
        self._shelf = shelf
        self._quotas = quotas
        self._register = register
        self._refuses = refuses
        self._pace = Pace()

    def begin(self, browser: str, source: Path | bytes | Job, options: ImagineOptions) -> Job:
        """Begin a request, for which a place in the quotas was taken: of a recording, whose file is removed once it
        was heard, or of what another request heard. Raises ShuttingDown.
        """
        self._register.check_open()
        job = Job(new_id(), browser, options)
        if isinstance(source, Job):
            job.heard, job.strip, job.state = source.heard, source.strip, State.HEARD
        self._quotas.spend(browser)
        self._register.begin(job, partial(self._work, job, source))
        return job

    def find(self, name: str, browser: str) -> Job | None:
        """That browser's picture with that id."""
        job = self._register.find(name, browser)
        return job if isinstance(job, Job) else None

    def of(self, browser: str) -> list[Job]:
        """A browser's pictures, the newest first, but for those of which nothing came."""
        return [job for job in self._register.of(browser) if isinstance(job, Job)]

    def seconds_for_another(self) -> float | None:
        """How long a new one would take; None where that is not known."""
        return self._pace.seconds_until(self._engine.queue_length() + 1)

    async def _work(self, job: Job, source: Path | bytes | Job) -> None:
        try:
            await self._follow(job, source)
        except PictureBlocked:
            self._quotas.give_back(job.browser)
            job.preview = None
            raise
        finally:
            if isinstance(source, Path):
                source.unlink(missing_ok=True)  # noqa: ASYNC240 - most often it is gone

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
            made=self._shelf.now(),
            recipe=to_json(picture.recipe),
            is_covered=COVERED in picture.notes,
        )
        assert job.strip is not None
        strip = await asyncio.shield(job.strip)
        keep = partial(self._shelf.keep, job.id, about=about)
        job.succeed(await asyncio.to_thread(_kept, keep, picture, strip, self._engine.sign))
        job.tell(
            Kind.PAINTED,
            page=f"/p/{job.id}",
            picture=f"/p/{job.id}.png",
            strip=f"/p/{job.id}.strip.png",
            recipe=f"/p/{job.id}.json",
            alt=about.alt,
        )


def _woven(heard: Heard) -> Strip:
    """In any thread: what hears recordings shall not have to do it."""
    return weave(heard.clip.samples, heard.summary.windows)


def _kept(keep: Callable[[bytes, bytes], Shown], picture: Picture, strip: Strip, sign: Sign) -> Shown:
    """Encoding and writing take up to a second for large pictures."""
    return keep(to_png(picture, sign), strip_png(strip, palette_of(picture.image)))
