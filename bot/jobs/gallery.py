"""A server's gallery: copies of pictures in a channel that its moderators chose, posted once, gone with the original.

    claimed in the store -> the original is fetched -> its picture is posted -> noted in the store

A copy that is claimed is posted, also after a restart: it is looked for by its marker first. Who may share what, and
why, is not known here but for one thing: nothing is shown to people who could not see it where it was.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import discord
from discord.utils import snowflake_time, time_snowflake

from bot.discord_api import calls
from bot.discord_api.calls import CallFailed, Gone, NotNow, TooLarge
from bot.discord_api.markdown import link_to
from bot.discord_api.nonces import nonce
from bot.discord_api.permissions import missing_to_answer
from bot.jobs.audience import Place, may_be_shown
from bot.jobs.eraser import Eraser
from bot.jobs.identity import marker_of
from bot.jobs.reply import Reply
from bot.jobs.services import JobServices
from bot.storage.records import GalleryCopy, Job, JobState, ReplyAddress
from bot.views.gallery import build_copy, heard_in_copy, picture_of, told_in_copy
from bot.views.hiding import is_hidden, with_hidden_pictures
from bot.views.texts import Translation
from core.pictures import PictureFile, without_recipe

log = logging.getLogger(__name__)

CLOCKS_DIFFER = timedelta(minutes=1)
TRIED_FOR = timedelta(hours=24)
_WHY_NOT = {Gone: "answer.forgotten", TooLarge: "gallery.too_large"}
MOST_CHECKED, CHECK_PAUSE_S = 500, 1.0


@dataclass(frozen=True)
class Told:
    """What became of sharing a picture: the key of a sentence, and what it names."""

    key: str
    copy: GalleryCopy | None = None
    channel_id: int | None = None
    permissions: tuple[str, ...] = ()


class Gallery:
    """The galleries of all servers."""

    def __init__(self, services: JobServices) -> None:
        self._services = services
        self._copies = services.store.galleries
        self._eraser = Eraser(services.client, services.store, services.places, services.texts, services.now)
        self._busy: set[int] = set()

    async def obstacle(self, job: Job) -> Told | None:
        """Why the picture of `job` cannot be shared; None where it can be, or was already. Discord is asked for nothing
        but a closed thread."""
        plan = await self._plan(job)
        return plan if isinstance(plan, Told) else None

    async def share(self, job: Job) -> Told:
        """Post the copy of a job's picture, if there is and was none. Two at once make one."""
        copy = await self._plan(job)
        if isinstance(copy, Told):
            return copy
        if copy.original_id in self._busy:
            return Told("gallery.soon")
        self._busy.add(copy.original_id)
        try:
            if not await self._copies.claim(copy):
                return await self._told_of(copy.original_id)
            return await self._post(copy, job, is_first=True)
        except Exception:
            await self._withdraw(copy)
            raise
        finally:
            self._busy.discard(copy.original_id)

    async def sweep(self) -> None:
        """Post what was on its way to a gallery when Discord could not be reached, or the process ended."""
        for copy in await self._copies.on_their_way():
            if copy.original_id in self._busy:
                continue
            job = await self._services.store.job(copy.job_id)
            plan = await self._plan(job) if job is not None else None
            is_late = self._services.now() - snowflake_time(copy.after_id) > TRIED_FOR
            if job is None or is_late or not isinstance(plan, GalleryCopy) or plan.gallery_id != copy.gallery_id:
                log.warning("the picture of job %d could not be shared; I give up", copy.job_id)
                await self._withdraw(copy)
                continue
            self._busy.add(copy.original_id)
            try:
                told = await self._post(copy, job, is_first=False)
            except Exception:
                log.exception("the picture of job %d could not be shared; I try again", copy.job_id)
                continue
            finally:
                self._busy.discard(copy.original_id)
            if told.key == "gallery.soon":
                return

    async def message_deleted(self, message_id: int) -> None:
        """A message is gone, and with it the copy of it; a copy that somebody removed does not come back."""
        await self._erase(await self._copies.message_deleted(message_id, self._services.now()))

    async def channel_deleted(self, channel_id: int) -> None:
        """A channel or thread is gone with all that was in it."""
        await self._erase(await self._copies.channel_deleted(channel_id, self._services.now()))

    async def cover(self, original_id: int) -> None:
        """Cover the copy as its original is, if there is one. Raises NotNow and Refused."""
        copy = await self._copies.find(original_id)
        if copy is None or copy.copy_id is None:
            return
        reply = Reply(self._services.client, ReplyAddress(copy.gallery_id, copy.copy_id))
        try:
            message = await reply.fetch()
            if not is_hidden(message):
                names = [attachment.filename for attachment in message.attachments]
                await reply.arrange(with_hidden_pictures(message), message, keep=names)
        except Gone:
            log.info("the copy of a picture of job %d is gone", copy.job_id)

    async def check_originals(self) -> None:
        """Remove the copies of which the original was deleted while nobody listened; slowly, the newest first."""
        for copy in await self._copies.last(MOST_CHECKED):
            await asyncio.sleep(CHECK_PAUSE_S)
            try:
                await Reply(self._services.client, ReplyAddress(copy.channel_id, copy.original_id)).fetch()
            except Gone:
                await self._withdraw(copy)
            except CallFailed as error:
                log.info("job %d: whether its message is still there is not known: %r", copy.job_id, error)

    async def _plan(self, job: Job) -> GalleryCopy | Told:
        """The copy that is to be posted, or why none may be."""
        settings, client = await self._services.store.servers.settings(job.guild_id), self._services.client
        guild = client.get_guild(job.guild_id) if job.guild_id is not None else None
        if guild is None or settings.gallery is None:
            return Told("gallery.none")
        if job.state is not JobState.DONE or job.reply is None or job.heard is None or job.outcome is None:
            return Told("answer.forgotten")
        gallery = guild.get_channel(settings.gallery)
        if not isinstance(gallery, discord.TextChannel):
            return Told("gallery.gone")
        if missing := missing_to_answer(gallery, gallery.permissions_for(guild.me)):
            return Told("gallery.missing", channel_id=gallery.id, permissions=missing)
        origin = await _channel_of(guild, job.reply)
        if origin is None or not may_be_shown(origin, gallery, was_confined=job.reply.confined):
            return Told("gallery.confined")
        assert client.application_id is not None  # known since login
        return GalleryCopy(
            original_id=job.reply.message_id,
            channel_id=job.reply.channel_id,
            parent_id=origin.parent_id if isinstance(origin, discord.Thread) else None,
            guild_id=guild.id,
            job_id=job.id,
            user_id=job.user_id,
            author_id=job.author_id,
            gallery_id=gallery.id,
            marker=marker_of(client.application_id, "gallery", job.reply.message_id),
            after_id=time_snowflake(self._services.now() - CLOCKS_DIFFER),
        )

    async def _told_of(self, original_id: int) -> Told:
        """What became of the copy of a picture's message before."""
        copy = await self._copies.find(original_id)
        if copy is None:
            return Told("answer.forgotten")
        if copy.is_removed:
            return Told("gallery.removed")
        return Told("gallery.shared" if copy.copy_id is not None else "gallery.soon", copy)

    async def _post(self, copy: GalleryCopy, job: Job, *, is_first: bool) -> Told:
        """Post a copy that is claimed, or find it there. What can never be is not tried again."""
        try:
            copy_id = await self._find(copy) if not is_first else None
            copy_id = copy_id or await self._post_new(copy, job)
        except NotNow:
            return Told("gallery.soon")
        except CallFailed as error:
            log.info("the picture of job %d could not be shared: %r", copy.job_id, error)
            if is_first:
                await self._copies.release(copy.original_id)
            else:
                await self._withdraw(copy)
            return Told(_WHY_NOT.get(type(error), "gallery.refused"))
        if not await self._copies.note_posted(copy, copy_id, self._services.now()):
            await self._erase([copy.job_id])
        return await self._told_of(copy.original_id)

    async def _find(self, copy: GalleryCopy) -> int | None:
        """The copy, if it was posted before. Raises NotNow and Refused."""
        found = await self._services.places.find(copy.place, self._services.now())
        return found.message_id if found is not None else None

    async def _post_new(self, copy: GalleryCopy, job: Job) -> int:
        """Raises Gone where the original or the gallery is gone, NotNow, Refused, TooLarge."""
        client = self._services.client
        message = await Reply(client, ReplyAddress(copy.channel_id, copy.original_id)).fetch()
        found = picture_of(message)
        heard = heard_in_copy(job)
        if found is None or heard is None:
            raise Gone("the picture is gone")
        picture, attachment = found
        data = await calls.fetch_own_file(client, attachment.url)
        model = job.outcome.recipe.model if job.outcome is not None else ""
        shown = PictureFile(data, picture.name.rpartition(".")[2])
        file = await asyncio.to_thread(without_recipe, shown, self._services.engine.sign, model)
        t = await self._language_of(copy.guild_id)
        view = build_copy(
            told_in_copy(picture, job, t),
            heard,
            job.outcome.palette if job.outcome is not None else None,
            copy.marker,
            t,
            link=link_to(copy.guild_id, copy.channel_id, copy.original_id),
            user_id=copy.user_id,
        )
        gallery = client.get_partial_messageable(copy.gallery_id)
        number = nonce(client.application_id, "gallery", copy.original_id, copy.gallery_id)
        return (await calls.send(gallery, view, {picture.name: file.data}, nonce=number)).id

    async def _language_of(self, guild_id: int) -> Translation:
        """What everybody in a server reads."""
        chosen = (await self._services.store.servers.settings(guild_id)).language
        guild = self._services.client.get_guild(guild_id)
        return self._services.texts.translation(chosen or (guild.preferred_locale if guild is not None else "en-US"))

    async def _withdraw(self, copy: GalleryCopy) -> None:
        await self._erase(await self._copies.withdraw(copy.original_id, self._services.now()))

    async def _erase(self, job_ids: Iterable[int]) -> None:
        for job_id in job_ids:
            await self._eraser.erase(job_id)


async def _channel_of(guild: discord.Guild, reply: ReplyAddress) -> Place | None:
    """Where a picture is; None where the bot itself does not see the place, and would not hear of the picture's end."""
    if reply.token is not None:
        return None
    known = guild.get_channel_or_thread(reply.channel_id)
    if known is not None:
        return known
    try:
        return await calls.attempt(guild.fetch_channel(reply.channel_id), "find a closed thread")
    except (CallFailed, discord.InvalidData):
        return None
