"""One run of a job, whatever it is for: it goes on from wherever the job is, and every way in which it may end is told.

How a job ends is written down before it is said. A run that is cancelled leaves the store as it is, so that the job can
be resumed. Who starts and cancels runs is `runner.py`'s business, how contents reach Discord is `live_message.py`'s;
what is made is not known here.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path

from bot.discord_api.attachments import CouldNotFetch
from bot.discord_api.calls import CallFailed, Gone, NotNow, Refused, TooLarge
from bot.discord_api.markdown import Markdown, link_to
from bot.jobs.last_word import tell_asker
from bot.jobs.live_message import LiveMessage
from bot.jobs.services import JobServices
from bot.storage.records import Ending, Job, JobState
from bot.storage.writer import CannotWrite
from bot.views.layouts import Controls, Screen
from bot.views.texts import Translation
from core.errors import ImagineSoundError, PainterLost, PictureBlocked, WordsRefused
from core.generation.protocol import Note
from core.prompting.words import WordList

log = logging.getLogger(__name__)

NOT_PAINTED = "🔇"
"""On a recording that nobody asked about and that cannot be painted."""


@lru_cache(256)
def _list_of(words: tuple[str, ...]) -> WordList:
    """A server's list; it seldom changes."""
    return WordList.of(words)


class End(Enum):
    """How a run ended."""

    ANSWERED = auto()
    """The job is over, and its last word is shown; or there is nobody to show it to."""
    NOT_NOW = auto()
    """The job goes on when Discord can be reached."""
    REFUSED = auto()
    """The job goes on if Discord allows it again."""
    WITHDRAWN = auto()
    """The message that the job is about was deleted."""


class AnswerRun(ABC):
    """`job` being answered. `resumed`: after another run of it, which may have posted its message."""

    def __init__(self, services: JobServices, job: Job, *, resumed: bool = False) -> None:
        self._services = services
        self._job = job
        self._resumed = resumed
        self._t: Translation = services.texts.translation(job.locale)
        self._message = LiveMessage(services, job, self._t, resumed=resumed)
        self._screen = Screen(job.id, self._t("status.listening"))
        self._files: dict[str, bytes] = {}
        self._is_refused = False

    @abstractmethod
    async def _go_on(self) -> None:
        """Go on from wherever the job is, to its end. What it raises is told."""

    @property
    @abstractmethod
    def _is_told_to_all(self) -> bool:
        """Whether everybody is told that nothing came of it: they have seen something of it by then."""

    @property
    def _controls_at_the_end(self) -> Controls:
        """Which buttons are left where nothing came of it."""
        return Controls.NONE

    async def run(self) -> End:
        """Answer the job. Errors that a person can mend are told; anything else is logged and told as a fault."""
        try:
            return await self._answer()
        finally:
            await self._close()

    async def announce_restart(self) -> None:
        """Say that the bot is restarting and will go on; for a job that does not run (any more)."""
        if self._is_unnoticed:
            return
        self._screen = replace(self._screen, status=self._t("status.restarting"))
        try:
            await self._message.finish(self._screen, self._files)
        except CallFailed:
            log.info("job %d: nobody to tell that it is put off", self._job.id)

    async def _close(self) -> None:
        await self._message.close()

    async def _answer(self) -> End:
        try:
            try:
                if self._resumed and await self._services.places.is_gone(self._job):
                    return End.WITHDRAWN
                await self._go_on()
            except (CallFailed, CannotWrite):
                raise
            except PainterLost:
                await self.announce_restart()
                raise
            except (WordsRefused, PictureBlocked) as error:
                self._is_refused = True
                if isinstance(error, PictureBlocked):
                    await self._services.store.note_refused(self._job.id)
                await self._fail(self._t.error(error))
            except ImagineSoundError as error:
                log.info("job %d failed: %s (%r)", self._job.id, error, error.__cause__)
                log.debug("job %d", self._job.id, exc_info=error)
                await self._fail(self._t.error(error))
            except Exception:
                log.exception("job %d failed", self._job.id)
                await self._fail(self._t("status.fault"))
        except (Gone, TooLarge) as error:
            log.info("job %d: there is nobody to tell: %r", self._job.id, error)
            await self._services.store.finish(self._job.id, JobState.CANCELLED)
        except Refused as error:
            log.warning("job %d: I may not answer it: %s", self._job.id, error)
            return End.REFUSED
        except (NotNow, PainterLost, CannotWrite) as error:
            log.warning("job %d goes on when it can: %r", self._job.id, error)
            return End.NOT_NOW
        return End.ANSWERED

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Work beside others; on what was worked on when the process ended, where it harms nobody but itself."""
        turns, store = self._services.turns, self._services.store
        async with turns.alone() if self._job.attempts else turns.beside_others():
            try:
                yield
            except PainterLost:
                raise  # the process ends over this, and the next start is to know what it was working on
            except BaseException:
                await asyncio.to_thread(store.unmark, self._job.id)
                raise

    async def _recording(self) -> Path:
        """The file to be heard; it is fetched unless an earlier run did that. Raises CouldNotFetch."""
        store = self._services.store
        if kept := await store.recording(self._job.id):
            return kept
        try:
            data = await self._services.recordings.fetch(self._job)
        except CouldNotFetch:
            await store.note_refused(self._job.id)
            raise
        return await store.keep_recording(self._job.id, data)

    async def _refused_words(self) -> WordList:
        """What is not painted where the job is."""
        here = await self._services.store.servers.settings(self._job.guild_id)
        return self._services.refused_words | _list_of(here.refused_words)

    def _change(self, **changes: object) -> None:
        """Change the screen and show it soon. Raises Gone once the message is gone."""
        self._screen = replace(self._screen, **changes)  # type: ignore[arg-type]
        self._message.show(self._screen, self._files)

    async def _origin(self) -> Markdown:
        """Which picture this was made from, and how; nothing where it was made from none, or that is gone."""
        origin = self._job.origin
        before = await self._services.store.job(origin.job_id) if origin is not None else None
        if origin is None or before is None or before.reply is None:
            return Markdown("")
        link = link_to(before.guild_id, before.reply.channel_id, before.reply.message_id)
        return self._t(f"origin.{origin.how.value}", picture=Markdown(f"[↗]({link})"))

    async def _said_once(self, *, is_miniature: bool) -> tuple[Note, ...]:
        """That the model is a small one is said once in each server; the help says it, too."""
        place = self._job.guild_id or self._job.channel_id
        is_new = is_miniature and await self._services.store.notes.claim(f"miniature:{place}")
        return (Note("miniature", {}),) if is_new else ()

    async def _fail(self, sentence: str) -> None:
        """The job ends without a picture: first it is written down why, then it is said."""
        ending = Ending(JobState.FAILED, sentence)
        if await self._services.store.set_ending(self._job.id, ending):
            await self._end(ending)

    async def _end(self, ending: Ending) -> None:
        """The last word of a job without a picture, and its end in the store."""
        if not self._job.asked and not await self._message.is_there():
            log.info("job %d: nobody asked, so nobody is told: %s", self._job.id, ending.sentence)
            await self._services.store.finish(self._job.id, ending.state)
            await self._services.places.react(self._job, NOT_PAINTED)
            return
        # as it was written down
        self._screen = Screen(self._job.id, Markdown(ending.sentence), controls=self._controls_at_the_end)
        if self._is_told_to_all:
            await self._message.finish(self._screen, {})
        else:
            await tell_asker(self._services, self._job, self._message, self._screen)
        await self._services.store.finish(self._job.id, ending.state)

    @property
    def _is_unnoticed(self) -> bool:
        """Whether nobody has asked and nothing has been posted: if no picture comes of it, nobody shall be told."""
        return not self._job.asked and not self._message.is_posted
