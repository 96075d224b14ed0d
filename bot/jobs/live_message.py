"""A job's one message while it changes: posted, edited when the channel's turn has come, finished whatever it takes.

Its state is one task and the newest content that waits to be shown. It owns the rate of edits, where the message is and
the name of its thread; what the content says, and what becomes of the job, is not known here.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

import discord

from bot.discord_api import calls
from bot.discord_api.calls import CallFailed, Files, Gone, NotNow, Refused
from bot.jobs.identity import nonce_of, place_of
from bot.jobs.reply import Reply
from bot.jobs.services import JobServices
from bot.storage.records import Job, ReplyAddress
from bot.views.layouts import Screen, build_layout
from bot.views.naming import title_of
from bot.views.texts import Translation
from core.generation.protocol import Note

log = logging.getLogger(__name__)

DELIVERY_PAUSES_S = (0, 2, 10, 60)
"""The last state of a message is tried again after these."""
POSTING_ENDS_WITHIN_S = 10.0
"""A message that is on its way when nobody wants it any more is waited for so long, to know what is to be removed."""


class LiveMessage:
    """The message of `job`. `resumed`: it may be there already, and nobody is to be notified. `close` it in the end."""

    def __init__(self, services: JobServices, job: Job, t: Translation, *, resumed: bool = False) -> None:
        assert services.client.application_id is not None  # known since login
        self._services = services
        self._job = job
        self._t = t
        self._resumed = resumed
        self._may_be_there = resumed or job.interaction is not None
        self._application_id = services.client.application_id
        self._place = place_of(self._application_id, job)
        self._reply = Reply(services.client, job.reply, awaited=job.interaction) if job.reply else None
        self._address = job.reply
        self._notes: tuple[Note, ...] = ()
        self._unnamed: discord.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._posting: asyncio.Task[None] | None = None
        self._next: tuple[Screen, Files] | None = None
        self._has_turn = self._gone = self._is_beside = False

    @property
    def is_posted(self) -> bool:
        """Whether there is a message yet."""
        return self._reply is not None

    async def is_there(self) -> bool:
        """Whether there is a message, also where that is not known yet. Nothing more is shown. Raises CallFailed."""
        await self._stop_showing()
        if self._reply is None and self._may_be_there:
            await self._take_up()
        return self._reply is not None

    def show(self, content: Screen, files: Files) -> None:
        """Show `content` soon; of several that wait the newest wins. Raises Gone once the message is gone."""
        if self._gone:
            raise Gone("the message is gone")
        self._next = (content, dict(files))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._show_what_waits(), name=f"message of job {self._job.id}")

    async def finish(self, content: Screen, files: Files) -> None:
        """Show the last content, whatever it takes.

        Raises Gone, Refused, TooLarge when Discord will not take the files, and NotNow when it could not be reached for
        long.
        """
        await self._stop_showing()
        if self._reply is None:
            await self._post(content, files)
            return
        if self._gone:
            raise Gone("the message is gone")
        if self._reply.is_out_of_reach(self._services.now()):
            await self._finish_late(content, files)
            return
        for pause in DELIVERY_PAUSES_S:
            await asyncio.sleep(pause)
            try:
                await self._edit(self._reply, content, files)
            except NotNow:
                log.info("job %d: Discord cannot be reached for its last word", self._job.id)
            else:
                return
        raise NotNow("show the last state of a message")

    async def finish_beside(self, content: Screen) -> ReplyAddress | None:
        """As `finish`, and where there is no message yet, in everybody's channel instead of a thread.

        Returns its address, if it is there.
        """
        self._is_beside = True
        await self.finish(content, {})
        address = self._reply.address if self._reply is not None else None
        return address if address is not None and address.channel_id == self._job.channel_id else None

    async def finish_privately(self, content: Screen, token: str) -> None:
        """As `finish`, and then leave it to the one who asked alone, where that is possible.

        At no moment is it nowhere.
        """
        await self.finish(content, {})
        await self.tell_privately(content, token)

    async def tell_privately(self, content: Screen, token: str) -> bool:
        """Tell the one who asked alone, by an interaction; a message that others see goes. Whether it was possible."""
        try:
            told = await calls.tell_privately(self._services.client, token, self._layout(content))
        except CallFailed as error:
            log.info("job %d: it cannot be told to its asker alone: %r", self._job.id, error)
            return False
        await self._services.store.lose_reply(self._job.id)
        if self._reply is not None:
            with suppress(CallFailed):  # then both stand
                await self._reply.delete()
        await self._services.store.set_reply(self._job.id, ReplyAddress(*told))
        return True

    async def close(self) -> None:
        """Show nothing more. A message that is on its way arrives, and its address is written down."""
        self._next = None
        if self._posting is not None and not self._posting.done():
            await asyncio.wait({self._posting}, timeout=POSTING_ENDS_WITHIN_S)
        for task in (self._posting, self._task):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _stop_showing(self) -> None:
        """What is under way arrives, and nothing else begins."""
        self._next = None
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _show_what_waits(self) -> None:
        try:
            while self._next is not None:
                if self._reply is not None:
                    await self._wait_for_turn(self._reply)
                if self._next is not None:
                    (content, files), self._next = self._next, None
                    await (self._edit(self._reply, content, files) if self._reply else self._post(content, files))
        except Gone:
            self._gone = True
        except CallFailed as error:
            log.info("job %d: how far it is cannot be shown: %r", self._job.id, error)
        except Exception:
            log.exception("job %d: could not show how far it is", self._job.id)

    async def _edit(self, reply: Reply, content: Screen, files: Files) -> None:
        await self._wait_for_turn(reply)
        self._has_turn = False
        await self._name_thread(content)
        anew = self._nonce(f"instead of {reply.address.message_id}")
        await reply.show(self._layout(content), files, nonce=anew)
        await self._keep_address(reply)

    async def _post(self, content: Screen, files: Files) -> None:
        """Post the message, or take up the one that is there. Whoever is cancelled here leaves it on its way."""
        self._posting = asyncio.create_task(self._find_or_post(content, files), name=f"posting of job {self._job.id}")
        # how it ends is raised here, or nobody waits for it any more
        self._posting.add_done_callback(lambda posting: posting.cancelled() or posting.exception())
        await asyncio.shield(self._posting)

    async def _find_or_post(self, content: Screen, files: Files) -> None:
        reply = await self._take_up() if self._may_be_there else None
        if reply is None:
            await self._post_new(content, files)
        else:
            await self._edit(reply, content, files)

    async def _take_up(self) -> Reply | None:
        """The message that is there already: an interaction was acknowledged with it, or it was posted and nobody knows
        since the process ended or the answer was lost."""
        try:
            found = await self._services.places.find(self._place, self._services.now())
        except Refused:
            log.info("job %d: I may not look for its message; its nonce has to do", self._job.id)
            return None
        if found is None:
            if self._job.interaction is not None:
                raise Gone("the interaction was never acknowledged, or cannot be reached any more")
            return None
        self._reply = Reply(self._services.client, found, awaited=self._job.interaction)
        await self._keep_address(self._reply)
        return self._reply

    async def _post_new(self, content: Screen, files: Files) -> None:
        """Post the message where the job's reply belongs."""
        title = title_of(self._t, content.heard.top) if content.heard else self._t("thread.listening")
        places = self._services.places
        place = await (places.beside(self._job) if self._is_beside else places.open(self._job, title))
        if content.heard is None:
            self._unnamed = place.new_thread
        if place.missing_for_thread and await self._services.store.notes.claim(f"thread:{self._job.channel_id}"):
            self._notes = (Note("no_thread", {"permissions": " ".join(place.missing_for_thread)}),)
        self._may_be_there = True  # whatever is told of it: Discord forgets nonces before a job has ended
        self._reply = await self._services.places.post(
            place, self._layout(content), files, silent=self._resumed, nonce=self._nonce("reply")
        )
        await self._keep_address(self._reply)

    async def _finish_late(self, content: Screen, files: Files) -> None:
        """The interaction that the message belongs to has expired: its asker gets a direct message."""
        late = await self._services.places.deliver_late(
            self._job, self._layout(content), files, nonce=self._nonce("late")
        )
        if late is not None:
            self._reply = late
            await self._keep_address(late)

    def _layout(self, content: Screen) -> discord.ui.LayoutView:
        content = replace(content, notes=self._notes + content.notes)
        return build_layout(content, self._t, self._place.marker)

    def _nonce(self, purpose: str) -> str:
        return nonce_of(self._application_id, self._job, purpose)

    async def _wait_for_turn(self, reply: Reply) -> None:
        """Wait for the channel's turn to edit; a turn that was not used is kept."""
        if not self._has_turn:
            await self._services.edit_limiter.wait(reply.address.channel_id)
            self._has_turn = True

    async def _name_thread(self, content: Screen) -> None:
        """Give a thread that was made before its sound was heard the sound's name."""
        if self._unnamed is not None and content.heard is not None:
            thread, self._unnamed = self._unnamed, None
            title = title_of(self._t, content.heard.top)
            await calls.attempt_quietly(thread.edit(name=title), "name a thread")

    async def _keep_address(self, reply: Reply) -> None:
        """Write down where the message is now, if it has moved: its controls count nowhere else."""
        if reply.address != self._address:
            self._address = reply.address
            await self._services.store.set_reply(self._job.id, reply.address)
