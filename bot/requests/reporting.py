"""Report: a picture is hidden as a spoiler, and the server's moderators are told where they want to be.

What the moderators do about it is theirs; nothing is decided here.
"""

import logging

import discord

from bot.discord_api import calls
from bot.discord_api.markdown import link_to, mention
from bot.jobs.reply import Reply
from bot.requests.answering import language_of
from bot.requests.clicked import address_of
from bot.requests.languages import public_language
from bot.requests.services import Interaction
from bot.storage.records import Job
from bot.views.hiding import is_hidden, with_hidden_pictures

log = logging.getLogger(__name__)


async def report(interaction: Interaction, job: Job) -> None:
    """Hide the picture of `job`, and its copy in the gallery. What is hidden already was told."""
    t, address = language_of(interaction), address_of(interaction, job)
    if address is None or not await calls.acknowledge_privately(interaction):
        return
    reply = Reply(interaction.client, address)
    try:
        message = await reply.fetch()
        if not is_hidden(message):
            names = [attachment.filename for attachment in message.attachments]
            await reply.arrange(with_hidden_pictures(message), message, keep=names)
            await _tell_moderators(interaction, job, message)
        await interaction.client.services.gallery.cover(address.message_id)
    except calls.CallFailed as error:
        log.warning("the picture of job %d could not be hidden: %r", job.id, error)
        await calls.answer(interaction, t("answer.not_reported"))
        return
    await calls.answer(interaction, t("answer.reported"))


async def _tell_moderators(interaction: Interaction, job: Job, message: discord.Message) -> None:
    services, guild = interaction.client.services, interaction.guild
    settings = await services.store.servers.settings(interaction.guild_id)
    if guild is None or settings.log_channel is None:
        return
    channel = guild.get_channel(settings.log_channel)
    if not isinstance(channel, discord.TextChannel):
        log.warning("the channel for reports of server %d is gone", guild.id)
        return
    t = await public_language(services, guild, None)
    told = t(
        "report",
        reporter=mention(interaction.user.id),
        asker=mention(job.user_id),
        link=link_to(guild.id, message.channel.id, message.id),
    )
    try:
        await calls.send(channel, calls.plain(told))
    except calls.CallFailed as error:
        log.warning("a report could not be told in channel %d: %s", channel.id, error)
