"""*4 more* and *Closer*: four pictures in one message. They count as four, which is said before the first ones."""

from dataclasses import replace

from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import display
from bot.requests.again import imagine_again
from bot.requests.answering import language_of
from bot.requests.services import Interaction
from bot.storage.records import How, Job
from bot.views.buttons import job_button
from bot.views.layouts import new_container, new_layout

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
    await imagine_again(interaction, job, replace(job.options.anew(), count=FOUR), How.FOUR)


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
    options = replace(job.options.anew(), near=near, marked=recipe.mark is not None, count=FOUR)
    await imagine_again(interaction, job, options, How.CLOSER)
