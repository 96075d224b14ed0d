"""What was posted or deleted while the bot was down, or cut off from Discord for so long that a new session began.

Discord tells nothing of it by itself, so that it is read: the messages after the last one that was dealt with go
through the same gate as all others, without notifying anybody; and answers whose recording is gone are removed. What a
request is, and how it is answered, is not known here.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import discord
from discord.abc import Messageable
from discord.ext import commands, tasks
from discord.utils import snowflake_time, time_snowflake

from bot.discord_api.calls import CallFailed
from bot.discord_api.verdicts import TROUBLE, passes
from bot.requests.listener import Listener
from bot.requests.services import ServiceClient

log = logging.getLogger(__name__)

Place = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread

CURSOR = "cursor"
NOTED_EVERY_S = 5
MARGIN = timedelta(seconds=60)
"""Shards do not tell of messages in the order of their ids. What is read twice is accepted once."""
MOST_IN_A_CHANNEL = 200
MOST_DIRECT_CHANNELS = 50
CHANNELS_AT_ONCE = 2
RETRY_S = 10.0
CHECKED_BACK = timedelta(hours=24)
CHECK_PAUSE_S = 1.0


LAST_RUN = -1
"""In place of a shard's number."""


@dataclass(frozen=True, eq=False)
class Gap:
    """Messages after `since` may not have been told of. Each break of a connection makes another one."""

    since: int


class CatchUp(commands.Cog):
    """Reads what was missed, each time that a session with Discord begins."""

    def __init__(self, client: ServiceClient, listener: Listener) -> None:
        self._client = client
        self._services = client.services
        self._listener = listener
        self._noted = 0
        self._gaps: dict[int, Gap] = {}
        """What each shard may have missed; what comes live counts only after that."""
        self._task: asyncio.Task[None] | None = None

    async def cog_load(self) -> None:
        """Before the bot is connected: how far the last run has read."""
        kept = await self._services.store.notes.value(CURSOR)
        if kept is None:  # the first start of all: what was posted before it was not meant for the bot
            self._listener.cursor.begin_at(time_snowflake(self._services.now()))
            await self._note_position()
        else:
            self._noted = int(kept)
            self._listener.cursor.begin_at(int(kept))
            self._gaps[LAST_RUN] = Gap(int(kept))

    @commands.Cog.listener()
    async def on_shard_disconnect(self, shard_id: int) -> None:
        """What is told from now on may be missed."""
        earlier = self._gaps.get(shard_id)
        position = self._listener.cursor.position
        self._gaps[shard_id] = Gap(position if earlier is None else min(position, earlier.since))

    @commands.Cog.listener()
    async def on_shard_resumed(self, shard_id: int) -> None:
        """The session goes on, and tells of everything by itself."""
        if self._task is None or self._task.done():
            self._gaps.pop(shard_id, None)

    @commands.Cog.listener()
    async def on_shard_ready(self, _: int) -> None:
        """A session has begun of one shard; `on_ready` comes for all of them, at the start only."""
        self._begin()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Connected."""
        self._begin()

    def _begin(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._run(), name="catching up")
        if not self._note.is_running():
            self._note.start()

    async def cog_unload(self) -> None:
        """Stop, and write down how far the messages have been read."""
        self._note.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._note_position()

    async def _run(self) -> None:
        try:
            await self._read_missed()
            await self._check_answers()
        except Exception:
            log.exception("could not catch up with what was missed")

    async def _read_missed(self) -> None:
        minutes, gaps = self._services.settings.catch_up_minutes, dict(self._gaps)
        if not gaps:
            return
        begun = time_snowflake(self._services.now())
        if minutes:
            oldest = min(gap.since for gap in gaps.values())
            await self._read_since(self._start(oldest, timedelta(minutes=minutes)))
        # a shard whose connection has broken meanwhile has another gap by now
        self._gaps = {shard: gap for shard, gap in self._gaps.items() if gap is not gaps.get(shard)}
        self._listener.cursor.begin_at(begun)
        await self._note_position()

    def _start(self, last: int, longest: timedelta) -> int:
        """The id from which on messages are read."""
        margin = MARGIN if len(self._client.shards) > 1 else timedelta()
        earliest = time_snowflake(self._services.now() - longest)
        return max(time_snowflake(snowflake_time(last) - margin, high=True), earliest)

    async def _read_since(self, since: int) -> None:
        left = [*self._channels_with_news(since), *await self._direct_channels()]
        log.info("reading what came since %s in %d channels", snowflake_time(since), len(left))
        turns = asyncio.Semaphore(CHANNELS_AT_ONCE)
        while left:
            done = await asyncio.gather(*(self._read(channel, since, turns) for channel in left))
            left = [channel for channel, is_done in zip(left, done, strict=True) if not is_done]
            if left:
                await asyncio.sleep(RETRY_S)

    def _channels_with_news(self, since: int) -> Iterable[Messageable]:
        for guild in self._client.guilds:
            places: list[Place] = [*guild.text_channels, *guild.voice_channels, *guild.stage_channels, *guild.threads]
            for channel in places:
                permissions = channel.permissions_for(guild.me)
                if (
                    (channel.last_message_id or 0) > since
                    and permissions.view_channel
                    and permissions.read_message_history
                ):
                    yield channel

    async def _direct_channels(self) -> list[Messageable]:
        """Those in which somebody has asked before; Discord names no others."""
        numbers = await self._services.store.direct_channels(MOST_DIRECT_CHANNELS)
        return [self._client.get_partial_messageable(number) for number in numbers]

    async def _read(self, channel: Messageable, since: int, turns: asyncio.Semaphore) -> bool:
        """Take what came in a channel; False where Discord cannot be reached now."""
        async with turns:
            try:
                after = discord.Object(since)
                async for message in channel.history(limit=MOST_IN_A_CHANNEL, after=after, oldest_first=True):
                    await self._listener.take_missed(message)
            except TROUBLE as error:
                log.warning("could not read what came in %s meanwhile: %s", channel, error)
                return not passes(error)
        return True

    async def _check_answers(self) -> None:
        """Whether the recordings of the last day are still there, and the pictures of which there are copies; slowly,
        since nobody waits for it."""
        since = self._services.now() - CHECKED_BACK
        for job_id in await self._services.store.answers_since(since):
            await asyncio.sleep(CHECK_PAUSE_S)
            job = await self._services.store.job(job_id)
            if job is None or job.source_id is None:
                continue
            try:
                if await self._services.places.is_gone(job):
                    await self._services.jobs.withdraw(job)
            except CallFailed as error:
                log.info("job %d: whether its recording is still there is not known: %r", job.id, error)
        await self._services.gallery.check_originals()

    @tasks.loop(seconds=NOTED_EVERY_S)
    async def _note(self) -> None:
        """A loop ends for good at its first error, so that none gets out."""
        try:
            await self._note_position()
        except Exception:
            log.exception("could not write down how far I have read; I try again soon")

    async def _note_position(self) -> None:
        position = min([self._listener.cursor.position, *(gap.since for gap in self._gaps.values())])
        if position > self._noted:
            await self._services.store.notes.set_value(CURSOR, str(position))
            self._noted = position
