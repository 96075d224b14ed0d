"""The buttons and the style select under a job's message, and the prompt editor; they work after a restart.

A control's custom id holds what it does and the job's number; everything else is in the store. What a button starts
goes through the same intake as every other request.
"""

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import ui

from bot.discord_api import calls as discord_calls
from bot.jobs.reply import Reply
from bot.requests.intake import Asker, Refused
from bot.storage.records import Job, NewJob, ReplyAddress
from bot.views.texts import Speaker
from bot.views.wording import confidence, figure_alt_text, heard_notes, note_text, picture_notes, shortened
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.prompting.styles import Style
from core.recipe import to_json

if TYPE_CHECKING:
    from bot.client import ImagineBot

LONGEST_PROMPT = 1000
MOST_WINDOWS = 30
"""How many windows "what I heard" lists; a layout holds 4,000 characters."""

_LOOKS = {
    "again": ("🎲", discord.ButtonStyle.primary),
    "edit": ("✏️", discord.ButtonStyle.secondary),
    "heard": ("👂", discord.ButtonStyle.secondary),
    "recipe": ("📜", discord.ButtonStyle.secondary),
    "delete": ("🗑️", discord.ButtonStyle.secondary),
    "cancel": ("✖️", discord.ButtonStyle.danger),
}


class JobButton(ui.DynamicItem[ui.Button[Any]], template=rf"job:(?P<what>{'|'.join(_LOOKS)}):(?P<job>\d+)"):
    """One of the buttons in `_LOOKS`."""

    def __init__(self, what: str, job_id: int, say: Speaker | None = None) -> None:
        emoji, style = _LOOKS[what]
        label = say(f"button.{what}") if say else None
        super().__init__(ui.Button(label=label, emoji=emoji, style=style, custom_id=f"job:{what}:{job_id}"))
        self.what = what
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: "discord.Interaction[Any]", item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was clicked."""
        return cls(match["what"], int(match["job"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
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
            case "delete":
                await _delete(interaction, job)
            case "cancel":
                await _cancel(interaction, job)


class StyleSelect(ui.DynamicItem[ui.Select[Any]], template=r"job:style:(?P<job>\d+)"):
    """Paints what was heard in another style."""

    def __init__(self, job_id: int, say: Speaker | None = None) -> None:
        options = [
            discord.SelectOption(label=say(f"style.{style.value}") if say else style.value, value=style.value)
            for style in Style
        ]
        placeholder = say("select.style") if say else None
        super().__init__(ui.Select(placeholder=placeholder, options=options, custom_id=f"job:style:{job_id}"))
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: "discord.Interaction[Any]", item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The select that was used."""
        return cls(int(match["job"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Paint in the chosen style."""
        job = await _job_of(interaction, self.job_id)
        if job is None or job.heard is None:
            return
        style = Style(self.item.values[0])
        await imagine_again(interaction, job, ImagineOptions(style=style))


class PromptEditor(ui.Modal):
    """The prompt, to be changed and painted."""

    def __init__(self, job: Job, prompt: Prompt, say: Speaker) -> None:
        super().__init__(title=say("modal.title"), custom_id=f"edit:{job.id}")
        self._job = job
        self._before = prompt
        self.text: ui.TextInput[Any] = ui.TextInput(
            style=discord.TextStyle.paragraph, default=prompt.text[:LONGEST_PROMPT], max_length=LONGEST_PROMPT
        )
        self.negative: ui.TextInput[Any] = ui.TextInput(
            style=discord.TextStyle.paragraph,
            default=prompt.negative_text[:LONGEST_PROMPT],
            max_length=LONGEST_PROMPT,
            required=False,
        )
        self.add_item(ui.Label(text=say("modal.prompt"), component=self.text))
        self.add_item(ui.Label(text=say("modal.negative"), component=self.negative))

    async def on_submit(self, interaction: "discord.Interaction[ImagineBot]", /) -> None:  # type: ignore[override]
        """Paint the changed prompt."""
        text = self.text.value.strip() or self._before.text
        options = replace(self._job.options, prompt=text, negative_prompt=self.negative.value.strip())
        await imagine_again(interaction, self._job, options)


async def imagine_again(interaction: "discord.Interaction[ImagineBot]", job: Job, options: ImagineOptions) -> None:
    """A new picture of what `job` heard, in a new message, with a new seed."""
    bot = interaction.client
    say = bot.texts.speaker(interaction.locale)
    if job.heard is None:
        await discord_calls.answer(interaction, say("answer.forgotten"))
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
        figure_of=job.figure_of or job.id,
    )
    await bot.answer_request(interaction, new)


async def _show_prompt_editor(interaction: "discord.Interaction[ImagineBot]", job: Job) -> None:
    bot = interaction.client
    say = bot.texts.speaker(interaction.locale)
    if job.heard is None:
        await discord_calls.answer(interaction, say("answer.forgotten"))
        return
    prompt = await bot.engine.prompt_for(job.heard, job.options)
    await discord_calls.attempt_quietly(
        interaction.response.send_modal(PromptEditor(job, prompt, say)), "show the prompt editor"
    )


async def _show_heard(interaction: "discord.Interaction[ImagineBot]", job: Job) -> None:
    """The labels of every window and the figure, for the one who clicked."""
    bot = interaction.client
    say = bot.texts.speaker(interaction.locale)
    if job.heard is None:
        await discord_calls.answer(interaction, say("answer.forgotten"))
        return
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(f"### {say('button.heard')}: {discord.utils.escape_markdown(job.heard.title)}"))
    files = []
    figure = await bot.store.figure(job)
    if figure is not None:
        files.append(discord.File(io.BytesIO(figure), filename="heard.png"))
        gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
        gallery.add_item(
            media="attachment://heard.png", description=figure_alt_text(say, job.heard.top, job.heard.duration_s)
        )
        view.add_item(gallery)
    lines = [
        f"`{window.timestamp_ms / 1000:5.1f} s` "
        + ", ".join(f"{category.name} ({category.score:.2f})" for category in window.categories[:3])
        for window in job.heard.windows[:MOST_WINDOWS]
    ]
    if len(job.heard.windows) > MOST_WINDOWS:
        lines.append("…")
    sure = ", ".join(f"{category.name}: {confidence(say, category.score)}" for category in job.heard.top[:5])
    view.add_item(ui.TextDisplay(shortened("\n".join(lines), 3200)))
    view.add_item(ui.TextDisplay(shortened(f"-# {sure}", 400)))
    await discord_calls.answer_with(interaction, view, files)


async def _show_recipe(interaction: "discord.Interaction[ImagineBot]", job: Job) -> None:
    """Seed, steps, model and words, and all of it as JSON."""
    say = interaction.client.texts.speaker(interaction.locale)
    if job.outcome is None:
        await discord_calls.answer(interaction, say("answer.forgotten"))
        return
    recipe = job.outcome.recipe
    notes = (*(heard_notes(job.heard) if job.heard else ()), *picture_notes(job.outcome))
    lines = [
        f"**{say('recipe.prompt')}**: {discord.utils.escape_markdown(shortened(recipe.prompt.text, 1000))}",
        f"**{say('recipe.negative')}**: {discord.utils.escape_markdown(shortened(recipe.prompt.negative_text, 500))}",
        f"**{say('recipe.seed')}**: `{recipe.seed}`",
        f"**{say('recipe.steps')}**: {recipe.steps} · **{say('recipe.guidance')}**: {recipe.guidance:g}",
        f"**{say('recipe.size')}**: {recipe.size[0]} × {recipe.size[1]}",
        f"**{say('recipe.model')}**: `{recipe.model}` {recipe.revision}".rstrip(),
        f"**{say('recipe.adapter')}**: {recipe.adapter or '–'}",
        f"**{say('recipe.seconds')}**: {job.outcome.seconds:.1f}",
        *(f"-# {note_text(say, note)}" for note in notes),
    ]
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(shortened("\n".join(lines), 3000)))
    view.add_item(ui.File("attachment://recipe.json"))
    data = to_json(recipe).encode()
    await discord_calls.answer_with(interaction, view, [discord.File(io.BytesIO(data), filename="recipe.json")])


async def _admitted_to_remove(interaction: "discord.Interaction[ImagineBot]", job: Job) -> bool:
    """Whether the click may go on: it is the asker's or a moderator's, and was acknowledged in time."""
    if not _may_remove(interaction, job):
        say = interaction.client.texts.speaker(interaction.locale)
        await discord_calls.answer(interaction, say("answer.not_yours"))
        return False
    return await discord_calls.defer(interaction, ephemeral=True, thinking=False)


async def _cancel(interaction: "discord.Interaction[ImagineBot]", job: Job) -> None:
    """Give the job up: for the asker or a moderator."""
    bot = interaction.client
    if not await _admitted_to_remove(interaction, job):
        return
    if await bot.jobs.cancel(job.id):
        await bot.jobs.tell_cancelled(job.id, interaction.user.id)
    else:
        await discord_calls.answer(interaction, bot.texts.speaker(interaction.locale)("answer.ended"))


async def _delete(interaction: "discord.Interaction[ImagineBot]", job: Job) -> None:
    """Remove the message and what is kept of the job: for the asker or a moderator."""
    bot = interaction.client
    if not await _admitted_to_remove(interaction, job):
        return
    await bot.jobs.cancel(job.id)
    await Reply(bot, address_of(interaction, job)).delete()
    await bot.store.forget_job(job.id)


def address_of(interaction: "discord.Interaction[ImagineBot]", job: Job) -> ReplyAddress:
    """Where the message with the clicked control is; an interaction reaches its message where the bot may not."""
    assert interaction.message is not None
    address = ReplyAddress(interaction.message.channel.id, interaction.message.id)
    needs_token = job.reply is not None and job.reply.token is not None
    return replace(address, token=interaction.token, expires=interaction.expires_at) if needs_token else address


def _is_on_its_message(interaction: "discord.Interaction[ImagineBot]", job: Job) -> bool:
    """Whether the control that was used is on the message of `job`; a late result is in a direct message."""
    if job.reply is None or interaction.message is None:
        return False
    same_server = interaction.guild_id in (job.guild_id, None)
    clicked = (interaction.channel_id, interaction.message.id)
    return same_server and clicked == (job.reply.channel_id, job.reply.message_id)


def _may_remove(interaction: "discord.Interaction[ImagineBot]", job: Job) -> bool:
    return interaction.user.id == job.user_id or interaction.permissions.manage_messages


async def _job_of(interaction: "discord.Interaction[ImagineBot]", job_id: int) -> Job | None:
    """The job of a control, or None after telling why there is none, or that the person is blocked.

    Anybody can make up a custom id: it counts only on the job's own message.
    """
    bot = interaction.client
    say = bot.texts.speaker(interaction.locale)
    job = await bot.store.job(job_id)
    if job is None or not _is_on_its_message(interaction, job):
        await discord_calls.answer(interaction, say("answer.forgotten"))
        return None
    try:
        settings = await bot.store.guild(interaction.guild_id)
        await bot.intake.check_access(Asker.of(interaction.user), interaction.guild_id, settings)
    except Refused as refused:
        await discord_calls.answer(interaction, refused.text(say))
        return None
    return job
