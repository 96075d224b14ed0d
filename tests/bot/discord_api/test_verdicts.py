"""Every documented answer of Discord, and what a network does, has a meaning for each kind of call."""

import ssl
from types import SimpleNamespace

import aiohttp
import discord
import pytest

from bot.discord_api.calls import Gone, NotNow, Refused, TooLarge, as_fault
from bot.discord_api.verdicts import Applied, Call, Never, NotApplied, Unknown, Verdict, Why, judge, passes

GONE, FORBIDDEN, TOO_LARGE, INVALID = (Never(why) for why in (Why.GONE, Why.FORBIDDEN, Why.TOO_LARGE, Why.INVALID))


def answered(status: int, code: int = 0) -> discord.HTTPException:
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    kind = kinds.get(status, discord.DiscordServerError if status >= 500 else discord.HTTPException)
    return kind(SimpleNamespace(status=status, reason=""), {"code": code, "message": ""})  # type: ignore[arg-type]


STATUSES: dict[int, Verdict] = {
    400: INVALID, 401: NotApplied(), 403: FORBIDDEN, 404: GONE, 405: INVALID, 413: TOO_LARGE, 415: INVALID,
    429: NotApplied(), 500: Unknown(), 502: Unknown(), 503: NotApplied(), 504: Unknown(), 507: Unknown(),
    520: Unknown(), 521: NotApplied(), 522: Unknown(), 523: NotApplied(), 524: Unknown(), 525: NotApplied(),
    526: NotApplied(), 527: Unknown(), 530: NotApplied(),
}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
def test_status(status: int) -> None:
    assert judge(answered(status)) == STATUSES[status]


CODES = [
    (404, 10003, Call.ANY, GONE),  # unknown channel
    (404, 10004, Call.ANY, GONE),  # unknown guild
    (404, 10008, Call.ANY, GONE),  # unknown message, also one that was posted with this nonce and deleted since
    (404, 10008, Call.DELETE, Applied()),
    (404, 10015, Call.ANY, GONE),  # unknown webhook: an interaction that was never acknowledged
    (404, 10062, Call.ACKNOWLEDGE, GONE),  # unknown interaction: too late
    (400, 40060, Call.ACKNOWLEDGE, Applied()),  # acknowledged before
    (400, 40060, Call.ANY, INVALID),
    (400, 160004, Call.CREATE_THREAD, Applied()),  # there is one
    (400, 160004, Call.ANY, INVALID),
    (400, 160006, Call.CREATE_THREAD, INVALID),  # as many threads as there may be: then there is none
    (400, 40005, Call.ANY, TOO_LARGE),
    (403, 50001, Call.ANY, FORBIDDEN),  # no access
    (403, 50007, Call.ANY, FORBIDDEN),  # takes no direct messages
    (403, 50013, Call.ANY, FORBIDDEN),  # lacks a permission
    (401, 50027, Call.ANY, NotApplied()),  # a token that is no more, of an interaction
    (400, 50035, Call.ANY, INVALID),  # invalid form
    (400, 50083, Call.ANY, INVALID),  # the thread is closed: whoever edits opens it first
    (429, 30046, Call.ANY, INVALID),  # edited too often for its age: another message takes its place
]


@pytest.mark.parametrize(("status", "code", "call", "verdict"), CODES)
def test_code(status: int, code: int, call: Call, verdict: Verdict) -> None:
    assert judge(answered(status, code), call) == verdict


NETWORK = [
    (TimeoutError(), Unknown()),
    (TimeoutError(), Unknown()),
    (ConnectionResetError(104, ""), Unknown()),
    (BrokenPipeError(32, ""), Unknown()),
    (OSError(101, "unreachable"), Unknown()),
    (aiohttp.ServerDisconnectedError(), Unknown()),
    (aiohttp.ClientOSError(104, ""), Unknown()),
    (aiohttp.ClientPayloadError(), Unknown()),
    (aiohttp.ServerTimeoutError(), Unknown()),
    (aiohttp.ClientConnectorError(SimpleNamespace(), OSError(111, "refused")), NotApplied()),  # type: ignore[arg-type]
    (ssl.SSLError(), Unknown()),
    (discord.RateLimited(12.5), NotApplied(12.5)),
]


@pytest.mark.parametrize(("error", "verdict"), NETWORK)
def test_network(error: Exception, verdict: Verdict) -> None:
    assert judge(error) == verdict
    assert passes(error)
    assert isinstance(as_fault(error, ""), NotNow)


@pytest.mark.parametrize(
    ("status", "fault"), [(404, Gone), (403, Refused), (413, TooLarge), (500, NotNow), (401, NotNow)]
)
def test_whoever_called_is_told_what_it_means(status: int, fault: type[Exception]) -> None:
    assert type(as_fault(answered(status), "")) is fault


def test_invalid_call_is_a_fault_of_the_program() -> None:
    error = answered(400, 50035)
    assert as_fault(error, "") is error
