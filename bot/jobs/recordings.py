"""Fetching recordings, and pictures that are shown already, from Discord after their requests were accepted.

Few at once, and again while that may help.

Addresses of attachments expire; a fresh one is asked of the message that holds the recording.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import discord

from bot.discord_api import calls
from bot.discord_api.attachments import CouldNotFetch, address_of, attachments_of
from bot.discord_api.files import ReadFile
from bot.discord_api.verdicts import TROUBLE, passes
from bot.jobs.painted import PictureGone
from bot.jobs.sources import source_message
from bot.storage.records import AttachmentAddress, Job
from core.errors import PictureFileTooLarge, RecordingTooLarge
from core.pictures import PictureFile

log = logging.getLogger(__name__)

AT_ONCE = 8
AT_ONCE_A_PERSON = 2


class Recordings:
    """Fetches what jobs are to hear, or to begin with."""

    def __init__(self, client: discord.Client, read: ReadFile) -> None:
        self._client = client
        self._read = read
        self._all = asyncio.Semaphore(AT_ONCE)
        self._of_person: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def fetch(self, job: Job) -> bytes:
        """The recording of `job`. Raises CouldNotFetch where it is gone or refused, NotNow where it may come later,
        RecordingTooLarge.
        """
        address = job.attachment
        if address is None:
            raise CouldNotFetch
        async with self._turn_of(job.user_id):
            try:
                return await calls.fetch_file(self._read, address.url)
            except (discord.NotFound, discord.Forbidden):
                log.info("job %d: its recording's address has expired", job.id)
            except TROUBLE as error:
                raise _fault(job, error) from error
            fresh = await self._fresh_address(job, address)
            try:
                return await calls.fetch_file(self._read, fresh.url)
            except TROUBLE as error:
                raise _fault(job, error) from error

    async def fetch_picture(self, job: Job) -> PictureFile:
        """A picture that another message shows, as it is there: the bot's own, whose size nobody limits but Discord.

        Raises PictureGone, and NotNow where it may come later.
        """
        if job.attachment is None:
            raise PictureGone
        url = job.attachment.url
        async with self._turn_of(job.user_id):
            try:
                data = await calls.fetch_own_file(self._client, url)
            except (calls.Gone, calls.Refused) as error:
                raise PictureGone from error
        return PictureFile(data, PurePosixPath(urlsplit(url).path).suffix.removeprefix("."))

    async def fetch_for(self, user_id: int, address: AttachmentAddress) -> bytes:
        """A recording whose address Discord has just told. Raises CouldNotFetch, RecordingTooLarge."""
        async with self._turn_of(user_id):
            try:
                return await calls.fetch_file(self._read, address.url)
            except TROUBLE as error:
                log.warning("a recording could not be fetched: %s", error)
                raise CouldNotFetch from error

    async def fetch_picture_for(self, user_id: int, address: AttachmentAddress) -> bytes:
        """A picture of anybody's whose address Discord has just told. Raises PictureGone, PictureFileTooLarge."""
        try:
            return await self.fetch_for(user_id, address)
        except CouldNotFetch as error:
            raise PictureGone from error
        except RecordingTooLarge as error:
            raise PictureFileTooLarge(error.size_bytes, error.limit_bytes) from error

    async def posted_again(self, job: Job) -> tuple[discord.Message, discord.Attachment]:
        """Where the job's recording was posted, long after it was heard. Raises CouldNotFetch, NotNow."""
        source = await self._source(job)
        named = [one for one in source.attachments if one.filename == job.filename]  # forwarded ones are not theirs
        if not named:
            raise CouldNotFetch
        return source, named[0]

    @asynccontextmanager
    async def _turn_of(self, user_id: int) -> AsyncIterator[None]:
        mine = self._of_person.setdefault(user_id, asyncio.Semaphore(AT_ONCE_A_PERSON))
        async with mine, self._all:
            yield

    async def _fresh_address(self, job: Job, address: AttachmentAddress) -> AttachmentAddress:
        for attachment in attachments_of(await self._source(job)):
            if attachment.id == address.id:
                return address_of(attachment)
        raise CouldNotFetch

    async def _source(self, job: Job) -> discord.Message:
        if job.source_id is None:
            raise CouldNotFetch
        source = source_message(self._client, job.channel_id, job.source_id)
        try:
            return await calls.attempt(source, "fetch a recording's message")
        except (calls.Gone, calls.Refused) as error:
            raise CouldNotFetch from error


def _fault(job: Job, error: Exception) -> Exception:
    """What it means that a recording was not handed out."""
    log.warning("job %d: its recording could not be fetched: %s", job.id, error)
    return calls.NotNow("fetch a recording") if passes(error) else CouldNotFetch()
