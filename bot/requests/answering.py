"""What an interaction is answered with: a job whose message its answer becomes, a sentence, or news of a fault."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

import discord

from bot.discord_api import calls
from bot.discord_api.attachments import address_of, find_recordings, is_forwarded
from bot.discord_api.permissions import missing_for_interaction
from bot.jobs.places import is_confined
from bot.requests.intake import NOTHING_CHOSEN, Asker, Declined
from bot.requests.services import Interaction
from bot.storage.records import InteractionAddress, JobState, NewJob
from bot.views.texts import Translation
from bot.views.wording import names_of
from core.options import ImagineOptions

log = logging.getLogger(__name__)

WRITTEN_WITHIN_S = 1.5
"""Discord waits three seconds for the acknowledgement, which comes after the request is written down."""


def language_of(interaction: Interaction) -> Translation:
    """The language of the one who clicked or commanded."""
    return interaction.client.services.texts.translation(interaction.locale)


def request_for(
    interaction: Interaction, recording: discord.Attachment, options: ImagineOptions, *, source: discord.Message | None
) -> NewJob:
    """The request that an interaction makes for `recording`, of the message `source` if it is in one."""
    if source is not None and is_forwarded(source, recording):
        options = replace(options, spoken_words=False)  # nobody knows whose they are
    return NewJob(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        locale=str(interaction.locale),
        filename=recording.filename,
        source_id=source.id if source is not None else None,
        author_id=source.author.id if source is not None else interaction.user.id,
        attachment=address_of(recording),
        options=options,
        request_key=f"i:{interaction.id}:{recording.id}",
    )


async def recordings_of(interaction: Interaction, message: discord.Message) -> list[discord.Attachment]:
    """The recordings in a message that was chosen; none after telling why: there is none, or its author does not want
    to be heard by others."""
    t, recordings = language_of(interaction), find_recordings(message)
    if not recordings:
        await calls.answer(interaction, t("answer.no_recording"))
        return []
    people = interaction.client.services.store.people
    if message.author != interaction.user and await people.is_unheard(message.author.id):
        await calls.answer(interaction, t("refused.unheard"))
        return []
    return recordings


async def answer_request(
    interaction: Interaction, new: NewJob, *, before: ImagineOptions = NOTHING_CHOSEN, if_known: str | None = None
) -> bool:
    """Accept a request made by an interaction; its answer becomes the job's message. False: it was not accepted.

    `before` is what was chosen for the picture that is painted again. `if_known` is the key of what is said where the
    request was made before, by another interaction.
    """
    services, t = interaction.client.services, language_of(interaction)
    if missing := missing_for_interaction(interaction):
        await calls.answer(interaction, t("answer.missing", permissions=names_of(missing, t)))
        return False
    address = InteractionAddress(
        interaction.id,
        interaction.token,
        interaction.expires_at,
        only_way=not _reaches(interaction),
        confined=is_confined(interaction.channel),
    )
    asker = Asker.of(interaction.user)
    new = replace(new, interaction=address)
    outcome = await services.intake.accept(new, asker, before=before, within_s=WRITTEN_WITHIN_S)
    if isinstance(outcome, Declined):
        if not outcome.is_blocked and not outcome.is_known:
            await calls.answer(interaction, outcome.text(t))
        elif outcome.is_known and if_known is not None:
            await calls.answer(interaction, t(if_known))
        return False
    job = outcome.job
    try:
        message = await calls.acknowledge_publicly(interaction)
    except calls.NotNow:
        await services.jobs.start(job)  # which looks for the message itself
        return True
    if message is None:
        log.warning("job %d: its interaction came too late, and nobody can be told", job.id)
        if job.story is not None:
            await services.store.stories.count(job.id, 0)
        await services.store.finish(job.id, JobState.CANCELLED)
        return False
    reply = address.reply(*message)
    await services.store.set_reply(job.id, reply)
    await services.jobs.start(replace(job, reply=reply))
    return True


def _reaches(interaction: Interaction) -> bool:
    """Whether the bot can edit the interaction's message with its own token, which does not expire."""
    if interaction.guild_id is None:
        return interaction.context.dm_channel is True
    return interaction.client.services.places.is_in(interaction.guild_id) and interaction.app_permissions.view_channel


async def tell_fault(interaction: Interaction, error: Exception) -> None:
    """Tell the one who clicked or commanded that something failed, and log it. Refusals are answered where they
    arise; this is for faults of the program."""
    log.error("an interaction failed", exc_info=error)
    await calls.answer(interaction, language_of(interaction)("status.fault"))


Control = TypeVar("Control")


def telling_faults(
    act: Callable[[Control, Interaction], Awaitable[None]],
) -> Callable[[Control, discord.Interaction[Any]], Coroutine[Any, Any, None]]:
    """For a control's callback: what goes wrong in it is told to the one who used it; the library would only log it."""

    @wraps(act)
    async def callback(control: Control, interaction: discord.Interaction[Any]) -> None:
        try:
            await act(control, interaction)
        except Exception as error:
            await tell_fault(interaction, error)

    return callback
