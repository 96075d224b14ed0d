"""*4 more* and *Closer*: four pictures in one message; and choosing one of them for a message of its own.

Four count as four, which is said to everybody before their first ones.
"""

from dataclasses import replace

from discord import ui

from bot.discord_api import calls
from bot.discord_api.attachments import address_of
from bot.discord_api.markdown import display
from bot.requests.again import imagine_again, request_anew
from bot.requests.answering import answer_request, language_of
from bot.requests.services import Interaction
from bot.storage.records import How, Job, Outcome
from bot.views.buttons import job_button
from bot.views.hiding import is_hidden
from bot.views.layouts import is_picture, new_container, new_layout

FOUR = 4


async def offer_four(interaction: Interaction, job: Job) -> None:
    """Four more, once it has been said what they cost."""
    services, t = interaction.client.services, language_of(interaction)
    if services.intake.told_of_four.again(interaction.user.id):
        await paint_four(interaction, job)
        return
    most = await services.intake.pictures_an_hour(interaction.guild_id)
    view, container = new_layout(), new_container()
    view.add_item(container)
    container.add_item(display(t("answer.four", most=most)))
    container.add_item(ui.ActionRow(job_button("four_told", job.id, t)))
    await calls.answer_with(interaction, view)


async def paint_four(interaction: Interaction, job: Job) -> None:
    """Four pictures of the same, from new seeds."""
    await imagine_again(interaction, job, replace(job.options, seed=None, near=None, count=FOUR), How.FOUR)


async def paint_closer(interaction: Interaction, job: Job) -> None:
    """Four pictures that keep the composition of the one that those of `job` come from."""
    if job.outcome is None:
        await calls.answer(interaction, language_of(interaction)("answer.forgotten"))
        return
    origin = job
    if job.origin is not None and (before := await interaction.client.services.store.job(job.origin.job_id)):
        origin = before
    recipe = origin.outcome.recipe if origin.outcome is not None else job.outcome.recipe
    near = recipe.seed if recipe.near is None else recipe.near  # whose composition that one kept
    await imagine_again(interaction, job, replace(job.options, seed=None, near=near, count=FOUR), How.CLOSER)


async def pick(interaction: Interaction, job: Job, index: int) -> None:
    """One of the pictures in a message of its own, with all that can be done with it. It is not painted anew."""
    t, outcome, message = language_of(interaction), job.outcome, interaction.message
    files = [file for file in message.attachments if is_picture(file.filename)] if message is not None else []
    if job.heard is None or message is None or outcome is None or not index < len(outcome.recipes) == len(files):
        await calls.answer(interaction, t("answer.forgotten"))
        return
    if is_hidden(message):
        await calls.answer(interaction, t("answer.covered"))
        return
    recipe = outcome.recipes[index]
    new = request_anew(interaction, job, replace(job.options, seed=recipe.seed, count=1), How.PICKED)
    picked = replace(
        new,
        attachment=address_of(sorted(files, key=lambda file: file.filename)[index]),
        outcome=Outcome(recipe, outcome.seconds, outcome.is_miniature, outcome.notes),
        request_key=f"pick:{job.id}:{index}:{interaction.user.id}",
    )
    await answer_request(interaction, picked, before=job.options, if_known="answer.picked")
