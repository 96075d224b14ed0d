"""*Make a film*: the scenes of a recording painted one after the other, under its own sound.

The film holds the voice of whoever recorded it, so that only they have it made. Nothing is kept of a recording that was
heard: it is fetched anew from its message. How the film comes about is not known here.
"""

import asyncio
from dataclasses import replace
from typing import Any

import discord
from discord import ui

from bot.discord_api import calls
from bot.discord_api.attachments import CouldNotFetch, address_of
from bot.discord_api.markdown import display
from bot.requests.answering import answer_request, language_of, request_for
from bot.requests.services import Interaction
from bot.storage.records import Films, How, Job, NewJob, Origin
from bot.storage.story import NOT_BEGUN
from bot.views.buttons import job_button
from bot.views.layouts import new_container, new_layout
from core.options import ImagineOptions
from core.prompting.styles import Style

FOUND_WITHIN_S = 1.5
"""Discord takes an interaction for failed after three seconds, and it is answered after the recording was found."""


async def film_buttons(interaction: Interaction, job: Job) -> list[ui.Button[Any]]:
    """For whoever sent the recording of `job`, where it may still be where it was posted."""
    if job.outcome is None or job.source_id is None or interaction.user.id != job.speaker_id:
        return []
    settings = await interaction.client.services.store.servers.settings(interaction.guild_id)
    return [job_button("film", job.id, language_of(interaction))] if settings.films is Films.MADE else []


async def offer_film(interaction: Interaction, job: Job) -> None:
    """Say as how many pictures a film counts, and have that agreed to."""
    if not await _may_have_it(interaction, job) or not await calls.acknowledge_privately(interaction):
        return
    if await _recording_of(interaction, job) is None:
        return
    t = language_of(interaction)
    most = await interaction.client.services.intake.pictures_of_film(interaction.guild_id)
    view, container = new_layout(), new_container()
    view.add_item(container)
    container.add_item(display(t("answer.film", most=most)))
    container.add_item(ui.ActionRow(job_button("film_told", job.id, t)))
    await calls.answer_with(interaction, view)


async def make_film(interaction: Interaction, job: Job) -> None:
    """The film, in a message of its own, in the style of the picture of `job`."""
    services, t = interaction.client.services, language_of(interaction)
    if not await _may_have_it(interaction, job):
        return
    click = (interaction.user.id, job.id, How.FILM)
    if services.intake.clicks.again(click):
        await calls.answer(interaction, t("refused.known"))
        return
    is_accepted = False
    try:
        found = await _recording_of(interaction, job, within_s=FOUND_WITHIN_S)
        is_accepted = found is not None and await answer_request(interaction, _request(interaction, job, *found))
    finally:
        if not is_accepted:
            services.intake.clicks.forget(click)


async def film_of_file(interaction: Interaction, recording: discord.Attachment, style: Style | None) -> None:
    """The film of an upload, as what it is asked for with says what it counts as."""
    new = request_for(interaction, recording, ImagineOptions(style=style), source=None)
    await answer_request(interaction, replace(new, story=NOT_BEGUN))


def _request(interaction: Interaction, job: Job, message: discord.Message, recording: discord.Attachment) -> NewJob:
    kept = job.options  # its style, shape and adapter
    options = ImagineOptions(
        style=kept.style, shape=kept.shape, size=kept.size, adapter=kept.adapter, spoken_words=kept.spoken_words
    )
    return NewJob(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or job.channel_id,
        locale=str(interaction.locale),
        filename=recording.filename,
        source_id=message.id,
        author_id=message.author.id,
        attachment=address_of(recording),
        options=options,
        request_key=f"i:{interaction.id}",
        origin=Origin(job.id, How.FILM) if job.outcome is not None else None,
        story=NOT_BEGUN,
    )


async def _may_have_it(interaction: Interaction, job: Job) -> bool:
    """Whether the one who clicked sent the recording; others are told."""
    if interaction.user.id == job.speaker_id:
        return True
    await calls.answer(interaction, language_of(interaction)("film.not_yours"))
    return False


async def _recording_of(
    interaction: Interaction, job: Job, *, within_s: float | None = None
) -> tuple[discord.Message, discord.Attachment] | None:
    """Where the recording is now; None after telling that it is nowhere, or not the one's who clicked."""
    try:
        async with asyncio.timeout(within_s):
            message, recording = await interaction.client.services.recordings.posted_again(job)
    except (CouldNotFetch, calls.NotNow, TimeoutError) as error:
        told = "film.gone" if isinstance(error, CouldNotFetch) else "film.not_now"
        await calls.answer(interaction, language_of(interaction)(told))
        return None
    if message.author.id != interaction.user.id:
        await calls.answer(interaction, language_of(interaction)("film.not_yours"))
        return None
    return message, recording
