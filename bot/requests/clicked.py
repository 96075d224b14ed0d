"""The job that a control is about, and what the one who used it may do to it.

Anybody can make up a custom id: one counts only on the job's own message, or in what was opened for one person from
there, which is in the same place. What controls do is not known here.
"""

from dataclasses import replace

from bot.discord_api import calls
from bot.requests.answering import language_of
from bot.requests.intake import Asker
from bot.requests.services import Interaction
from bot.storage.records import Job, ReplyAddress


async def job_of(interaction: Interaction, job_id: int) -> Job | None:
    """The job of a control, or None after telling why there is none. The blocked are told nothing."""
    services, t = interaction.client.services, language_of(interaction)
    job = await services.store.job(job_id)
    if job is None or not (_is_on_its_message(interaction, job) or _is_in_its_menu(interaction, job)):
        await calls.answer(interaction, t("answer.forgotten"))
        return None
    if declined := await services.intake.check_access(Asker.of(interaction.user), interaction.guild_id):
        if not declined.is_blocked:
            await calls.answer(interaction, declined.text(t))
        return None
    return job


def may_remove(interaction: Interaction, job: Job) -> bool:
    """Whether the one who clicked may end or remove it: the asker, or a moderator."""
    return interaction.user.id == job.user_id or interaction.permissions.manage_messages


def address_of(interaction: Interaction, job: Job) -> ReplyAddress | None:
    """Where the job's message is. Where the bot itself may not reach it, the interaction does that it was clicked with,
    or the one that opened the menu from it, until that has expired."""
    if job.reply is None:
        return None
    if _is_on_its_message(interaction, job):
        token, expires = interaction.token, interaction.expires_at
    else:
        kept = interaction.client.services.tokens.find(interaction.user.id, job.id, interaction.created_at)
        if kept is None:
            return job.reply
        token, expires = kept
    return replace(job.reply, token=token, expires=expires) if job.reply.token is not None else job.reply


def _is_on_its_message(interaction: Interaction, job: Job) -> bool:
    """A late result is in a direct message."""
    if job.reply is None or interaction.message is None:
        return False
    same_server = interaction.guild_id in (job.guild_id, None)
    clicked = (interaction.channel_id, interaction.message.id)
    return same_server and clicked == (job.reply.channel_id, job.reply.message_id)


def _is_in_its_menu(interaction: Interaction, job: Job) -> bool:
    """Whatever it can do, the one it was opened for could open it for."""
    if job.reply is None or interaction.message is None or not interaction.message.flags.ephemeral:
        return False
    return interaction.guild_id in (job.guild_id, None) and interaction.channel_id == job.reply.channel_id
