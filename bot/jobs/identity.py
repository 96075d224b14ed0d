"""By what a job's message is known to Discord, before and after it is there.

Discord makes no second message with a nonce that it has seen in the past few minutes, but does not keep it; a marker is
part of the message, and comes back with it. Both follow from the request, so that they are the same after a crash.
"""

from bot.discord_api.nonces import digest, nonce
from bot.storage.records import Job, Place

MARKER_BITS = 31
"""A component's id is a positive 32-bit integer (https://discord.com/developers/docs/components/reference)."""


def nonce_of(application_id: int, job: Job, purpose: str) -> str:
    """The nonce of a job's message; each `purpose` has its own, or one message would swallow the other."""
    return nonce(application_id, _request(job), purpose)


def place_of(application_id: int, job: Job) -> Place:
    """Where the job's message belongs, with the marker by which it is known there."""
    marker = marker_of(application_id, _request(job), "marker")
    return Place(job.channel_id, job.guild_id, job.source_id, marker, job.interaction)


def marker_of(*parts: object) -> int:
    """The marker of the message that is about these."""
    return int.from_bytes(digest(*parts)[:4], "big") >> (32 - MARKER_BITS) or 1


def _request(job: Job) -> str:
    return job.request_key or f"job:{job.id}"
