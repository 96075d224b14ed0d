"""How many calls Discord answered, and how, counted for `/metrics`.

It knows neither what was asked for nor by whom.
"""

from types import SimpleNamespace

import aiohttp
from prometheus_client import Counter

CALLS = Counter("imagine_sound_discord_calls", "Calls of Discord, by the answer's status; none: no answer.", ["status"])


def counted(trace: aiohttp.TraceConfig) -> aiohttp.TraceConfig:
    """`trace` itself, which counts the calls of its session from now on."""
    trace.on_request_end.append(_on_answer)
    trace.on_request_exception.append(_on_no_answer)
    return trace


async def _on_answer(
    session: aiohttp.ClientSession, context: SimpleNamespace, answer: aiohttp.TraceRequestEndParams
) -> None:
    CALLS.labels(str(answer.response.status)).inc()


async def _on_no_answer(
    session: aiohttp.ClientSession, context: SimpleNamespace, failure: aiohttp.TraceRequestExceptionParams
) -> None:
    CALLS.labels("none").inc()
