"""What the page tells of Discord and of the store; the page knows neither."""

import time

from bot.client import ImagineBot
from bot.storage.writer import CannotWrite
from core.findings import Finding, Mark

BEAT_WITHIN_S = 60.0
"""A gateway that has not answered a heartbeat for so long is taken for dead."""
WRITTEN_WITHIN_S = 1.5
NO_TOKEN = Finding(
    Mark.BETTER, "Not connected: no token is set. docs/discord.md shows how to make one, which takes five minutes."
)


class Current:
    """The bot that runs now: another one at each attempt to connect, none before the first."""

    bot: ImagineBot | None = None


class NoGateway:
    """Discord where there is no token."""

    name = "Discord"

    async def look(self) -> Finding:
        """It could be better."""
        return NO_TOKEN


class Gateway:
    """The connection to Discord."""

    name = "Discord"

    def __init__(self, current: Current) -> None:
        self._current = current

    async def look(self) -> Finding:
        """Connected, with its heartbeats answered, or tried again for ever."""
        bot = self._current.bot
        if bot is None or not bot.is_ready():
            return Finding(Mark.WRONG, "Not connected yet; I keep trying. If it stays so, look at the log.")
        quiet_s = longest_quiet_s(bot)
        if quiet_s > BEAT_WITHIN_S:
            return Finding(Mark.WRONG, f"Discord has not answered for {quiet_s:.0f} seconds; I keep trying.")
        return Finding(Mark.FINE, f"Connected as {bot.user}, in {len(bot.guilds)} servers.")


class StorePart:
    """The database."""

    name = "Store"

    def __init__(self, current: Current) -> None:
        self._current = current

    async def look(self) -> Finding:
        """Whether something can be written."""
        bot = self._current.bot
        if bot is None:
            return Finding(Mark.WRONG, "Not open yet.")
        try:
            await bot.services.store.notes.check(WRITTEN_WITHIN_S)
        except CannotWrite:
            return Finding(Mark.WRONG, "Nothing can be written; make room where DATA_DIR is, and look at the log.")
        return Finding(Mark.FINE, "Written a moment ago.")


def longest_quiet_s(bot: ImagineBot) -> float:
    """For how long a shard's heartbeats have not been answered, the longest of them; the library keeps that inside."""
    now = time.perf_counter()
    beats = (getattr(shard._parent.ws, "_keep_alive", None) for shard in bot.shards.values())
    return max((now - beat._last_ack for beat in beats if beat is not None), default=0.0)
