"""The jobs that are under way: started, cancelled, put off at shutdown and resumed at the next start.

Every run is a task owned here. The store says which jobs there are; this module says which of them run.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta

from bot.jobs.job_run import JobRun
from bot.jobs.reply import Reply
from bot.jobs.services import JobServices
from bot.storage.records import Job, JobState

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 2
"""A job is resumed once; one that has seen two starts fail is given up, since it may be why."""
TELLING_S = 5.0
"""How long the last messages of a shutdown may take."""


class JobRunner:
    """Runs jobs. After `drain`, accepted jobs wait in the store for the next start."""

    def __init__(self, services: JobServices, *, resume_within: timedelta) -> None:
        self._services = services
        self._resume_within = resume_within
        self._running: dict[int, tuple[asyncio.Task[None], JobRun]] = {}
        self._draining = False
        self._put_off: set[int] = set()

    def __len__(self) -> int:
        return len(self._running)

    async def start(self, job: Job, *, quiet: bool = False) -> None:
        """Begin to answer an accepted job; while draining, tell that it will be answered after the restart."""
        if job.id in self._running:
            return
        run = JobRun(self._services, job, quiet=quiet)
        if self._draining:
            with suppress(TimeoutError):
                await asyncio.wait_for(run.announce_restart(), TELLING_S)
            return
        task = asyncio.create_task(run.run(), name=f"job {job.id}")
        self._running[job.id] = task, run
        task.add_done_callback(lambda _: self._ended(run, job.id))

    def _ended(self, run: JobRun, job_id: int) -> None:
        self._running.pop(job_id, None)
        if run.is_put_off:
            self._put_off.add(job_id)

    async def cancel(self, job_id: int) -> bool:
        """Give a job up; False if it had ended. Its message is left as it is."""
        ended = await self._services.store.finish(job_id, JobState.CANCELLED)
        task, _ = self._running.get(job_id, (None, None))
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        return ended

    async def tell_cancelled(self, job_id: int, by: int) -> None:
        """Say in the job's message who cancelled it."""
        job = await self._services.store.job(job_id)
        if job is not None:
            await JobRun(self._services, job).tell_ended("status.cancelled", user=f"<@{by}>")

    async def message_deleted(self, message_id: int) -> None:
        """A message is gone: give up what it asked for, and remove the replies to it."""
        for job in await self._services.store.jobs_of_message(message_id):
            await self.cancel(job.id)
            job = await self._services.store.job(job.id) or job  # its message may have been posted meanwhile
            if job.reply is not None and job.reply.message_id != message_id:
                await Reply(self._services.client, job.reply).delete()
            await self._services.store.forget_job(job.id)

    async def forget_user(self, user_id: int) -> int:
        """Give up and forget what a person asked for; returns how many jobs. The messages stay."""
        for job in await self._services.store.unfinished(user_id=user_id):
            await self.cancel(job.id)
        return await self._services.store.forget_user(user_id, self._services.now())

    async def forget_guild(self, guild_id: int) -> None:
        """Give up and forget what was asked for in a server, its settings and its block list; the messages stay."""
        for job in await self._services.store.unfinished(guild_id=guild_id):
            await self.cancel(job.id)
        await self._services.store.forget_guild(guild_id)

    async def resume(self) -> None:
        """Go on with what the last run left unfinished, quietly; give up what is too old or has failed twice."""
        oldest = self._services.now() - self._resume_within
        for job in await self._services.store.unfinished():
            if job.run == self._services.store.run or job.id in self._running:
                continue  # accepted by this process, not left by the last
            if job.created < oldest or job.attempts >= MOST_ATTEMPTS:
                log.info("job %d is given up: from %s, %d attempts", job.id, job.created, job.attempts)
                key = "status.too_old" if job.created < oldest else "status.interrupted"
                if await self._services.store.finish(job.id, JobState.FAILED):
                    await JobRun(self._services, job, quiet=True).tell_ended(key)
            else:
                log.info("job %d is resumed", job.id)
                await self.start(job, quiet=True)

    async def sweep(self) -> None:
        """Go on with jobs for which Discord could not be reached. To be called again and again."""
        if self._draining or not self._put_off:
            return
        put_off, self._put_off = self._put_off, set()
        for job in await self._services.store.unfinished():
            if job.id in put_off:
                log.info("job %d is taken up again", job.id)
                await self.start(job, quiet=True)

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
        await asyncio.wait({task for task, _ in left.values()})
        await self._services.store.reset_attempts(list(left))
        told = [asyncio.create_task(run.announce_restart()) for _, run in left.values()]
        _, late = await asyncio.wait(told, timeout=TELLING_S)
        for task in late:
            task.cancel()
