"""The jobs that are under way: started, cancelled, put off and taken up again, until none is left in the store.

Every run is a task owned here. The store says which jobs there are; this module says which of them run. After a restart
the same sweep begins them that goes on with what Discord had no time for: there is one way to go on.
"""

import asyncio
import logging
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from bot.discord_api.markdown import mention
from bot.jobs.answer_run import AnswerRun, End
from bot.jobs.eraser import Eraser
from bot.jobs.identity import place_of
from bot.jobs.job_run import JobRun
from bot.jobs.services import JobServices
from bot.jobs.story_run import StoryRun
from bot.storage.records import Ending, Job, JobState, ReplyAddress, Waiting

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 4
"""A job is given up when the process has ended so often while it was worked on: once perhaps in company, and three
times while nothing else was. Then it is why."""
STOPPING_S, TELLING_S = 0.5, 1.0
"""How long, at a shutdown, what is on its way may take to arrive, and then the last messages."""
FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = {End.NOT_NOW: 30.0, End.REFUSED: 600.0}
"""Between two attempts at one job. Whoever repeats refused calls too often is shut out by Discord
(https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans)."""
REFUSED_FOR = timedelta(hours=1)
"""A job that may not be answered for so long never will be."""
OUTAGE = 5
"""After so many failures of jobs in a row, one alone tries whether Discord is back."""
UNSTARTED_S = 30.0
"""A job of this run that nobody has started for so long was forgotten by whoever accepted it."""


@dataclass(frozen=True)
class Pause:
    """Until when a job is left alone, on the event loop's clock."""

    until: float
    seconds: float
    end: End


class JobRunner:
    """Runs jobs. After `drain`, accepted jobs wait in the store for the next start."""

    def __init__(self, services: JobServices, *, give_up_after: timedelta) -> None:
        self._services = services
        self._eraser = Eraser(services.client, services.store, services.places, services.texts, services.now)
        self._give_up_after = give_up_after
        self._running: dict[int, tuple[asyncio.Task[None], AnswerRun]] = {}
        self._pauses: dict[int, Pause] = {}
        self._unstarted: dict[int, float] = {}
        self._begun: set[int] = set()
        self._failures = 0
        self._draining = False

    def __len__(self) -> int:
        return len(self._running)

    async def start(self, job: Job) -> None:
        """Begin to answer a job just accepted; while draining, tell that it will be answered after the restart."""
        if job.id in self._running or job.id in self._begun:
            return
        if self._draining:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._run_of(job, resumed=False).announce_restart(), TELLING_S)
            return
        if await self._is_waiting(job.id):  # it may have been withdrawn since it was accepted
            self._begin(job, resumed=False)

    async def take_up(self, job: Job) -> None:
        """The same for what was asked while the bot was away: nobody is notified."""
        if not self._draining and await self._is_waiting(job.id):
            self._begin(job, resumed=True)

    async def _is_waiting(self, job_id: int) -> bool:
        job = await self._services.store.job(job_id)
        return job is not None and job.state is JobState.WAITING

    def _begin(self, job: Job, *, resumed: bool) -> None:
        if job.id in self._running:
            return
        run = self._run_of(job, resumed=resumed)
        self._begun.add(job.id)
        self._unstarted.pop(job.id, None)
        task = asyncio.create_task(self._answer(run, job), name=f"job {job.id}")
        self._running[job.id] = task, run
        task.add_done_callback(lambda ended: self._forget_run(job.id, ended))

    def _run_of(self, job: Job, *, resumed: bool) -> AnswerRun:
        return (JobRun if job.story is None else StoryRun)(self._services, job, resumed=resumed)

    def _forget_run(self, job_id: int, ended: "asyncio.Task[None]") -> None:
        task, _ = self._running.get(job_id, (None, None))
        if task is ended:
            del self._running[job_id]

    async def _answer(self, run: AnswerRun, job: Job) -> None:
        try:
            end = await run.run()
        except Exception:
            log.exception("job %d could not be ended; it is tried again", job.id)
            end = End.NOT_NOW
        match end:
            case End.ANSWERED:
                self._failures = 0
                self._begun.discard(job.id)
                self._pauses.pop(job.id, None)
            case End.WITHDRAWN:
                log.info("job %d: its recording was deleted", job.id)
                await self.withdraw(job)
            case End.NOT_NOW | End.REFUSED:
                self._failures += end is End.NOT_NOW
                await self._put_off(job, end)

    async def _put_off(self, job: Job, end: End) -> None:
        if end is End.REFUSED and self._services.now() - job.created > REFUSED_FOR:
            log.error("job %d is given up: I may not answer it", job.id)
            await self._services.store.finish(job.id, JobState.CANCELLED)
            return
        last = self._pauses.get(job.id)
        seconds = FIRST_PAUSE_S if last is None else min(2 * last.seconds, LONGEST_PAUSE_S[end])
        self._pauses[job.id] = Pause(asyncio.get_running_loop().time() + seconds, seconds, end)

    async def sweep(self) -> None:
        """Go on with every job that is not ended and does not run, the oldest first; remove what is to be removed.

        To be called when Discord is there, and again and again.
        """
        if self._draining:
            return
        now = asyncio.get_running_loop().time()
        waiting = await self._services.store.waiting()
        self._forget_all_but({job.id for job in waiting} | self._running.keys())
        due = [job for job in waiting if self._is_due(job, now)]
        for job in sorted(due, key=lambda job: (job.attempts, job.id)):  # the innocent first
            if await self._give_up_if_hopeless(job):
                continue
            current = await self._services.store.job(job.id)
            if current is None or current.state is not JobState.WAITING or job.id in self._running:
                continue
            log.info("job %d is taken up", job.id)
            self._begin(current, resumed=True)
            if self._failures >= OUTAGE:
                return  # this one shows whether Discord is back
        await self._eraser.erase()

    def _forget_all_but(self, job_ids: Set[int]) -> None:
        """Nothing is remembered of jobs that are over."""
        self._begun &= job_ids
        self._pauses = {job_id: pause for job_id, pause in self._pauses.items() if job_id in job_ids}
        self._unstarted = {job_id: since for job_id, since in self._unstarted.items() if job_id in job_ids}

    def _is_due(self, job: Waiting, now: float) -> bool:
        if job.id in self._running:
            return False
        if pause := self._pauses.get(job.id):
            is_discord_back = pause.end is End.NOT_NOW and self._failures == 0
            return now >= pause.until or is_discord_back
        is_from_before = job.run != self._services.store.run or job.id in self._begun
        return is_from_before or now - self._unstarted.setdefault(job.id, now) >= UNSTARTED_S

    async def _give_up_if_hopeless(self, waiting: Waiting) -> bool:
        """End a job that is too old, or may be what ends the process. True: it is over, and nobody can be told."""
        age = self._services.now() - waiting.created
        if age > self._give_up_after + REFUSED_FOR:
            log.error("job %d from %s is given up, and nobody could be told", waiting.id, waiting.created)
            await self._services.store.finish(waiting.id, JobState.FAILED)
            return True
        if age > self._give_up_after:
            key = "status.too_old"
        elif waiting.attempts >= MOST_ATTEMPTS:
            key = "status.interrupted"
        else:
            return False
        log.error("job %d from %s is given up after %d attempts", waiting.id, waiting.created, waiting.attempts)
        job = await self._services.store.job(waiting.id)
        if job is None:
            return True
        sentence = self._services.texts.translation(job.locale)(key)
        await self._services.store.set_ending(waiting.id, Ending(JobState.FAILED, sentence))
        return False

    async def cancel(self, job_id: int, by: int) -> bool:
        """Give a job up, which its message says; False if it had ended."""
        job = await self._services.store.job(job_id)
        if job is None:
            return False
        sentence = self._services.texts.translation(job.locale)("status.cancelled", user=mention(by))
        if not await self._services.store.set_ending(job_id, Ending(JobState.CANCELLED, sentence)):
            return False
        await self._stop(job_id)
        job = await self._services.store.job(job_id)
        while job_id in self._running:  # a sweep may have taken it up as it was before
            await self._stop(job_id)
        if job is not None and job.state is JobState.WAITING:
            self._begin(job, resumed=True)
        return True

    async def withdraw(self, job: Job, reply: ReplyAddress | None = None) -> None:
        """Give a job up, forget it, and remove its message: `reply`, if somebody has seen it there."""
        await self._note_withdrawal(job, reply)
        await self._stop(job.id)
        await self._services.store.leave_nothing(job.id)
        await self._eraser.erase(job.id)

    async def message_deleted(self, message_id: int) -> None:
        """A message is gone: give up what it asked for, and remove the replies to it."""
        for job in await self._services.store.jobs_of_message(message_id):
            await self.withdraw(job)

    async def forget_user(self, user_id: int) -> int:
        """Give up and forget what a person asked for, and what was heard in their recordings; returns how many jobs.

        The messages with their pictures stay; those about the person's recordings lose what they tell.
        """
        unfinished = await self._services.store.unfinished(user_id=user_id)
        of_their_recordings = await self._services.store.unfinished(author_id=user_id)
        for job in {job.id: job for job in (*unfinished, *of_their_recordings)}.values():
            await self.withdraw(job)
        return len(unfinished) + await self._services.store.forget_user(user_id, self._services.now())

    async def forget_guild(self, guild_id: int) -> None:
        """Give up and forget what was asked for in a server, and its settings; the messages stay."""
        for job in await self._services.store.unfinished(guild_id=guild_id):
            await self._stop(job.id)
            await self._services.store.finish(job.id, JobState.CANCELLED)
        await self._services.store.forget_guild(guild_id, self._services.now())

    async def drain(self, seconds: float) -> None:
        """Start nothing new, let the running jobs end within `seconds`, and put the rest off to the next start."""
        self._draining = True
        tasks = {task for task, _ in self._running.values()}
        if tasks:
            log.info("waiting up to %g s for %d jobs", seconds, len(tasks))
            await asyncio.wait(tasks, timeout=seconds)
        left = dict(self._running)
        if not left:
            return
        log.info("putting %d jobs off to the next start", len(left))
        for task, _ in left.values():
            task.cancel()
        await asyncio.wait({task for task, _ in left.values()}, timeout=STOPPING_S)
        waiting = {job.id for job in await self._services.store.waiting()}  # others have just had their last word
        told = [asyncio.create_task(run.announce_restart()) for job_id, (_, run) in left.items() if job_id in waiting]
        if not told:
            return
        _, late = await asyncio.wait(told, timeout=TELLING_S)
        for task in late:
            task.cancel()

    async def _note_withdrawal(self, job: Job, reply: ReplyAddress | None) -> None:
        assert self._services.client.application_id is not None  # known since login
        place = place_of(self._services.client.application_id, job)
        await self._services.store.withdraw(job.id, place, reply, self._services.now())

    async def _stop(self, job_id: int) -> None:
        """End a job's run, if there is one but the caller's. A message that is on its way arrives before that."""
        task, _ = self._running.get(job_id, (None, None))
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait({task})
