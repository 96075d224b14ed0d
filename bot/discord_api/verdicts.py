"""What a failed call to Discord means: was it carried out, may it be repeated, or is it refused for good?

A table of Discord's statuses and error codes, Cloudflare's statuses, and what a network does. Pure; it calls nothing.

Sources: https://discord.com/developers/docs/topics/opcodes-and-status-codes,
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
"""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

import aiohttp
import discord

THREAD_EXISTS = 160004
ALREADY_ACKNOWLEDGED = 40060
TOO_LARGE = 40005
EDITED_TOO_OFTEN_WHEN_OLD = 30046

NETWORK_TROUBLE = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
TROUBLE = (discord.HTTPException, discord.RateLimited, *NETWORK_TROUBLE)
"""What may go wrong with any call; every other exception is a fault of the program."""


class Call(Enum):
    """What was asked for, as far as the answer's meaning hangs on it."""

    ANY = auto()
    CREATE_THREAD = auto()
    DELETE = auto()
    ACKNOWLEDGE = auto()


class Why(Enum):
    """Why the same call will never succeed."""

    GONE = auto()
    FORBIDDEN = auto()
    """It may be allowed again: somebody has changed a permission."""
    TOO_LARGE = auto()
    INVALID = auto()
    """A fault of the program."""


@dataclass(frozen=True)
class Applied:
    """It was carried out, now or before: what was wanted is there."""


@dataclass(frozen=True)
class NotApplied:
    """It was not carried out, and may be after `wait_s` seconds."""

    wait_s: float = 0.0


@dataclass(frozen=True)
class Unknown:
    """It may have been carried out or not."""


@dataclass(frozen=True)
class Never:
    """It was refused."""

    why: Why


Verdict = Applied | NotApplied | Unknown | Never

_DONE_BEFORE = frozenset({(Call.CREATE_THREAD, THREAD_EXISTS), (Call.ACKNOWLEDGE, ALREADY_ACKNOWLEDGED)})
_TURNED_AWAY = frozenset({429, 503, 521, 523, 525, 526, 530})
"""It never came to Discord's own servers, or they turned it away."""


def judge(error: BaseException, call: Call = Call.ANY) -> Verdict:
    """What `error`, one of TROUBLE, means for `call`."""
    if isinstance(error, discord.RateLimited):
        return NotApplied(error.retry_after)
    if isinstance(error, discord.HTTPException):
        return _judge_answer(error.status, error.code, call)
    if isinstance(error, aiohttp.ClientConnectorError):
        return NotApplied()  # there was no connection to send it through
    return Unknown()


def _judge_answer(status: int, code: int, call: Call) -> Verdict:
    if code == EDITED_TOO_OFTEN_WHEN_OLD:
        return Never(Why.INVALID)  # although its status is that of a limit that passes
    if (call, code) in _DONE_BEFORE:
        return Applied()
    if status == 413 or code == TOO_LARGE:
        return Never(Why.TOO_LARGE)
    if status in _TURNED_AWAY:
        return NotApplied()
    if status >= 500:
        return Unknown()
    if status == 404:
        return Applied() if call is Call.DELETE else Never(Why.GONE)
    if status == 401:
        return NotApplied()  # the token was good at the start; where it was taken back, the gateway ends the bot
    return Never(Why.FORBIDDEN if status == 403 else Why.INVALID)


def passes(error: BaseException) -> bool:
    """Whether a call that failed so may work later."""
    return isinstance(judge(error), NotApplied | Unknown)
