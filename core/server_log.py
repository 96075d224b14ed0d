"""What the server logs of those who do not speak HTTP: nothing, since strangers knock at every open port.

It knows nothing of what the page itself logs.
"""

import logging

from aiohttp.http_exceptions import HttpProcessingError


class Knocks(logging.Filter):
    """Leaves out records of requests that are none, unless DEBUG is logged.

    aiohttp does so with most by itself, but takes a header that is too long for a fault, with its traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is logged."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError) or logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


_KNOCKS = Knocks()


def server_log() -> logging.Logger:
    """The logger for the server."""
    log = logging.getLogger(__name__)
    log.addFilter(_KNOCKS)  # the same one twice is one
    return log
