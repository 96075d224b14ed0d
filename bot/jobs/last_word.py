"""How its asker is told that no picture came of a job of which nobody else has seen anything: alone, as far as Discord
has a way to that.
"""

import logging

from bot.jobs.eraser import TOLD_FOR
from bot.jobs.live_message import LiveMessage
from bot.jobs.services import JobServices
from bot.storage.records import Job
from bot.views.layouts import Controls, Screen

log = logging.getLogger(__name__)


async def tell_asker(services: JobServices, job: Job, message: LiveMessage, screen: Screen) -> None:
    """To the asker: by an interaction alone, otherwise beside the recording, for a while. Raises CallFailed."""
    now = services.now()
    if job.interaction is not None and now < job.interaction.expires:
        await message.finish_privately(screen, job.interaction.token)
    elif await _tell_by_menu(services, job, message, screen):
        log.info("job %d: only its asker is told how it ended", job.id)
    elif job.interaction is None and job.guild_id is not None:
        beside = await message.finish_beside(screen)
        if beside is not None and screen.controls is Controls.NONE:
            await services.store.erasures.add(beside, now + TOLD_FOR)
    else:
        await message.finish(screen, {})


async def _tell_by_menu(services: JobServices, job: Job, message: LiveMessage, screen: Screen) -> bool:
    """Whether it could be told by the menu that the job was asked for with: nobody else has noticed anything yet."""
    kept = services.tokens.find(job.user_id, job.id, services.now())
    return kept is not None and not await message.is_there() and await message.tell_privately(screen, kept[0])
