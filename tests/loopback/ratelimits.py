"""Discord's rate limits: a bucket for each route and channel, told in headers, enforced with 429.

https://discord.com/developers/docs/topics/rate-limits. The numbers are those that bots have observed.
"""

import hashlib
import time
from collections import deque

LIMITS = {
    "POST /channels/messages": (5, 5.0),
    "PATCH /channels/messages": (5, 5.0),
    "DELETE /channels/messages": (5, 1.0),
    "POST /channels/typing": (5, 5.0),
}
"""Requests in so many seconds."""
USUAL = (50, 1.0)


class RateLimits:
    """Counts requests."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, int | str | None], deque[float]] = {}

    def take(self, route: str, major: int | str | None) -> tuple[dict[str, str], float | None]:
        """The headers of the answer, and how long to wait where the request is refused."""
        most, seconds = LIMITS.get(route, USUAL)
        times = self._times.setdefault((route, major), deque())
        now = time.monotonic()
        while times and now - times[0] >= seconds:
            times.popleft()
        refused = len(times) >= most
        if not refused:
            times.append(now)
        wait = times[0] + seconds - now
        headers = {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(most - len(times)),
            "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
            "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(route.encode()).hexdigest()[:16],
        }
        return headers, wait if refused else None
