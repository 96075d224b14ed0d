"""A story being told: follow its stream, keep what is painted for a restart, choose what the message shows.

    accepted -> cut -> scene 1 ... scene n -> filmed      each stage a new content of the same message

What becomes of it where no film comes is `answer_run.py`'s business. How a film is made is not known here.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

from bot.discord_api.calls import TooLarge
from bot.jobs.answer_run import AnswerRun
from bot.jobs.choices import check_for
from bot.jobs.painted import Encoded, encode, halved
from bot.jobs.scenes import Scenes, as_png, is_cut_so, painted_before, painted_scene, summary_of, told_scenes
from bot.jobs.services import JobServices
from bot.storage.records import Ending, Job, JobState
from bot.storage.story import Story
from bot.views.layouts import Controls, ShownPicture
from bot.views.story import FILM, scene_line, scene_lines, story_notes, with_film
from bot.views.wording import loading_line, painted_line, waiting_line
from core.checker import COVERED
from core.errors import FilmTooLarge
from core.generation.protocol import Loading, Painting, Picture, Queued
from core.prompting.styles import Style
from core.stories.counted import counted
from core.stories.cutting import MOST_SCENES
from core.stories.events import Cut, Filmed, Filming, SceneLost, ScenePainted, ScenePaints, StoryEvent
from core.stories.story import StoryOptions

log = logging.getLogger(__name__)

SIZE_ATTEMPTS = 3
PICTURES_SHARE = 0.5
"""All pictures together are this large, where one file may be 1: everything goes up in one request."""


class StoryRun(AnswerRun):
    """A job of which a film comes."""

    def __init__(self, services: JobServices, job: Job, *, resumed: bool = False) -> None:
        super().__init__(services, job, resumed=resumed)
        assert job.story is not None
        self._story = job.story
        self._scenes = Scenes()
        self._films = False

    @property
    def _is_told_to_all(self) -> bool:
        return self._job.heard is not None and not self._is_refused

    async def _go_on(self) -> None:
        """Go on from wherever the story is: to be ended, shown, filmed, painted, or only accepted."""
        if self._job.ending is not None:
            await self._end(self._job.ending)
            return
        self._screen = replace(self._screen, heard=self._job.heard, lines=scene_lines(self._t, self._story))
        await self._take_up_scenes()
        film = await self._services.store.kept_picture(self._job)
        if film is not None:
            await self._finish(film)
            return
        self._change()
        recording = await self._recording()
        async with self._turn():
            if not await self._follow(recording):
                log.info("job %d: it is cut otherwise than before; what was painted of it does not fit", self._job.id)
                self._scenes, self._story = Scenes(), Story(self._story.most)
                await self._follow(recording)

    async def _follow(self, recording: Path) -> bool:
        """Follow the story's stream to its end. False: it is cut otherwise than when its scenes were painted, by an
        older version perhaps."""
        await asyncio.to_thread(self._services.store.mark_as_begun, self._job.id)
        async with aclosing(await self._stream_of(recording)) as events:
            async for event in events:
                if isinstance(event, Cut) and self._scenes.pictures and not is_cut_so(event, self._story.scenes):
                    return False
                await self._take(event)
        return True

    async def _take_up_scenes(self) -> None:
        """What earlier runs painted; a picture whose file is gone is painted anew."""
        for scene in self._story.painted:
            data = await self._services.store.stories.picture(self._job.id, scene.number)
            if data is not None:
                picture = await asyncio.to_thread(painted_before, scene, data)
                await asyncio.to_thread(self._scenes.add, scene.number, picture)
        for number in self._story.lost:
            self._scenes.lose(number)
        self._show_scenes()

    async def _stream_of(self, recording: Path) -> AsyncGenerator[StoryEvent, None]:
        services, job = self._services, self._job
        may_know_words = services.speakers.allow(job.speaker_id)
        options = replace(job.options, spoken_words=job.options.spoken_words and may_know_words)
        story = services.tell(
            services.engine,
            recording,
            StoryOptions(options, max_bytes=services.places.file_limit(job), painted=self._scenes.images),
            user=str(job.user_id),
            refuses=(await self._refused_words()).holds,
            allows_words=partial(services.speakers.allow, job.speaker_id),
            check=await check_for(services, job),
        )
        return counted("discord", story)

    async def _take(self, event: StoryEvent) -> None:
        match event:
            case Cut():
                await self._keep_cut(event)
            case ScenePaints(number, of_it):
                await self._take_of_scene(number, of_it)
            case ScenePainted(number, painted):
                await self._keep_scene(number, painted.picture)
            case SceneLost(number):
                self._scenes.lose(number)
                await asyncio.to_thread(self._services.store.unmark, self._job.id)
                self._show_scenes()
            case Filming(done_s, of_s):
                if not self._films:
                    self._films = True
                    await asyncio.to_thread(self._services.store.mark_as_begun, self._job.id)
                self._change(status=self._t("status.filming", done=int(done_s), seconds=round(of_s)))
            case Filmed(film):
                await self._keep_film(await asyncio.to_thread(film.path.read_bytes))

    async def _take_of_scene(self, number: int, event: Loading | Queued | Painting) -> None:
        match event:
            case Loading(arrived):
                doing = loading_line(self._t, arrived)
            case Queued(position, picture_s):
                doing = waiting_line(self._t, position, self._services.pace.seconds_until(position, picture_s))
            case Painting(step, steps):
                if step == 0:
                    await asyncio.to_thread(self._services.store.mark_as_begun, self._job.id)
                self._scenes.note_step(number, event)
                self._show_scenes()
                doing = self._t("status.painting", step=step, steps=steps)
        self._change(status=scene_line(self._t, number, len(self._story.scenes), doing))

    def _show_scenes(self) -> None:
        """Beside the next status."""
        self._files = self._scenes.previews
        shown = tuple(ShownPicture(name, self._t("alt.preview")) for name in self._files)
        self._screen = replace(self._screen, pictures=shown)

    async def _keep_cut(self, cut: Cut) -> None:
        """How many pictures it is, is known from now on."""
        heard, self._story = summary_of(cut), replace(self._story, scenes=told_scenes(cut))
        await self._services.store.stories.keep_cut(self._job.id, heard, self._story)
        await asyncio.to_thread(self._services.store.unmark, self._job.id)
        self._job = replace(self._job, heard=heard)
        status = self._t("status.cut", count=len(cut.scenes))
        self._change(heard=heard, lines=scene_lines(self._t, self._story), status=status)

    async def _keep_scene(self, number: int, picture: Picture) -> None:
        """A scene is kept before the next one is begun: after a crash it is not painted again."""
        scene = painted_scene(number, picture)
        png = await asyncio.to_thread(as_png, picture.image)
        await self._services.store.stories.keep_scene(self._job.id, scene, png)
        await asyncio.to_thread(self._services.store.unmark, self._job.id)
        self._story = replace(self._story, painted=(*self._story.painted, scene))
        await asyncio.to_thread(self._scenes.add, number, picture)
        self._show_scenes()
        self._change()

    async def _keep_film(self, film: bytes) -> None:
        """A film is kept before anybody sees it: after a crash it is shown, and not made again."""
        lost = tuple(sorted(self._scenes.lost))
        await self._services.store.stories.keep_film(self._job.id, film, lost)
        await asyncio.to_thread(self._services.store.unmark, self._job.id)
        self._story = replace(self._story, lost=lost)
        await self._finish(film)

    async def _finish(self, film: bytes) -> None:
        """The film and its scenes in the message, and the job's end in the store."""
        limit, sign = self._services.places.file_limit(self._job), self._services.engine.sign
        numbers = sorted(self._scenes.pictures)
        pictures = [self._scenes.pictures[number] for number in numbers]
        encoded = await asyncio.to_thread(encode, pictures, int(PICTURES_SHARE * limit / MOST_SCENES), sign)
        await self._tell_the_end(encoded)
        for _ in range(SIZE_ATTEMPTS):
            try:
                await self._show(film, numbers, encoded)
                break
            except TooLarge:
                log.info("job %d: Discord takes no film of %d bytes with its pictures", self._job.id, len(film))
                encoded = await asyncio.to_thread(halved, encoded, sign)
        else:
            raise FilmTooLarge(limit / 1e6)
        await self._services.store.finish(self._job.id, JobState.DONE)

    async def _tell_the_end(self, encoded: Encoded) -> None:
        """For whom the film is, what it comes from, and what a person should know of it."""
        job, heard = self._job, self._job.heard
        assert heard is not None  # nothing is filmed of what was not heard
        is_miniature = any(picture.is_miniature for picture in encoded.pictures)
        self._screen = replace(
            self._screen,
            status=painted_line(self._t, job.user_id, job.options, self._style, await self._origin()),
            notes=(*story_notes(heard, self._story), *await self._said_once(is_miniature=is_miniature)),
            controls=Controls.FILM,
            palette=encoded.palette,
        )

    async def _show(self, film: bytes, numbers: Sequence[int], encoded: Encoded) -> None:
        files = list(zip(numbers, encoded.files, strict=True))
        is_covered = COVERED in encoded.outcome.notes
        self._screen, shown = with_film(self._screen, self._t, self._story, files, self._style, is_covered=is_covered)
        self._files = {FILM: film, **shown}
        await self._message.finish(self._screen, self._files)

    @property
    def _style(self) -> Style | None:
        return self._job.options.style or self._services.engine.settings.style

    async def _end(self, ending: Ending) -> None:
        """A story of which no film comes counts as what was painted of it, and as one picture at least."""
        await self._services.store.stories.count(self._job.id, max(1, len(self._story.painted)))
        await super()._end(ending)
