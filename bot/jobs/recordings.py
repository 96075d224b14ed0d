"""Fetching recordings from Discord after their requests were accepted: few at once, again while that may help.

Addresses of attachments expire; a fresh one is asked of the message that holds the recording.
"""

import asyncio
import logging
from weakref import WeakValueDictionary

import discord

from bot.discord_api import calls
from bot.discord_api.attachments import CouldNotFetch, address_of, attachments_of
from bot.discord_api.verdicts import TROUBLE
from bot.storage.records import AttachmentAddress, Job

log = logging.getLogger(__name__)

AT_ONCE = 8
AT_ONCE_A_PERSON = 2


class Recordings:
    """Fetches what jobs are to hear."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._all = asyncio.Semaphore(AT_ONCE)
        self._of_person: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def fetch(self, job: Job) -> bytes:
        """The recording of `job`. Raises CouldNotFetch where it is gone, or Discord does not hand it out for long."""
        address = job.attachment
        if address is None:
            raise CouldNotFetch
        mine = self._of_person.setdefault(job.user_id, asyncio.Semaphore(AT_ONCE_A_PERSON))
        async with mine, self._all:
            try:
                return await calls.fetch_file(self._client.http, address.url)
            except (discord.NotFound, discord.Forbidden):
                log.info("job %d: its recording's address has expired", job.id)
            except TROUBLE as error:
                log.warning("job %d: its recording could not be fetched: %s", job.id, error)
                raise CouldNotFetch from error
            fresh = await self._fresh_address(job, address)
            try:
                return await calls.fetch_file(self._client.http, fresh.url)
            except TROUBLE as error:
                raise CouldNotFetch from error

    async def _fresh_address(self, job: Job, address: AttachmentAddress) -> AttachmentAddress:
        if job.source_id is None:
            raise CouldNotFetch
        channel = self._client.get_partial_messageable(job.channel_id)
        source = await calls.attempt_quietly(channel.fetch_message(job.source_id), "fetch a recording's message")
        for attachment in attachments_of(source) if source is not None else ():
            if attachment.id == address.id:
                return address_of(attachment)
        raise CouldNotFetch
