"""What was heard in a job's recording, and understood, written down while the job goes on.

It decides neither what is shown nor when.
"""

import asyncio
import logging

from bot.jobs.services import JobServices
from core.events import Heard, HeardSummary
from core.hearing.strip import Strip

log = logging.getLogger(__name__)


class Keeping:
    """For one run of a job."""

    def __init__(self, services: JobServices, job_id: int) -> None:
        self._services = services
        self._job_id = job_id
        self._writing: asyncio.Task[None] | None = None

    def begin(self, heard: Heard, summary: HeardSummary) -> None:
        """Weave the strip once the words are on their way, and write down what was heard, both at once.

        The recording is given up, unless somebody speaks in it: then it is when that is understood.
        """
        self._writing = asyncio.create_task(self._keep(heard, summary), name=f"strip of job {self._job_id}")

    async def understood(self, summary: HeardSummary) -> None:
        """Write down what was said, too."""
        await self.finish()
        await self._services.store.set_understood(self._job_id, summary)

    async def finish(self) -> None:
        """Wait until it is written. Raises what writing raised."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
            self._writing.result()

    async def cancel(self) -> None:
        """Write no more."""
        if self._writing is not None and not self._writing.done():
            self._writing.cancel()
            await asyncio.wait({self._writing})

    async def _keep(self, heard: Heard, summary: HeardSummary) -> None:
        strip = await self._weave(heard)
        store = self._services.store
        keep = store.set_understood if heard.voice is None else store.set_heard
        await keep(self._job_id, summary, strip)

    async def _weave(self, heard: Heard) -> Strip | None:
        """The sound's strip; without it the picture comes all the same."""
        try:
            return await self._services.engine.weave(heard)
        except Exception:
            log.exception("job %d: no strip of its sound", self._job_id)
            return None
