"""The log's lines: one record a line, nothing in it that a terminal obeys, and no secret.

What comes from strangers (names of files, texts of errors) is a part of records. A line break in it must not begin what
looks like another record, and a traceback must not tell a token. It knows nothing of what is logged.
"""

import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType

log = logging.getLogger(__name__)

FULL = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
SHORT = "%(levelname)s %(name)s: %(message)s"
BARE = "%(message)s"

CONTINUED = "    | "
"""Begins each further line of a record: its traceback. No record begins so."""
HIDDEN = "…"
SHORTEST_SECRET = 8
"""A shorter one would be found in ordinary words."""

_SECRETS = re.compile(
    r"""
      (?P<before> /webhooks/\d+/ | /interactions/\d+/ ) [^/\s?"'<>\\]+        # addresses that hold a token
    | (?P<kind> \b(?:Bot|Bearer)\s+ ) [\w.=~+/-]{16,}                        # an Authorization header
    | (?P<name> \btoken(?:\\*["']?\s*[:=]\s*\\*["']|=) ) [^"'\s&\\]+         # a payload logged whole, a query
    | [\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,} | \bmfa\.[\w-]{20,}               # Discord's, of bots and people
    | aW50ZXJhY3Rpb246[\w+/=-]*                                              # an interaction's
    | \bhf_[A-Za-z0-9]{16,}                                                  # the Hugging Face hub's
    """,
    re.VERBOSE,
)


def one_line(text: str) -> str:
    """`text` with everything escaped that is no printable character: line breaks, ESC, C1, bidi marks, surrogates."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """`text` with each of `known`, and whatever is shaped like a token of Discord or the hub, hidden."""
    for secret in known:
        text = text.replace(secret, HIDDEN)
    return _SECRETS.sub(_hide, text)


class LineFormatter(logging.Formatter):
    """A record as one line; its traceback, and `stacks` where the record has any, on further lines that say so."""

    def __init__(self, fmt: str, secrets: Iterable[str] = ()) -> None:
        super().__init__(fmt, "%Y-%m-%d %H:%M:%S")
        self._secrets = tuple(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)

    def format(self, record: logging.LogRecord) -> str:
        """`record` as text. What another formatter kept in the record is not used: it may hold a secret."""
        made = {"message": self._line(_message(record)), "asctime": self.formatTime(record, self.datefmt)}
        head = one_line(self.formatMessage(logging.makeLogRecord({**record.__dict__, **made})))
        return "\n".join([head, *(CONTINUED + self._line(line) for line in self._further(record))])

    def _further(self, record: logging.LogRecord) -> Iterator[str]:
        if record.exc_info:
            yield from self.formatException(record.exc_info).split("\n")
        for stacks in (record.stack_info, getattr(record, "stacks", None)):
            if stacks:
                yield from stacks.split("\n")

    def _line(self, text: str) -> str:
        return one_line(without_secrets(text, self._secrets))


def set_up_log(level: int | str, fmt: str, secrets: Iterable[str] = ()) -> None:
    """Log to the error output from `level` on; also what nothing caught, which Python would print as it is."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(fmt, secrets))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda caught: _log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    log.critical("%s was not caught", kind.__name__, exc_info=error and (kind, error, trace))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # or else logging itself would print the arguments as they are
        return f"{record.msg} {record.args!r}"


def _hide(found: re.Match[str]) -> str:
    return (found["before"] or found["kind"] or found["name"] or "") + HIDDEN
