"""Sharing a picture in the server's gallery: *Share* behind *⋯*, `/imagine-sound gallery`, and who lets others share.

How a copy comes about and goes is not known here.
"""

import re
from typing import Any, Self

from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import Markdown, channel_mention, display, joined, link_to
from bot.jobs.gallery import Told
from bot.requests.answering import language_of, telling_faults
from bot.requests.clicked import job_of
from bot.requests.intake import Asker
from bot.requests.services import Interaction
from bot.storage.records import GalleryCopy, GuildSettings, Job
from bot.views.buttons import GALLERY_BUTTON, gallery_button
from bot.views.layouts import new_layout
from bot.views.texts import Translation
from bot.views.wording import names_of

_WORTH_A_BUTTON = frozenset({"gallery.gone", "gallery.missing"})
"""What hinders sharing now, and may be mended: whoever presses is told."""


async def gallery_buttons(interaction: Interaction, job: Job) -> list[ui.Button[Any]]:
    """What the asker can do about the gallery, where there is one that the picture may be shown in."""
    services, t = interaction.client.services, language_of(interaction)
    if interaction.user.id != job.user_id or interaction.guild_id is None or job.reply is None:
        return []
    settings = await services.store.servers.settings(interaction.guild_id)
    if settings.gallery is None:
        return []
    obstacle = await services.gallery.obstacle(job)
    if obstacle is not None and obstacle.key not in _WORTH_A_BUTTON:
        return []
    is_shared = await services.store.galleries.find(job.reply.message_id) is not None
    buttons = [] if is_shared else [gallery_button("share", t, job.id)]
    return [*buttons, *await _star_buttons(interaction, settings)]


async def show_gallery(interaction: Interaction) -> None:
    """Where the gallery is, what was shared last, and how to share."""
    services, t, guild_id = interaction.client.services, language_of(interaction), interaction.guild_id
    settings = await services.store.servers.settings(guild_id)
    if guild_id is None or settings.gallery is None or not services.places.is_in(guild_id):
        await calls.answer(interaction, t("gallery.none"))
        return
    lines = [t("gallery.here", channel=channel_mention(settings.gallery))]
    lines += [t("gallery.last", link=_link(copy)) for copy in await services.store.galleries.last(1, guild_id)]
    lines.append(t("gallery.how"))
    if settings.gallery_stars:
        lines.append(t("gallery.stars", count=settings.gallery_stars))
    if interaction.permissions.manage_guild:
        lines.append(t("gallery.moderators"))
    view = new_layout()
    view.add_item(display(joined("\n", *lines)))
    if buttons := await _star_buttons(interaction, settings):
        view.add_item(ui.ActionRow(*buttons))
    await calls.answer_with(interaction, view)


class GalleryButton(ui.DynamicItem[ui.Button[Any]], template=GALLERY_BUTTON):
    """Shares a picture, or lets others do so."""

    def __init__(self, item: ui.Button[Any], what: str, job_id: int) -> None:
        super().__init__(item)
        self.what = what
        self.job_id = job_id

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The button that was clicked."""
        assert isinstance(item, ui.Button)
        return cls(item, match["what"], int(match["job"]))

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """Do what the button says."""
        if self.what == "share":
            await _share(interaction, self.job_id)
        else:
            await _let_star(interaction, allowed=self.what == "star")


async def _share(interaction: Interaction, job_id: int) -> None:
    """Anybody can make up a custom id: only the asker shares."""
    job, t = await job_of(interaction, job_id), language_of(interaction)
    if job is None:
        return
    if interaction.user.id != job.user_id:
        await calls.answer(interaction, t("gallery.not_yours"))
    elif await calls.acknowledge_privately(interaction):
        told = await interaction.client.services.gallery.share(job)
        await calls.answer(interaction, _sentence(told, t))


async def _let_star(interaction: Interaction, *, allowed: bool) -> None:
    """Note what the one who clicked wants of their own pictures."""
    services, user = interaction.client.services, interaction.user
    declined = await services.intake.check_access(Asker.of(user), interaction.guild_id)
    if (declined is not None and declined.is_blocked) or not await calls.acknowledge_privately(interaction):
        return
    await services.store.galleries.let_star(user.id, allowed=allowed)
    await calls.answer(interaction, language_of(interaction)("gallery.starred" if allowed else "gallery.unstarred"))


async def _star_buttons(interaction: Interaction, settings: GuildSettings) -> list[ui.Button[Any]]:
    """To let others share one's pictures, or no longer; none where they cannot."""
    if not settings.gallery_stars:
        return []
    is_allowed = await interaction.client.services.store.galleries.may_be_starred(interaction.user.id)
    return [gallery_button("unstar" if is_allowed else "star", language_of(interaction))]


def _sentence(told: Told, t: Translation) -> Markdown:
    """What the one who shares is told."""
    values: dict[str, Markdown] = {}
    if told.copy is not None:
        values["link"] = _link(told.copy)
    if told.channel_id is not None:
        values |= {"channel": channel_mention(told.channel_id), "permissions": names_of(told.permissions, t)}
    return t(told.key, **values)


def _link(copy: GalleryCopy) -> Markdown:
    return link_to(copy.guild_id, copy.gallery_id, copy.copy_id or copy.original_id)
