"""How a request of either kind begins: its body arrives, it counts for its visitor, and its first answer is sent.

What is made of what was sent is for others to say.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from core.web.access import VISITOR, new_visitor, set_cookie, visitor_of
from core.web.answers import FIRST_ANSWER_S, taken
from core.web.followed import Followed
from core.web.page import Page
from core.web.uploads import Arrival, Sent

Begin = Callable[[Sent, str], Awaitable[Followed]]
"""Begins what was sent for a visitor, and takes over the file that came with it."""


async def begun(request: web.Request, page: Page, begin: Begin) -> web.Response:
    """The answer to a request that `begin` begins. Raises as that does, TooMuch, and what Arrival raises."""
    visitor = visitor_of(request) or new_visitor()
    page.quotas.begin(visitor)
    job: Followed | None = None
    try:
        async with Arrival(request, page.arriving, page.settings.audio_limits.max_bytes) as arrival:
            job = await begin(await arrival.read(), visitor)
            arrival.take()
    finally:
        if job is None:
            page.quotas.end(visitor)
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_ANSWER_S):
            await job.is_begun()
    response = taken(request, job)
    set_cookie(request, response, VISITOR, visitor)
    return response
