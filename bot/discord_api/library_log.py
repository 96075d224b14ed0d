"""What the libraries log of broken connections, in a line each: where in their code one broke helps nobody."""

import logging

from bot.discord_api.verdicts import NETWORK_TROUBLE

LOGGERS = ("discord.client", "discord.shard", "discord.gateway", "stamina")


class InALine(logging.Filter):
    """Takes the traceback of a network's error out of a record, and puts the error into its message."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: nothing is left out but the traceback."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, NETWORK_TROUBLE):
            record.msg, record.args, record.exc_info = f"{record.getMessage()} ({error!r})", (), None
        return True


def tell_broken_connections_in_a_line() -> None:
    """Let the libraries do so from now on."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(InALine())
