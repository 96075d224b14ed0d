"""The buttons and the style select under a job's message, and the prompt editor; they work after a restart.

A control's custom id holds what it does and the job's number; everything else is in the store. What a button starts
goes through the same intake as every other request.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import Markdown, display, inert, shortened
from bot.requests.answering import answer_request, language_of, telling_faults
from bot.requests.intake import Asker
from bot.requests.reporting import report
from bot.requests.services import Interaction
from bot.storage.records import Job, NewJob, ReplyAddress
from bot.views.buttons import JOB_BUTTON, STYLE_SELECT
from bot.views.editors import prompt_editor
from bot.views.layouts import media, new_layout
from bot.views.naming import title_of
from bot.views.wording import heard_notes, label_lines, note_text, picture_notes, strip_alt_text
from core.hearing.labels import name_in
from core.hearing.strip import strip_png
from core.hearing.timeline import clock
from core.options import ImagineOptions
from core.prompting.styles import Style
from core.recipe import to_json

MOST_WINDOWS = 30
"""How many windows "what I heard" lists; a layout holds 4,000 characters."""


class JobButton(ui.DynamicItem[ui.Button[Any]], template=JOB_BUTTON):
    """One of the buttons under a job's message."""

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
        job = await _job_of(interaction, self.job_id)
        if job is None:
            return
        match self.what:
            case "again":
                await imagine_again(interaction, job, job.options)
            case "edit":
                await _show_prompt_editor(interaction, job)
            case "heard":
                await _show_heard(interaction, job)
            case "recipe":
                await _show_recipe(interaction, job)
            case "report":
                await report(interaction, job)
            case "delete":
                await _delete(interaction, job)
            case "cancel":
                await _cancel(interaction, job)


class StyleSelect(ui.DynamicItem[ui.Select[Any]], template=STYLE_SELECT):
    """Paints what was heard in another style."""

    def __init__(self, item: ui.Select[Any], job_id: int) -> None:
        super().__init__(item)
        self.job_id = job_id

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The select that was used."""
        assert isinstance(item, ui.Select)
        return cls(item, int(match["job"]))

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """Paint in the chosen style."""
        job = await _job_of(interaction, self.job_id)
        if job is not None:
            await imagine_again(interaction, job, ImagineOptions(style=Style(self.item.values[0])))


async def paint_edited(interaction: Interaction, match: re.Match[str], fields: Mapping[str, str]) -> None:
    """Paint the prompt that was changed in the editor; an emptied one is the one before."""
    job = await _job_of(interaction, int(match["job"]))
    if job is None:
        return
    words, unwanted = (fields.get(name, "").strip() for name in ("prompt", "negative"))
    options = replace(job.options, prompt=words or job.options.prompt, negative_prompt=unwanted)
    await imagine_again(interaction, job, options)


async def imagine_again(interaction: Interaction, job: Job, options: ImagineOptions) -> None:
    """A new picture of what `job` heard, in a new message, with a new seed."""
    t = language_of(interaction)
    if job.heard is None:
        await calls.answer(interaction, t("answer.forgotten"))
        return
    intake, click = interaction.client.services.intake, (interaction.user.id, job.id, options)
    if intake.clicks.again(click):
        await calls.answer(interaction, t("refused.known"))
        return
    new = NewJob(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or job.channel_id,
        locale=str(interaction.locale),
        filename=job.filename,
        source_id=job.source_id,
        options=replace(options, seed=None),
        heard=job.heard,
        strip_of=job.strip_of or job.id,
        author_id=job.author_id,
        request_key=f"i:{interaction.id}",
    )
    if not await answer_request(interaction, new, before=job.options):
        intake.clicks.forget(click)


async def _show_prompt_editor(interaction: Interaction, job: Job) -> None:
    services, t = interaction.client.services, language_of(interaction)
    if job.heard is None:
        await calls.answer(interaction, t("answer.forgotten"))
        return
    prompt = await services.engine.prompt_for(job.heard, job.options)
    editor = prompt_editor(job.id, prompt, t)
    await calls.attempt_quietly(interaction.response.send_modal(editor), "show the prompt editor")


async def _show_heard(interaction: Interaction, job: Job) -> None:
    """The strip, in the picture's colours, and the labels of every window, for the one who clicked."""
    services, t = interaction.client.services, language_of(interaction)
    if job.heard is None:
        await calls.answer(interaction, t("answer.forgotten"))
        return
    view = new_layout()
    view.add_item(display(Markdown(f"### {t('button.heard')}: {inert(title_of(t, job.heard.top))}")))
    files = {}
    strip = await services.store.strip(job)
    if strip is not None:
        files["strip.png"] = await asyncio.to_thread(strip_png, strip, job.outcome.palette if job.outcome else None)
        view.add_item(media("strip.png", strip_alt_text(t, job.heard)))
    if job.heard.top:
        view.add_item(display(label_lines(t, job.heard)))
    between = t("list.between")
    lines = [
        f"`{clock(job.heard.begins_s + window.timestamp_ms / 1000)}` "
        + between.join(
            f"{inert(name_in(category.name, t.locale))} ({category.score:.2f})" for category in window.categories[:3]
        )
        for window in job.heard.windows[:MOST_WINDOWS]
    ]
    if len(job.heard.windows) > MOST_WINDOWS:
        lines.append("…")
    view.add_item(display(Markdown(shortened("\n".join(lines), 2800))))
    await calls.answer_with(interaction, view, files)


async def _show_recipe(interaction: Interaction, job: Job) -> None:
    """Seed, steps, model and words, and all of it as JSON."""
    t = language_of(interaction)
    if job.outcome is None:
        await calls.answer(interaction, t("answer.forgotten"))
        return
    recipe = job.outcome.recipe
    notes = (*(heard_notes(job.heard) if job.heard else ()), *picture_notes(job.outcome))
    lines = [
        f"**{t('recipe.prompt')}**: {inert(recipe.prompt.text, 1000)}",
        f"**{t('recipe.negative')}**: {inert(recipe.prompt.negative_text)}",
        f"**{t('recipe.seed')}**: `{recipe.seed}`",
        f"**{t('recipe.steps')}**: {recipe.steps} · **{t('recipe.guidance')}**: {recipe.guidance:g}",
        f"**{t('recipe.size')}**: {recipe.size[0]} × {recipe.size[1]}",
        f"**{t('recipe.model')}**: {inert(recipe.model)} {inert(recipe.revision)}".rstrip(),
        f"**{t('recipe.adapter')}**: {inert(recipe.adapter or '–')}",
        f"**{t('recipe.seconds')}**: {job.outcome.seconds:.1f}",
        *(f"-# {note_text(t, note)}" for note in notes),
    ]
    view = new_layout()
    view.add_item(display(Markdown(shortened("\n".join(lines), 3500))))
    view.add_item(ui.File("attachment://recipe.json"))
    await calls.answer_with(interaction, view, {"recipe.json": to_json(recipe).encode()})


async def _may_go(interaction: Interaction, job: Job) -> bool:
    """Whether the one who clicked may end or remove it: the asker or a moderator; others are told."""
    if _may_remove(interaction, job):
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
    if await _may_go(interaction, job):
        removing = asyncio.create_task(interaction.client.services.jobs.withdraw(job, address_of(interaction, job)))
        await calls.acknowledge_click(interaction)
        await removing


def address_of(interaction: Interaction, job: Job) -> ReplyAddress:
    """Where the message with the clicked control is; an interaction reaches its message where the bot may not."""
    assert interaction.message is not None
    address = ReplyAddress(interaction.message.channel.id, interaction.message.id)
    needs_token = job.reply is not None and job.reply.token is not None
    return replace(address, token=interaction.token, expires=interaction.expires_at) if needs_token else address


def _is_on_its_message(interaction: Interaction, job: Job) -> bool:
    """Whether the control that was used is on the message of `job`; a late result is in a direct message."""
    if job.reply is None or interaction.message is None:
        return False
    same_server = interaction.guild_id in (job.guild_id, None)
    clicked = (interaction.channel_id, interaction.message.id)
    return same_server and clicked == (job.reply.channel_id, job.reply.message_id)


def _may_remove(interaction: Interaction, job: Job) -> bool:
    return interaction.user.id == job.user_id or interaction.permissions.manage_messages


async def _job_of(interaction: Interaction, job_id: int) -> Job | None:
    """The job of a control, or None after telling why there is none, or that the person is blocked.

    Anybody can make up a custom id: it counts only on the job's own message.
    """
    services, t = interaction.client.services, language_of(interaction)
    job = await services.store.job(job_id)
    if job is None or not _is_on_its_message(interaction, job):
        await calls.answer(interaction, t("answer.forgotten"))
        return None
    if declined := await services.intake.check_access(Asker.of(interaction.user), interaction.guild_id):
        if not declined.is_blocked:
            await calls.answer(interaction, declined.text(t))
        return None
    return job
