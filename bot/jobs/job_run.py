"""One job's life in Discord: a message that says what was heard, where the job waits, how far it is, and the picture.

    accepted -> heard -> queued -> painting -> painted      each stage an edit of the same message

It reads the core's events and writes the job's fate into the store; a cancelled conversation leaves the store as it is,
so that the job can be resumed. Who starts and cancels conversations is `jobs.py`'s business.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

import discord

from bot.discord_api import calls as discord_calls
from bot.discord_api.calls import Gone
from bot.discord_api.pacing import Pacer
from bot.discord_api.permissions import names_of
from bot.jobs.places import Places
from bot.jobs.reply import Reply, TooLarge
from bot.storage.records import Job, JobState, Outcome
from bot.storage.store import Store
from bot.views.layouts import BAD, GOOD, Controls, Screen, build_layout
from bot.views.texts import Speaker, Texts
from bot.views.wording import picture_alt_text, picture_notes
from core.engine import Engine
from core.errors import ImagineSoundError, NothingHeard, PaintingError
from core.events import Heard
from core.generation.protocol import Loading, Note, Painted, Painting, Picture, Queued
from core.hearing.figure import draw_heard
from core.pictures import encode_picture

log = logging.getLogger(__name__)

ACKNOWLEDGE_WITHIN_S = 2.0
"""If hearing takes longer than this, the message is there before what was heard."""
LABELS_A_WINDOW = 5
SIZE_ATTEMPTS = 3
DELIVERY_PAUSES_S = (0, 2, 10, 60)
"""The last state of a message is tried again after these."""
FIGURE = "heard.png"


@dataclass(frozen=True)
class Workshop:
    """What every conversation works with."""

    client: discord.Client
    engine: Engine
    store: Store
    texts: Texts
    pacer: Pacer
    places: Places
    drawing: Executor
    now: Callable[[], datetime]


class Conversation:
    """A job being answered. `quiet`: it was resumed after a restart, so nobody is to be notified."""

    def __init__(self, workshop: Workshop, job: Job, *, quiet: bool = False) -> None:
        self._shop = workshop
        self._job = job
        self._quiet = quiet
        self._say: Speaker = workshop.texts.speaker(job.locale)
        self._screen = Screen(job.id, self._say("status.listening"))
        self._files: dict[str, bytes] = {}
        self._reply = Reply(workshop.client, job.reply) if job.reply else None
        self._drawing: asyncio.Task[None] | None = None
        self._showing: asyncio.Task[None] | None = None
        self._stale = False
        self._gone = self._has_turn = False
        self._unnamed: discord.Thread | None = None

    async def run(self) -> None:
        """Answer the job. Errors that a person can mend are told; anything else is logged and told as a fault."""
        try:
            await self._shop.store.count_attempt(self._job.id)
            await self._listen()
            await self._paint()
        except Gone:
            log.info("job %d: its message is gone", self._job.id)
            await self._shop.store.finish(self._job.id, JobState.CANCELLED)
        except ImagineSoundError as error:
            log.info("job %d failed: %s", self._job.id, error, exc_info=error.__cause__)
            await self._fail(self._say.error(error))
        except Exception:
            log.exception("job %d failed", self._job.id)
            await self._fail(self._say("status.fault"))
        finally:
            for task in (self._drawing, self._showing):
                if task is not None and not task.done():
                    task.cancel()
                    await asyncio.wait({task})

    async def tell_put_off(self) -> None:
        """Say that the bot is restarting and will go on; for a job that does not run (any more)."""
        self._screen = replace(self._screen, status=self._say("status.restarting"), progress=None)
        self._has_turn = False
        if self._is_unnoticed:
            return
        if self._reply is not None:
            await self._show_now()
            return
        try:
            await self._open()
        except Gone:
            log.info("job %d: nobody to tell that it is put off", self._job.id)

    async def tell_ended(self, key: str, **values: object) -> None:
        """Say why the job ended without a picture; for a job that does not run (any more)."""
        self._has_turn = False
        await self._restore()
        await self._end(self._say(key, **values))

    # Hearing

    async def _listen(self) -> None:
        """Hear the recording unless that was done before, and show what was heard."""
        if self._job.heard is None:
            hearing = asyncio.create_task(self._hear())
            try:
                await asyncio.wait({hearing}, timeout=ACKNOWLEDGE_WITHIN_S)
                if not hearing.done() and not self._is_unnoticed:
                    await self._update()
                heard = await hearing
            finally:
                hearing.cancel()
            await self._keep_heard(heard)
            await self._show_heard(None)
            self._drawing = asyncio.create_task(self._draw(heard))
            await self._name_thread(heard.summary.title)
            if not self._can_be_painted:
                raise NothingHeard
        else:
            await self._restore()
        self._screen = replace(self._screen, status=self._say("status.heard"))
        await self._update()

    async def _restore(self) -> None:
        """What was heard before, back on the screen."""
        figure = await self._shop.store.figure(self._job) if self._job.heard is not None else None
        await self._show_heard(figure)

    async def _show_heard(self, figure: bytes | None) -> None:
        heard = self._job.heard
        prompt = await self._shop.engine.prompt_for(heard, self._job.options) if heard else None
        self._files = {FIGURE: figure} if figure is not None else {}
        self._screen = replace(
            self._screen,
            heard=self._job.heard,
            prompt=prompt.text if prompt else "",
            figure=FIGURE if figure is not None else None,
        )

    def _figure_file(self) -> dict[str, bytes]:
        return {FIGURE: self._files[FIGURE]} if FIGURE in self._files else {}

    async def _hear(self) -> Heard:
        recording = await self._shop.store.recording(self._job.id)
        return await self._shop.engine.hear(recording or b"", self._job.options)

    async def _draw(self, heard: Heard) -> None:
        """Draw the figure while the picture is waited for; without it the picture comes all the same."""
        try:
            figure = await asyncio.get_running_loop().run_in_executor(
                self._shop.drawing, draw_heard, heard.clip, heard.summary.windows, heard.summary.top
            )
            await self._shop.store.set_figure(self._job.id, figure)
        except Exception:
            log.exception("job %d: no figure of what was heard", self._job.id)
            return
        self._files = {FIGURE: figure, **self._files}
        self._screen = replace(self._screen, figure=FIGURE)
        if self._reply is not None:
            self._change()

    async def _finish_drawing(self) -> None:
        if self._drawing is not None:
            await asyncio.wait({self._drawing})

    async def _keep_heard(self, heard: Heard) -> None:
        summary = heard.summary.with_fewer_labels(LABELS_A_WINDOW)
        await self._shop.store.set_heard(self._job.id, summary)
        self._job = replace(self._job, heard=summary)

    async def _name_thread(self, title: str) -> None:
        """Give a thread that was made before its sound was heard the sound's name."""
        if self._unnamed is not None:
            await discord_calls.attempt_quietly(self._unnamed.edit(name=title), "name a thread")
            self._unnamed = None

    @property
    def _is_unnoticed(self) -> bool:
        """Whether nobody has asked and nothing has been posted: if no picture comes of it, nobody shall be told."""
        return not self._job.asked and self._reply is None

    @property
    def _can_be_painted(self) -> bool:
        """Whether anything is known that could be painted: silence alone cannot."""
        heard = self._job.heard
        return heard is not None and (not heard.only_silence or self._job.options.prompt is not None)

    # Painting

    async def _paint(self) -> None:
        assert self._job.heard is not None
        stream = self._shop.engine.imagine(self._job.heard, self._job.options, user=str(self._job.user_id))
        async with aclosing(stream) as events:
            async for event in events:
                if self._gone:
                    raise Gone
                match event:
                    case Loading():
                        self._change(status=self._say("status.loading"))
                    case Queued(position):
                        self._change(status=self._say("status.queued", position=position))
                    case Painting(step, steps, preview):
                        self._show_progress(step, steps, preview)
                    case Painted(picture):
                        await self._show_picture(picture)

    def _show_progress(self, step: int, steps: int, preview: bytes | None) -> None:
        if preview is not None:
            name = f"preview-{step}.jpg"
            self._files = {**self._figure_file(), name: preview}
            self._change(picture=name, alt_text=self._say("alt.preview"))
        self._change(progress=(step, steps), status=self._say("status.painting"))

    async def _show_picture(self, picture: Picture) -> None:
        await self._finish_drawing()
        await self._stop_showing()
        self._screen = replace(
            self._screen,
            prompt=picture.recipe.prompt.text,
            alt_text=picture_alt_text(self._say, picture.recipe.prompt.text),
            progress=None,
            status=self._say("status.painted", user=f"<@{self._job.user_id}>", seconds=f"{picture.seconds:.0f}"),
            notes=self._screen.notes + picture_notes(picture),
            controls=Controls.PICTURE,
            colour=GOOD,
        )
        outcome = Outcome(picture.recipe, picture.seconds, picture.is_miniature, picture.notes)
        limit = self._shop.places.file_limit(self._job)
        for _ in range(SIZE_ATTEMPTS):
            file = await asyncio.to_thread(encode_picture, picture, limit)
            name = f"picture.{file.ending}"
            self._files = {**self._figure_file(), name: file.data}
            self._screen = replace(self._screen, picture=name)
            try:
                await self._deliver()
                break
            except TooLarge:
                log.info("job %d: Discord takes no %d bytes", self._job.id, len(file.data))
                limit = len(file.data) // 2
        else:
            raise PaintingError("This picture is too large for this server; please ask for a smaller one.")
        await self._shop.store.finish(self._job.id, JobState.DONE, outcome=outcome)

    async def _fail(self, status: str) -> None:
        if await self._shop.store.finish(self._job.id, JobState.FAILED):
            await self._end(status)

    async def _end(self, status: str) -> None:
        """The last word of a job without a picture."""
        await self._finish_drawing()
        await self._stop_showing()
        if self._is_unnoticed:
            log.info("job %d: nobody asked, so nobody is told: %s", self._job.id, status)
            return
        self._files = self._figure_file()
        self._screen = replace(
            self._screen,
            status=status,
            picture=None,
            progress=None,
            controls=Controls.ENDED if self._can_be_painted else Controls.NONE,
            colour=BAD,
        )
        try:
            await self._deliver()
        except (Gone, TooLarge):
            log.info("job %d: nobody to tell how it ended", self._job.id)

    # Showing

    async def _update(self) -> None:
        """Show the screen as it is; the first time, that makes the message."""
        if self._reply is None:
            await self._open()
        else:
            self._change()

    def _change(self, **changes: object) -> None:
        """Change the screen; it is shown in the channel's next turn, with whatever has changed until then."""
        self._screen = replace(self._screen, **changes)  # type: ignore[arg-type]
        self._stale = True
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._show_soon())

    async def _show_soon(self) -> None:
        try:
            while self._stale and not self._gone:
                await self._take_turn()
                if self._stale:
                    self._stale = self._has_turn = False
                    await self._show_now()
        except Exception:
            log.exception("job %d: could not show how far it is", self._job.id)

    async def _show_now(self) -> None:
        assert self._reply is not None
        try:
            await self._reply.show(build_layout(self._screen, self._say), dict(self._files))
        except Gone:
            self._gone = True
        except TooLarge:
            log.warning("job %d: a preview is too large", self._job.id)

    async def _stop_showing(self) -> None:
        """Let an edit that is under way end, and start no other: the last one is to come."""
        self._stale = False
        if self._showing is not None:
            await asyncio.wait({self._showing})

    async def _take_turn(self) -> None:
        """Wait for the channel's turn to edit; a turn that was not used is kept."""
        if not self._has_turn:
            await self._shop.pacer.take_turn(self._reply.address.channel_id if self._reply else self._job.channel_id)
            self._has_turn = True

    async def _deliver(self) -> None:
        """Show the last screen, whatever it takes. Raises Gone, TooLarge."""
        layout = build_layout(self._screen, self._say)
        if self._reply is None:
            await self._open()
            return
        if self._reply.is_out_of_reach(self._shop.now()):
            late = await self._shop.places.deliver_late(self._job, layout, self._files)
            if late is not None:
                self._reply = late
                await self._keep_address()
            return
        for pause in DELIVERY_PAUSES_S:
            await asyncio.sleep(pause)
            await self._take_turn()
            self._has_turn = False
            if await self._reply.show(layout, self._files):
                await self._keep_address()
                return
        log.error("job %d: its result could not be posted", self._job.id)

    async def _open(self) -> None:
        """Post the message where the job's reply belongs."""
        title = self._job.heard.title if self._job.heard else self._say("thread.listening")
        place = await self._shop.places.open(self._job, title)
        if place.new_thread and self._job.heard is None:
            self._unnamed = place.new_thread
        if place.wanted and await self._shop.store.say_once(f"thread:{self._job.channel_id}"):
            note = Note("no_thread", {"permissions": names_of(place.wanted, self._say)})
            self._screen = replace(self._screen, notes=(*self._screen.notes, note))
        layout = build_layout(self._screen, self._say)
        self._reply = await self._shop.places.post(place, layout, self._files, silent=self._quiet)
        await self._keep_address()

    async def _keep_address(self) -> None:
        """Write down where the message is now, if it has moved: its controls count nowhere else."""
        if self._reply is not None and self._reply.address != self._job.reply:
            self._job = replace(self._job, reply=self._reply.address)
            await self._shop.store.set_reply(self._job.id, self._reply.address)
