"""With which interactions people last asked for a job or opened its menu, as long as these reach them alone.

It knows people, jobs and tokens by what they are to Discord. A restart forgets them: a menu is opened again then.
"""

from datetime import datetime, timedelta

LASTS = timedelta(minutes=15)
"""A token is good for so long (https://discord.com/developers/docs/interactions/receiving-and-responding)."""


class RecentTokens:
    """The newest token for each person and job."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[int, int], tuple[str, datetime]] = {}

    def keep(self, user_id: int, job_id: int, token: str, now: datetime) -> None:
        """Somebody has asked for a job, or opened its menu."""
        self._tokens = {key: kept for key, kept in self._tokens.items() if kept[1] > now}
        self._tokens[(user_id, job_id)] = token, now + LASTS

    def find(self, user_id: int, job_id: int, now: datetime) -> tuple[str, datetime] | None:
        """The token that reaches that person about a job, and when it expires; None if it has."""
        kept = self._tokens.get((user_id, job_id))
        return kept if kept is not None and kept[1] > now else None
