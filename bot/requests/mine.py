"""`/imagine-sound mine`: somebody's last pictures, wherever they are, to find or delete them."""

import re
from typing import Any, Self

from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import Markdown, display, inert, link_to
from bot.requests.answering import language_of, telling_faults
from bot.requests.services import Interaction
from bot.storage.records import Job
from bot.views.buttons import MINE_BUTTON, mine_button
from bot.views.layouts import new_container, new_layout
from bot.views.naming import title_of
from bot.views.texts import Translation

MOST_SHOWN = 10


async def show_mine(interaction: Interaction) -> None:
    """The pictures, the newest first, each with a link and a way to delete it."""
    await calls.answer_with(interaction, await _list_of(interaction))


class MineButton(ui.DynamicItem[ui.Button[Any]], template=MINE_BUTTON):
    """Deletes one of one's own pictures."""

    def __init__(self, item: ui.Button[Any], job_id: int) -> None:
        super().__init__(item)
        self.job_id = job_id

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The button that was clicked."""
        assert isinstance(item, ui.Button)
        return cls(item, int(match["job"]))

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """Remove the message and what is kept of it, and show what is left. Anybody can make up a custom id."""
        services = interaction.client.services
        job = await services.store.job(self.job_id)
        if job is not None and job.user_id == interaction.user.id:
            await services.jobs.withdraw(job, job.reply)
        view = await _list_of(interaction)
        await calls.attempt_quietly(interaction.response.edit_message(view=view), "show what is left")


async def _list_of(interaction: Interaction) -> ui.LayoutView:
    t, view, container = language_of(interaction), new_layout(), new_container()
    view.add_item(container)
    jobs = await interaction.client.services.store.pictures_of(interaction.user.id, MOST_SHOWN)
    for job in jobs:
        section: ui.Section[ui.LayoutView] = ui.Section(display(_line(job, t)), accessory=mine_button(job.id, t))
        container.add_item(section)
    if not jobs:
        container.add_item(display(t("mine.none")))
    return view


def _line(job: Job, t: Translation) -> Markdown:
    """What was heard, linked to the picture, and when that was."""
    title = inert(title_of(t, job.heard.top) if job.heard is not None else t.plain("thread.listening"))
    when = f"<t:{job.created.timestamp():.0f}:R>"
    if job.reply is None:
        return Markdown(f"{title} · {when}")
    return Markdown(f"[{title}]({link_to(job.guild_id, job.reply.channel_id, job.reply.message_id)}) · {when}")
