"""Painting anew what was heard before: in a message of its own, which says what it comes from.

It goes through the same intake as every other request; how the picture comes about is not known here.
"""

from dataclasses import replace

from bot.discord_api import calls
from bot.requests.answering import answer_request, language_of
from bot.requests.services import Interaction
from bot.storage.records import How, Job, NewJob, Origin
from core.options import ImagineOptions


def request_anew(interaction: Interaction, job: Job, options: ImagineOptions, how: How) -> NewJob:
    """The request for a picture of what `job` heard, as `options` say, in a message of its own.

    The words that were said stay with whoever said them; others have the scene of them painted.
    """
    is_theirs = interaction.user.id == job.speaker_id
    return NewJob(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or job.channel_id,
        locale=str(interaction.locale),
        filename=job.filename,
        source_id=job.source_id,
        options=options if is_theirs else replace(options, said=None),
        heard=job.heard if is_theirs or job.heard is None else job.heard.without_words(),
        strip_of=job.strip_of or job.id,
        author_id=job.author_id,
        request_key=f"i:{interaction.id}",
        origin=Origin(job.id, how) if job.outcome is not None else None,
    )


async def imagine_again(interaction: Interaction, job: Job, options: ImagineOptions, how: How) -> None:
    """A new picture of what `job` heard, as `options` say, whose seed is a new one where they name none."""
    t = language_of(interaction)
    if job.heard is None:
        await calls.answer(interaction, t("answer.forgotten"))
        return
    intake, click = interaction.client.services.intake, (interaction.user.id, job.id, options)
    if intake.clicks.again(click):
        await calls.answer(interaction, t("refused.known"))
        return
    new = request_anew(interaction, job, options, how)
    if not await answer_request(interaction, new, before=job.options):
        intake.clicks.forget(click)


async def another(interaction: Interaction, job: Job) -> None:
    """The same once more, whatever comes of it."""
    await imagine_again(interaction, job, job.options.anew(), How.AGAIN)
