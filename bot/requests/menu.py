"""*⋯*: all that a picture's message does not show, for the one who asks, in their own language."""

import asyncio

from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import Markdown, display, inert, joined, shortened
from bot.requests.answering import language_of
from bot.requests.clicked import may_remove
from bot.requests.film import film_buttons
from bot.requests.gallery import gallery_buttons
from bot.requests.services import Interaction
from bot.requests.speech import speech_buttons
from bot.storage.records import Job
from bot.views.buttons import job_button
from bot.views.layouts import ShownPicture, gallery, new_container, new_layout
from bot.views.texts import Translation
from bot.views.wording import heard_notes, label_lines, note_text, picture_notes, strip_alt_text
from core.events import HeardSummary
from core.hearing.palette import Palette
from core.hearing.strip import Strip, strip_png
from core.recipe import to_json

STRIP = "strip.png"


async def show_menu(interaction: Interaction, job: Job) -> None:
    """The strip in the picture's colours, what was heard when, and what can be done."""
    services, t = interaction.client.services, language_of(interaction)
    if job.heard is None:
        await calls.answer(interaction, t("answer.forgotten"))
        return
    if not await calls.acknowledge_click(interaction):  # whose token then reaches the message that was clicked
        return
    services.tokens.keep(interaction.user.id, job.id, interaction.token, interaction.created_at)
    palette = job.outcome.palette if job.outcome is not None else None
    view, container = new_layout(), new_container(palette)
    view.add_item(container)
    files = await show_heard(container, job.heard, await services.store.strip(job), palette, t)
    for note in picture_notes(job.outcome) if job.outcome is not None else ():
        container.add_item(display(Markdown(f"-# {note_text(t, note)}")))
    names = ["recipe"] if job.outcome is not None else []
    names += ["report", *(["delete"] if may_remove(interaction, job) else [])]
    container.add_item(ui.ActionRow(*(job_button(name, job.id, t) for name in names)))
    for buttons_for in (speech_buttons, film_buttons, gallery_buttons):
        buttons = await buttons_for(interaction, job)
        if buttons:
            container.add_item(ui.ActionRow(*buttons))
    await calls.answer_with(interaction, view, files)


async def show_heard(
    container: "ui.Container[ui.LayoutView]",
    heard: HeardSummary,
    strip: Strip | None,
    palette: Palette | None,
    t: Translation,
) -> dict[str, bytes]:
    """The sound's strip and what was heard when, into `container`; returns the files that belong to it."""
    files = {}
    if strip is not None:
        files[STRIP] = await asyncio.to_thread(strip_png, strip, palette)
        container.add_item(gallery([ShownPicture(STRIP, strip_alt_text(t, heard))]))
    lines = [label_lines(t, heard)] if heard.top and heard.windows else []  # of a story, its message says when
    lines += [Markdown(f"-# {note_text(t, note)}") for note in heard_notes(heard)]
    if lines:
        container.add_item(display(joined("\n", *lines)))
    return files


async def show_recipe(interaction: Interaction, job: Job) -> None:
    """Seed, steps, model and words, and all of it as JSON."""
    t = language_of(interaction)
    if job.outcome is None:
        await calls.answer(interaction, t("answer.forgotten"))
        return
    recipe, times = job.outcome.recipe, job.outcome.recipe.enlarged
    lines = [
        f"**{t('recipe.prompt')}**: {inert(recipe.prompt.text, 1000)}",
        f"**{t('recipe.negative')}**: {inert(recipe.prompt.negative_text)}",
        f"**{t('recipe.seed')}**: `{recipe.seed}`",
        f"**{t('recipe.steps')}**: {recipe.steps} · **{t('recipe.guidance')}**: {recipe.guidance:g}"
        + ("" if recipe.guided_by is None else f" ({t('recipe.guided_once')})"),
        f"**{t('recipe.size')}**: {recipe.size[0]} × {recipe.size[1]}" + (f" × {times}" if times > 1 else ""),
        f"**{t('recipe.model')}**: {inert(recipe.model)} {inert(recipe.revision)}".rstrip(),
        f"**{t('recipe.adapter')}**: {inert(recipe.adapter or '–')}",
        f"**{t('recipe.seconds')}**: {job.outcome.seconds:.1f}",
    ]
    view = new_layout()
    view.add_item(display(Markdown(shortened("\n".join(lines), 3500))))
    view.add_item(ui.File("attachment://recipe.json"))
    await calls.answer_with(interaction, view, {"recipe.json": to_json(recipe).encode()})
