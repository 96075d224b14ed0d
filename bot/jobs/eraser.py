"""Removes messages that are not to stand any more: replies to deleted recordings, and what people delete.

What is to be removed is in the store before it is tried, and goes from there once it is done: nothing that was to go
stays because Discord had a bad moment, or because the process ended. It knows nothing of jobs under way.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import discord

from bot.discord_api.calls import Gone, NotNow, Refused
from bot.jobs.places import Places
from bot.jobs.reply import Reply
from bot.storage.records import Erasure
from bot.storage.store import Store
from bot.views.hiding import is_hidden
from bot.views.layouts import build_picture_alone, is_picture
from bot.views.texts import Texts

log = logging.getLogger(__name__)

TOLD_FOR = timedelta(seconds=60)
"""What is told to one person in everybody's channel goes after this long."""
ARRIVES_WITHIN = timedelta(minutes=2)
"""A message that was on its way when it was given up is looked for at once, and after this long for the last time."""
TRIED_FOR = timedelta(hours=24)
MOST_FAILURES = 3
"""After so many in one round Discord is left alone."""


class Eraser:
    """Empties the store's list of messages to be removed."""

    def __init__(
        self, client: discord.Client, store: Store, places: Places, texts: Texts, now: Callable[[], datetime]
    ) -> None:
        self._texts = texts
        self._client = client
        self._store = store
        self._places = places
        self._now = now

    async def erase(self, job_id: int | None = None) -> None:
        """Remove the messages of a job, or all that are to be removed; what cannot be now is tried again next time."""
        failures = 0
        for erasure in await self._store.erasures.waiting(job_id, due=self._now()):
            try:
                is_done = await self._erase(erasure, is_new=job_id is not None)
            except NotNow:
                is_done, failures = False, failures + 1
            except Refused:
                log.info("I may not remove a message of job %d", erasure.job_id)
                is_done = False
            except Exception:  # one that cannot be removed keeps no other
                log.exception("a message of job %d could not be removed", erasure.job_id)
                is_done = False
            if not is_done and self._now() - erasure.since > TRIED_FOR:
                log.error("a message of job %d could not be removed for a day; I give up", erasure.job_id)
                is_done = True
            if is_done:
                await self._store.erasures.remove(erasure.id)
            if failures >= MOST_FAILURES:
                log.info("messages cannot be removed now; I try again soon")
                return

    async def _erase(self, erasure: Erasure, *, is_new: bool) -> bool:
        """Whether nothing is left to be done. Raises NotNow and Refused."""
        if erasure.but_picture:
            return await self._leave_picture(erasure)
        address, is_late = erasure.reply, self._now() - erasure.since > ARRIVES_WITHIN
        if address is None and erasure.place is not None and (is_new or is_late):
            address = await self._places.find(erasure.place, self._now())
        if address is None:
            return is_late
        reply = Reply(self._client, address)
        if reply.is_out_of_reach(self._now()):
            log.warning("a message of job %d can be reached no more, and stays", erasure.job_id)
            return True
        await reply.delete()
        return True

    async def _leave_picture(self, erasure: Erasure) -> bool:
        """Take away what the message tells, and the title of its thread. Raises NotNow and Refused."""
        job = await self._store.job(erasure.job_id)
        if job is None or erasure.reply is None:
            return True
        reply, t = Reply(self._client, erasure.reply), self._texts.translation(job.locale)
        if reply.is_out_of_reach(self._now()):
            log.warning("a message of job %d can be reached no more, and stays as it is", erasure.job_id)
            return True
        try:
            message = await reply.fetch()
            pictures = [file.filename for file in message.attachments if is_picture(file.filename)]
            if not pictures:
                await reply.delete()
            else:
                view = build_picture_alone(job.id, pictures, is_covered=is_hidden(message), t=t)
                await reply.arrange(view, message, keep=pictures)
                await reply.name_thread(t("thread.listening"))
        except Gone:
            pass  # somebody has removed it
        return True
