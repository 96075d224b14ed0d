"""Keeps edits apart: Discord allows about five edits in five seconds a channel, so each channel gets a turn at a time.

It knows channels by their ids only. Whoever wants to edit takes the next turn and waits for it.
"""

import asyncio
import time


class EditLimiter:
    """Gives each channel's editors their turns, at least `interval` seconds apart."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._free_at: dict[int, float] = {}

    async def wait(self, channel_id: int) -> None:
        """Return when it is the caller's turn in that channel; turns are given in the order of asking."""
        now = time.monotonic()
        at = max(now, self._free_at.get(channel_id, now))
        self._free_at[channel_id] = at + self.interval
        self._forget_past(now)
        if at > now:
            await asyncio.sleep(at - now)

    def _forget_past(self, now: float) -> None:
        if len(self._free_at) > 1000:
            self._free_at = {channel: at for channel, at in self._free_at.items() if at > now}
