"""The buttons under a job's message and in its menu; they work after a restart.

A button's custom id holds what it does and the job's number; everything else is in the store. What a button starts
goes through the same intake as every other request.
"""

import asyncio
import re
from dataclasses import replace
from typing import Any, Self

from discord import ui

from bot.discord_api import calls
from bot.requests.again import another, imagine_again
from bot.requests.answering import language_of, telling_faults
from bot.requests.change import show_editor
from bot.requests.clicked import address_of, job_of, may_remove
from bot.requests.film import make_film, offer_film
from bot.requests.menu import show_menu, show_recipe
from bot.requests.reporting import report
from bot.requests.services import Interaction
from bot.requests.several import offer_four, paint_closer, paint_four
from bot.requests.speech import paint_the_sounds, paint_what_is_said, show_understood
from bot.requests.taken_over import enlarge, pick
from bot.storage.records import How, Job
from bot.views.buttons import FORMERLY, JOB_BUTTON, PICKS


class JobButton(ui.DynamicItem[ui.Button[Any]], template=JOB_BUTTON):
    """One of the buttons of a job."""

    def __init__(self, item: ui.Button[Any], what: str, job_id: int) -> None:
        super().__init__(item)
        self.what = FORMERLY.get(what, what)
        self.job_id = job_id

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The button that was clicked."""
        assert isinstance(item, ui.Button)
        return cls(item, match["what"], int(match["job"]))

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """Do what the button says."""
        job = await job_of(interaction, self.job_id)
        if job is None:
            return
        match self.what:
            case "again":
                await another(interaction, job)
            case "silence":
                await imagine_again(interaction, job, replace(job.options, silence=True), How.AGAIN)
            case "four":
                await offer_four(interaction, job)
            case "four_told":
                await paint_four(interaction, job)
            case "closer":
                await paint_closer(interaction, job)
            case "larger":
                await enlarge(interaction, job)
            case "pick1" | "pick2" | "pick3" | "pick4":
                await pick(interaction, job, PICKS.index(self.what))
            case "change":
                await show_editor(interaction, job)
            case "more":
                await show_menu(interaction, job)
            case "understood":
                await show_understood(interaction, job)
            case "say":
                await paint_what_is_said(interaction, job)
            case "sounds":
                await paint_the_sounds(interaction, job)
            case "film":
                await offer_film(interaction, job)
            case "film_told":
                await make_film(interaction, job)
            case "recipe":
                await show_recipe(interaction, job)
            case "report":
                await report(interaction, job)
            case "delete":
                await _delete(interaction, job)
            case "cancel":
                await _cancel(interaction, job)


async def _may_go(interaction: Interaction, job: Job) -> bool:
    """Whether the one who clicked may end or remove it; others are told."""
    if may_remove(interaction, job):
        return True
    await calls.answer(interaction, language_of(interaction)("answer.not_yours"))
    return False


async def _cancel(interaction: Interaction, job: Job) -> None:
    """Give the job up."""
    if not await _may_go(interaction, job) or not await calls.acknowledge_click(interaction):
        return
    if not await interaction.client.services.jobs.cancel(job.id, interaction.user.id):
        await calls.answer(interaction, language_of(interaction)("answer.ended"))


async def _delete(interaction: Interaction, job: Job) -> None:
    """Remove the message and what is kept of the job. That is written down first, whatever becomes of the click."""
    if not await _may_go(interaction, job):
        return
    removing = asyncio.create_task(interaction.client.services.jobs.withdraw(job, address_of(interaction, job)))
    is_acknowledged = await calls.acknowledge_click(interaction)
    await removing
    if is_acknowledged and interaction.message is not None and interaction.message.flags.ephemeral:
        await calls.attempt_quietly(interaction.delete_original_response(), "close a menu")
