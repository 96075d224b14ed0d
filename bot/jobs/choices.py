"""What one run of a job goes by: what becomes of pictures where the job is, and what can be done with its pictures."""

import asyncio

from bot.jobs.painted import Encoded
from bot.jobs.services import JobServices
from bot.storage.records import Job
from bot.views.layouts import Controls
from core.generation.enlarging import MOST_TIMES
from core.options import PictureCheck

TIMES_LARGER = 2
"""What *Larger* does to each side; it can be pressed again."""


async def check_for(services: JobServices, job: Job) -> PictureCheck | None:
    """What becomes of a picture that should not be shown to everybody; None: what the settings say."""
    if not services.places.is_age_restricted(job):
        return None
    here = await services.store.servers.settings(job.guild_id)
    return PictureCheck(here.restricted_check)


async def controls_of(services: JobServices, encoded: Encoded) -> Controls:
    """Which buttons the pictures get."""
    if len(encoded.pictures) > 1:
        return Controls.SEVERAL
    recipe = encoded.pictures[0].recipe
    may_grow = recipe.enlarged * TIMES_LARGER <= MOST_TIMES
    is_possible = may_grow and await asyncio.to_thread(services.engine.can_enlarge, recipe.model)
    return Controls.ENLARGEABLE if is_possible else Controls.PICTURE
