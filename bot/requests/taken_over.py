"""What is made of a picture as it stands in a message: one of several in a message of its own, or a larger one.

Nothing is painted anew; the file is fetched from the message once the request is accepted.
"""

from dataclasses import replace

from bot.discord_api import calls
from bot.discord_api.attachments import address_of
from bot.requests.again import request_anew
from bot.requests.answering import answer_request, language_of
from bot.requests.services import Interaction
from bot.storage.records import How, Job, NewJob, Outcome
from bot.views.hiding import is_hidden
from bot.views.layouts import is_picture


async def pick(interaction: Interaction, job: Job, index: int) -> None:
    """One of several in a message of its own, with all that can be done with it. That costs nothing."""
    new = await _taken_over(interaction, job, index, How.PICKED)
    if new is not None:
        key = f"pick:{job.id}:{index}:{interaction.user.id}"
        await answer_request(interaction, replace(new, request_key=key), before=job.options, if_known="answer.picked")


async def enlarge(interaction: Interaction, job: Job) -> None:
    """The same picture with more pixels, which counts as a picture."""
    new = await _taken_over(interaction, job, 0, How.LARGER)
    if new is None:
        return
    clicks, click = interaction.client.services.intake.clicks, (interaction.user.id, job.id, How.LARGER)
    if clicks.again(click):
        await calls.answer(interaction, language_of(interaction)("refused.known"))
    elif not await answer_request(interaction, new, before=job.options):
        clicks.forget(click)


async def _taken_over(interaction: Interaction, job: Job, index: int, how: How) -> NewJob | None:
    """The request for the picture at `index` in the message of `job`; None after telling why that is not possible."""
    t, outcome, message = language_of(interaction), job.outcome, interaction.message
    files = [file for file in message.attachments if is_picture(file.filename)] if message is not None else []
    if job.heard is None or message is None or outcome is None or not index < len(outcome.recipes) == len(files):
        await calls.answer(interaction, t("answer.forgotten"))
        return None
    if is_hidden(message):
        await calls.answer(interaction, t("answer.covered"))
        return None
    recipe = outcome.recipes[index]
    options = replace(job.options, seed=recipe.seed, count=1)
    return replace(
        request_anew(interaction, job, options, how),
        attachment=address_of(sorted(files, key=lambda file: file.filename)[index]),
        outcome=Outcome(recipe, outcome.seconds, outcome.is_miniature, outcome.notes),
    )
