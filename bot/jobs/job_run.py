"""One job being answered: read the engine's events, write the job's fate into the store, choose what its message shows.

    accepted -> heard -> queued -> painting -> painted      each stage a new content of the same message

What becomes of it where no picture comes is `answer_run.py`'s business, how contents reach Discord `live_message.py`'s.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

from bot.discord_api.calls import TooLarge
from bot.discord_api.markdown import Markdown
from bot.jobs.answer_run import AnswerRun
from bot.jobs.choices import TIMES_LARGER, check_for, controls_of
from bot.jobs.keeping import Keeping
from bot.jobs.painted import Encoded, encode, halved, packed, unpacked
from bot.jobs.progress import Progress
from bot.jobs.services import JobServices
from bot.storage.records import Ending, How, Job, JobState
from bot.views.layouts import Controls, ShownPicture, with_pictures
from bot.views.wording import loading_line, painted_line, picture_alt_text, waiting_line
from core.checker import COVERED
from core.errors import PaintingError
from core.events import Event, Heard, HeardSummary, Understood
from core.generation.protocol import Loading, Painted, Painting, Picture, Queued
from core.metrics import measured
from core.pictures import PictureFile
from core.telling import can_be_painted

log = logging.getLogger(__name__)

ACKNOWLEDGE_WITHIN_S = 2.0
"""If hearing takes longer than this, the message is there before what was heard."""
LABELS_A_WINDOW = 5
SIZE_ATTEMPTS = 3


class JobRun(AnswerRun):
    """A job of which pictures come."""

    def __init__(self, services: JobServices, job: Job, *, resumed: bool = False) -> None:
        super().__init__(services, job, resumed=resumed)
        self._progress = Progress(job.options.count)
        self._queued: tuple[int, float] | None = None
        """The first place in the queue, and when that was, on the event loop's clock."""
        self._keeping = Keeping(services, job.id)

    async def _close(self) -> None:
        await super()._close()
        await self._keeping.cancel()

    async def _go_on(self) -> None:
        """Go on from wherever the job is: to be ended, painted, heard, or only accepted."""
        if self._job.heard is not None or self._job.ending is not None:
            self._screen = replace(self._screen, heard=self._job.shown)
        if self._job.ending is not None:
            await self._end(self._job.ending)
        elif painted := await self._painted_before():
            await self._finish(painted)
        elif self._job.heard is not None and not await self._is_to_be_understood():
            self._change(status=self._t("status.heard"))
            await self._work(await self._to_be_enlarged() or self._job.heard)
        else:
            acknowledging = asyncio.get_running_loop().call_later(ACKNOWLEDGE_WITHIN_S, self._acknowledge)
            try:
                await self._work(await self._recording())
            finally:
                acknowledging.cancel()

    async def _is_to_be_understood(self) -> bool:
        """Whether somebody speaks in what was heard, and it is not known yet what: the recording is kept until then."""
        return await self._services.store.recording(self._job.id) is not None

    async def _to_be_enlarged(self) -> Encoded | None:
        """The picture that is to be larger, from the message that shows it."""
        if self._how is not How.LARGER or self._job.outcome is None:
            return None
        file = await self._services.recordings.fetch_picture(self._job)
        return await asyncio.to_thread(unpacked, self._job.outcome, file)

    async def _work(self, source: HeardSummary | Path | Encoded) -> None:
        """Hear and paint, or enlarge."""
        async with self._turn():
            await self._follow(source)

    async def _follow(self, source: HeardSummary | Path | Encoded) -> None:
        """Follow the engine's stream to its end."""
        async with aclosing(await self._stream_of(source)) as events:
            async for event in events:
                await self._take(event)

    async def _stream_of(self, source: HeardSummary | Path | Encoded) -> AsyncGenerator[Event, None]:
        engine, user = self._services.engine, str(self._job.user_id)
        if isinstance(source, Encoded):
            (picture,) = source.pictures
            return engine.enlarge(
                picture.image, picture.recipe, TIMES_LARGER, user=user, check=await check_for(self._services, self._job)
            )
        refused = await self._refused_words()
        events = engine.imagine(
            source,
            self._job.options,
            user=user,
            hearing_begins=partial(self._services.store.mark_as_begun, self._job.id),
            refuses=refused.holds,
            allows_words=partial(self._services.speakers.allow, self._job.speaker_id),
            check=await check_for(self._services, self._job),
        )
        return measured("discord", events)

    async def _take(self, event: Event) -> None:
        match event:
            case Heard():
                await self._keep_heard(event)
            case Understood():
                await self._keep_understood(event)
            case Loading(arrived):
                self._change(status=loading_line(self._t, arrived))
            case Queued(position, picture_s):
                now = asyncio.get_running_loop().time()
                seconds = None
                if self._how is not How.LARGER:  # which waits in a queue of its own
                    self._queued = self._queued or (position, now)
                    seconds = self._services.pace.seconds_until(position, picture_s)
                self._change(status=waiting_line(self._t, position, seconds))
            case Painting(step=0):
                self._progress.note(event)
                await asyncio.to_thread(self._services.store.mark_as_begun, self._job.id)
            case Painting():
                self._progress.note(event)
                self._files = self._progress.previews
                shown = tuple(ShownPicture(name, self._t("alt.preview")) for name in self._files)
                status = self._t("status.painting", step=self._progress.step, steps=event.steps)
                self._change(pictures=shown, status=status)
            case Painted():
                self._progress.note(event)
                if pictures := self._progress.painted:
                    self._learn_pace()
                    await self._keep_and_show(pictures)

    def _learn_pace(self) -> None:
        if self._queued is not None:
            position, since = self._queued
            self._services.pace.learn(position, asyncio.get_running_loop().time() - since)

    def _acknowledge(self) -> None:
        """Hearing takes long: the message is there before it ends."""
        if self._job.heard is None and not self._is_unnoticed:
            self._change()

    async def _keep_heard(self, heard: Heard) -> None:
        summary = heard.summary.with_fewer_labels(LABELS_A_WINDOW)
        await asyncio.to_thread(self._services.store.unmark, self._job.id)
        self._job = replace(self._job, heard=summary)
        self._screen = replace(self._screen, heard=self._job.shown, status=self._t("status.heard"))
        self._keeping.begin(heard, summary)
        if self._can_be_painted:  # if not, the stream ends with the reason
            self._change()

    async def _keep_understood(self, understood: Understood) -> None:
        """What was said takes the place of the sounds, once it is written down."""
        assert self._job.heard is not None
        summary = self._job.heard.understood(understood)
        self._job = replace(self._job, heard=summary)
        await self._keeping.understood(summary)
        if self._can_be_painted:
            self._change(heard=self._job.shown)

    async def _keep_and_show(self, pictures: Sequence[Picture]) -> None:
        """Pictures are kept before anybody sees them: after a crash they are shown, and no others painted."""
        await self._keeping.finish()  # what was heard is written down first, or the picture would be of nothing
        encoded = await asyncio.to_thread(
            encode, pictures, self._services.places.file_limit(self._job), self._services.engine.sign
        )
        kept = await asyncio.to_thread(packed, encoded)
        await self._services.store.keep_picture(self._job.id, encoded.outcome, kept.data, kept.ending)
        await asyncio.to_thread(self._services.store.unmark, self._job.id)
        await self._finish(encoded)

    async def _painted_before(self) -> Encoded | None:
        """What an earlier run painted and did not get to show, or what is picked from another message."""
        outcome, data = self._job.outcome, await self._services.store.kept_picture(self._job)
        if outcome is None:
            return None
        if data is not None:
            file = PictureFile(data, str(self._job.picture).rpartition(".")[2])
        elif self._how is How.PICKED:
            file = await self._services.recordings.fetch_picture(self._job)
        else:
            return None
        return await asyncio.to_thread(unpacked, outcome, file)

    async def _finish(self, encoded: Encoded) -> None:
        """The pictures in the message, as large as Discord takes them, and the job's end in the store."""
        assert self._job.heard is not None  # nothing is painted of what was not heard
        self._screen = replace(
            self._screen,
            status=await self._painted_line(),
            notes=await self._said_once(is_miniature=encoded.pictures[0].is_miniature),
            controls=await controls_of(self._services, encoded),
            palette=encoded.palette,
        )
        alt_text = picture_alt_text(self._t, self._job.shown or self._job.heard, self._job.options)
        for _ in range(SIZE_ATTEMPTS):
            self._screen, self._files = with_pictures(
                self._screen, encoded.files, alt_text, is_covered=COVERED in encoded.outcome.notes
            )
            try:
                await self._message.finish(self._screen, self._files)
                break
            except TooLarge:
                log.info("job %d: Discord takes no %s bytes", self._job.id, [len(file.data) for file in encoded.files])
                encoded = await asyncio.to_thread(halved, encoded, self._services.engine.sign)
        else:
            raise PaintingError("This picture is too large for this server; please ask for a smaller one.")
        await self._services.store.finish(self._job.id, JobState.DONE)

    async def _painted_line(self) -> Markdown:
        """For whom the picture is, and what it comes from."""
        job, heard = self._job, self._job.heard
        style = job.options.style or (heard.style if heard is not None else None)
        return painted_line(self._t, job.user_id, job.options, style, await self._origin())

    async def _end(self, ending: Ending) -> None:
        await self._keeping.finish()
        await super()._end(ending)

    @property
    def _how(self) -> How | None:
        """How the picture comes from another one, if it does."""
        return self._job.origin.how if self._job.origin is not None else None

    @property
    def _can_be_painted(self) -> bool:
        """Whether anything is known that could be painted: silence alone cannot."""
        return self._job.heard is not None and can_be_painted(self._job.heard, self._job.options)

    @property
    def _is_told_to_all(self) -> bool:
        return self._can_be_painted and not self._is_refused

    @property
    def _controls_at_the_end(self) -> Controls:
        if self._job.heard is None or self._is_refused:  # the same words would be refused again
            return Controls.NONE
        if self._how in (How.PICKED, How.LARGER):  # which begin at the picture that they are made from
            return Controls.NONE
        return Controls.AGAIN if self._can_be_painted else Controls.SILENCE
