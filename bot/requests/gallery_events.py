"""What Discord tells that concerns galleries: messages and channels that are gone, and pictures that get a ⭐.

So many people as the settings say share a picture, where its asker lets them. Whoever marked one is asked of Discord
when there may be enough of them: once in a while for each picture, however many marks there are.
"""

import asyncio
import logging
from collections import OrderedDict

import discord
from discord.ext import commands, tasks

from bot.discord_api import calls
from bot.requests.services import ServiceClient
from bot.storage.records import GuildSettings, Job

log = logging.getLogger(__name__)

STAR = "⭐"
COUNTED_EVERY_S = 10.0
MOST_COUNTED = 100
"""Discord names so many people at once; more are never needed."""
COUNTED_AT_ONCE = 2
MOST_KNOWN = 1000
"""Of so many pictures it is remembered who had marked them."""
SWEEP_S = 60


class GalleryEvents(commands.Cog):
    """Keeps the galleries true to what becomes of the pictures."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._services = client.services
        self._known: OrderedDict[int, set[int]] = OrderedDict()
        self._counting: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()
        self._turns = asyncio.Semaphore(COUNTED_AT_ONCE)

    async def cog_unload(self) -> None:
        """Stop; what was on its way is posted after the next start."""
        self._sweep.cancel()
        tasks_left = set(self._counting.values())
        for task in tasks_left:
            task.cancel()
        if tasks_left:
            await asyncio.wait(tasks_left)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Connected. Discord may say this more than once."""
        if not self._sweep.is_running():
            self._sweep.start()

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A picture or a copy may be gone."""
        if payload.guild_id is not None:
            await self._services.gallery.message_deleted(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Many at once."""
        for message_id in payload.message_ids:
            await self._services.gallery.message_deleted(message_id)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """All that was in a channel is gone."""
        await self._services.gallery.channel_deleted(channel.id)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """All that was in a thread is gone."""
        await self._services.gallery.channel_deleted(payload.thread_id)

    @commands.Cog.listener()
    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """A ⭐ on a picture whose asker lets others share it. Nothing is asked of Discord for any other message."""
        if payload.guild_id is None or payload.emoji.is_custom_emoji() or payload.emoji.name != STAR:
            return
        if payload.member is not None and payload.member.bot:
            return
        settings = await self._services.store.servers.settings(payload.guild_id)
        if settings.gallery is None or not settings.gallery_stars:
            return
        job = await self._picture_at(payload)
        if job is None or not await self._may_be_starred(job, payload.message_id):
            return
        known = self._known.get(payload.message_id)
        if known is not None:
            known.add(payload.user_id)
            if len(known) < settings.gallery_stars:
                return
        self._count_soon(job, payload.message_id)

    async def _picture_at(self, payload: discord.RawReactionActionEvent) -> Job | None:
        """The job whose picture was marked by somebody else than its asker."""
        for job in await self._services.store.jobs_of_message(payload.message_id):
            is_its_message = job.reply is not None and job.reply.message_id == payload.message_id
            if is_its_message and job.guild_id == payload.guild_id and job.user_id != payload.user_id:
                return job
        return None

    async def _may_be_starred(self, job: Job, message_id: int) -> bool:
        galleries = self._services.store.galleries
        return await galleries.may_be_starred(job.user_id) and await galleries.find(message_id) is None

    def _count_soon(self, job: Job, message_id: int) -> None:
        """Count a picture's marks now; if that was done just before, a while after that."""
        if message_id in self._counting:
            self._again.add(message_id)
            return
        name = f"counting the stars of job {job.id}"
        self._counting[message_id] = asyncio.create_task(self._count(job, message_id), name=name)

    async def _count(self, job: Job, message_id: int) -> None:
        try:
            is_wanted = True
            while is_wanted:
                self._again.discard(message_id)
                async with self._turns:
                    await self._share_if_enough(job, message_id)
                await asyncio.sleep(COUNTED_EVERY_S)
                is_wanted = message_id in self._again
        except Exception:
            log.exception("the stars of job %d could not be counted", job.id)
        finally:
            self._again.discard(message_id)
            del self._counting[message_id]

    async def _share_if_enough(self, job: Job, message_id: int) -> None:
        settings = await self._services.store.servers.settings(job.guild_id)
        if not await self._may_be_starred(job, message_id) or not settings.gallery_stars:
            return
        if (obstacle := await self._services.gallery.obstacle(job)) is not None:
            log.info("job %d: its stars are of no use: %s", job.id, obstacle.key)
            return
        people = await self._people_for(job, settings)
        if people is None:
            return
        self._remember(message_id, people)
        if len(people) >= settings.gallery_stars:
            told = await self._services.gallery.share(job)
            log.info("job %d: shared by %d stars: %s", job.id, len(people), told.key)

    async def _people_for(self, job: Job, settings: GuildSettings) -> set[int] | None:
        """Who marked a picture and counts; None where that is not known. Nobody counts for a blocked asker."""
        assert job.guild_id is not None
        assert job.reply is not None
        blocked = {*await self._services.store.servers.blocked(job.guild_id), *self._services.settings.blocked_users}
        if job.user_id in blocked:
            return None
        asked = self._client.http.get_reaction_users(job.reply.channel_id, job.reply.message_id, STAR, MOST_COUNTED)
        try:
            marked = await calls.attempt(asked, "count the stars of a picture")
        except calls.CallFailed:
            return None
        people = {int(user["id"]) for user in marked if not user.get("bot")}
        return people - blocked - {job.user_id}

    def _remember(self, message_id: int, people: set[int]) -> None:
        self._known[message_id] = people
        self._known.move_to_end(message_id)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    @tasks.loop(seconds=SWEEP_S)
    async def _sweep(self) -> None:
        """A loop ends for good at its first error, so that none gets out."""
        try:
            await self._services.gallery.sweep()
        except Exception:
            log.exception("what was on its way to a gallery could not be posted; I try again soon")
