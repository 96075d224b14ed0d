"""The bot in Discord, with what people have asked it for: begun, brought to rest, and judged by what stands then.

Time passes only on request, and in between all stands still, at any moment at which the bot waits for something.
"""

import gc
import logging
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from bot.jobs.identity import place_of
from bot.storage.records import AttachmentAddress, Job, NewJob, ReplyAddress
from core.options import ImagineOptions
from tests.bot.database import empty_database
from tests.bot.jobs.answered_request import Request, check_answers
from tests.bot.jobs.discord_model import DiscordModel
from tests.bot.jobs.one_start import OneStart
from tests.bot.jobs.quick_loop import QuickLoop, sqlite_in_the_same_thread
from tests.loopback import state as loopback_state
from tests.loopback.people import custom_ids
from tests.loopback.state import Message
from tests.loopback.verdict import notifications

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Situation:
    """Everything. `close` it in the end."""

    def __init__(self, seed: int = 0, *, hears_of_threads: bool = True, nonces_last_s: int = 300) -> None:
        self.loop = QuickLoop()
        self.loop.set_exception_handler(lambda _, context: self.faults.append(str(context)))
        self.faults: list[str] = []
        self.requests: list[Request] = []
        self.ahead = self.furthest = timedelta(0)
        self._doing: set[object] = set()
        self._left = ExitStack()
        self._left.callback(self.loop.close)
        self._database = Path(self._left.enter_context(tempfile.TemporaryDirectory())) / "bot.sqlite3"
        self._database.write_bytes(empty_database())
        self._left.enter_context(sqlite_in_the_same_thread())
        clock = SimpleNamespace(time=lambda: EPOCH.timestamp() + self.loop.now, monotonic=self.loop.time)
        self._left.enter_context(mock.patch.object(loopback_state, "time", clock))
        log, handler = logging.getLogger("bot"), _Faults(self.faults)
        log.addHandler(handler)
        self._left.callback(log.removeHandler, handler)
        self.discord = DiscordModel(Random(seed), hears_of_threads=hears_of_threads, nonces_last_s=nonces_last_s)
        self._start()

    def close(self) -> None:
        self._end()
        self._left.close()

    # What happens

    def post(self, chance: int, *, asked: bool = True, is_fetched: bool = False) -> Request:
        """A recording is posted, and the bot hears of it."""
        seed = 8 * len(self.requests) + chance
        request = Request(self.discord.post_recording(), seed, asked, is_fetched)
        self.requests.append(request)
        self.tell(request)
        return request

    def tell(self, request: Request) -> None:
        """Discord tells the bot of a recording."""
        self._do(self._take(request))

    def delete(self, request: Request, *, is_heard: bool) -> None:
        """A recording is deleted."""
        self.discord.delete_recording(request.source)
        if is_heard:
            request.deletion_heard = True
            self._do(self.bot.runner.message_deleted(request.source.id))

    def buttons(self, what: str) -> list[tuple[Message, int]]:
        """The messages with such a button, and the jobs that they are of."""
        return [
            (message, int(name.rpartition(":")[2]))
            for messages in self.discord.answers().values()
            for message in messages
            for name in custom_ids(message)
            if not message.deleted and name.startswith(f"job:{what}:")
        ]

    def click(self, what: str, message: Message, job_id: int) -> None:
        """Alice clicks a button."""
        self._do(self._cancel(message, job_id) if what == "cancel" else self._delete(message, job_id))

    def set_clock(self, ahead: timedelta) -> None:
        self.ahead, self.furthest = ahead, max(ahead, self.furthest)

    def restart(self, *, orderly: bool = False) -> None:
        """The process ends, without a warning unless `orderly`, and a new one begins."""
        if orderly:
            self.loop.run_until_complete(self.bot.runner.drain(0.2))
        self._end()
        self._start()

    def come_to_rest(self) -> None:
        """Nothing fails any more, the clock is right again, and the bot catches up with what it missed."""
        self.discord.faults.clear()
        self.ahead = self.furthest
        self.restart()
        for request in self.requests:
            if not request.source.deleted:
                self.tell(request)
        self.loop.run_for(30)
        self.loop.run_until_complete(self._notice_deletions())
        for _ in range(10):
            self.loop.run_for(200)
            if not len(self.bot.runner) and not self.loop.run_until_complete(self.bot.store.erasures.waiting()):
                return

    # What is to be true

    def check_now(self) -> None:
        """At any time."""
        for messages in self.discord.answers().values():
            assert sum(not message.deleted for message in messages) <= 1, "two messages stand"
            assert notifications(messages) <= 1, "somebody was notified twice"
        assert self.faults == [], "\n".join(self.faults)

    def check_in_the_end(self) -> None:
        """At rest."""
        for request in self.requests:
            self._check(request)
        assert self.loop.run_until_complete(self.bot.store.unfinished()) == []
        assert self.loop.run_until_complete(self.bot.store.erasures.waiting()) == []
        work = self._database.parent / "work"
        assert not work.exists() or list(work.iterdir()) == []
        gc.collect()  # which tells of exceptions that nobody has seen
        self.check_now()

    def _check(self, request: Request) -> None:
        job_id = self._job_id(request)
        if job_id is None:
            assert request.source.deleted, "it was never accepted"
            return
        job = self.loop.run_until_complete(self.bot.store.job(job_id))
        assert job is not None
        marker = place_of(self.discord.state.application_id, job).marker
        check_answers(request, job, self.discord.answers().get(marker, []), self.discord.alice.id)

    # How it is done

    def _start(self) -> None:
        beginning = OneStart.begin(self.discord, self._database, self._now)
        self.bot = self.loop.run_until_complete(beginning)
        self._do(self.bot.go_on())

    def _end(self) -> None:
        self.loop.run_steps(0)  # nobody is in the middle of a statement
        self.bot.die()
        known = len(self.faults)
        self.loop.drop_everything()
        self.loop.run_until_complete(self.bot.store.close())
        del self.faults[known:]  # what a process would have said that is no more

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        """Begin it; it may not come to its end."""
        task = self.loop.create_task(what)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    def _now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.loop.now) + self.ahead

    async def _take(self, request: Request) -> None:
        """As the listener does with a message that asks for a picture."""
        bot, source = self.bot, request.source
        (file,) = source.attachments
        url = f"{self.discord.state.address}/attachments/{source.channel_id}/{file.id}/{file.filename}"
        new = NewJob(
            self.discord.alice.id,
            self.discord.state.guild_id,
            source.channel_id,
            "en-US",
            file.filename,
            source_id=source.id,
            attachment=AttachmentAddress(file.id, url, len(file.data)),
            asked=request.asked,
            options=ImagineOptions(seed=request.seed),
            request_key=request.key,
        )
        job = await bot.store.accept(new, self._now())
        if job is None:
            return
        if request.is_fetched:
            await bot.store.keep_recording(job.id, file.data)
        if request.deletion_heard:
            await bot.runner.message_deleted(source.id)
        else:
            await bot.runner.start(job)

    async def _cancel(self, message: Message, job_id: int) -> None:
        job, request = await self._job_on(message, job_id)
        if job is not None and request is not None:
            request.perhaps_cancelled = True
            request.cancelled |= await self.bot.runner.cancel(job.id, self.discord.alice.id)

    async def _delete(self, message: Message, job_id: int) -> None:
        job, request = await self._job_on(message, job_id)
        if job is not None and request is not None:
            request.withdrawn = True
            await self.bot.runner.withdraw(job, ReplyAddress(message.channel_id, message.id))

    async def _job_on(self, message: Message, job_id: int) -> tuple[Job | None, Request | None]:
        """The job whose controls these are, if the bot knows that they are."""
        job = await self.bot.store.job(job_id)
        if job is None or job.reply != ReplyAddress(message.channel_id, message.id):
            return None, None
        return job, next(request for request in self.requests if request.key == job.request_key)

    async def _notice_deletions(self) -> None:
        """As the bot does some time after it has started."""
        for job_id in await self.bot.store.answers_since(self._now() - timedelta(hours=24)):
            job = await self.bot.store.job(job_id)
            if job is not None and await self.bot.places.is_gone(job):
                await self.bot.runner.withdraw(job)

    def _job_id(self, request: Request) -> int | None:
        database = sqlite3.connect(self._database)
        rows = database.execute("SELECT id FROM jobs WHERE request_key = ?", (request.key,)).fetchall()
        database.close()
        assert len(rows) <= 1, "it was accepted twice"
        return int(rows[0][0]) if rows else None


class _Faults(logging.Handler):
    """Keeps what the log says of faults of the program."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._faults.append(self.format(record))
