"""Who may do what on the page: this host's name, this page's origin, and whoever has the password.

A cookie stands for the password once it was told; it is derived from it, so that a new password ends all visits. What
is needed to see a picture or to ask whether the program is well is nobody's secret. It knows nothing of jobs.
"""

import hashlib
import hmac
import ipaddress
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Collection
from urllib.parse import quote, urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from core.errors import ImagineSoundError

SESSION, VISITOR = "imagine_sound_session", "imagine_sound_visitor"
"""Cookies: that the password is known, and which browser this is."""
COOKIE_S = 30 * 24 * 3600
TRIES_A_MINUTE = 10
MOST_CLIENTS = 10_000

OPEN_TO_ALL = ("/static/", "/p/", "/log-in", "/healthz", "/readyz")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
}


class WrongHost(ImagineSoundError):
    """The request names a host that this page does not go by: somebody's name may have been pointed here."""

    sentence = "This page does not go by the name {host}; whoever runs it can add the name to WEB_HOSTS."


class ForeignOrigin(ImagineSoundError):
    """Another site's page, or no page at all, wants something changed."""

    sentence = "This was not sent from this page itself, so nothing was done; please open the page and try there."


class LogInNeeded(ImagineSoundError):
    """The password was not told yet."""

    sentence = "This page is private; please log in."


class TooManyTries(ImagineSoundError):
    """The password was wrong too often."""

    sentence = "That were too many wrong passwords; please try again in a minute."


class Access:
    """The rules of one page. `token` is its password, None for none; `hosts` are names that it goes by."""

    def __init__(self, token: str | None, hosts: Collection[str], now: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        own = socket.gethostname().lower()
        self._hosts = {"localhost", own, f"{own}.local", *(host.lower() for host in hosts)}
        self._now = now
        self._tries: dict[str, deque[float]] = {}

    @property
    def is_private(self) -> bool:
        """Whether there is a password."""
        return self._token is not None

    def check_host(self, request: web.Request) -> None:
        """Raises WrongHost. An IP address is no name that anybody could have pointed here (DNS rebinding)."""
        host = _name_in(request.host)
        if host in self._hosts or _is_address(host):
            return
        raise WrongHost(host=host[:100] or "?")

    def check_origin(self, request: web.Request) -> None:
        """Raises ForeignOrigin for a change that was not sent by a page of this host, nor by a program that has the
        password: no browser adds that by itself."""
        if request.method in SAFE_METHODS or self._has_bearer(request):
            return
        origin = request.headers.get(hdrs.ORIGIN, "")
        if not origin or urlsplit(origin).netloc.lower() != request.host.lower():
            raise ForeignOrigin

    def check_log_in(self, request: web.Request) -> None:
        """Raises LogInNeeded."""
        if request.path.startswith(OPEN_TO_ALL) or self.knows(request):
            return
        raise LogInNeeded

    def knows(self, request: web.Request) -> bool:
        """Whether the password was told, or there is none."""
        if self._token is None:
            return True
        return _same(request.cookies.get(SESSION, ""), self._session(self._token)) or self._has_bearer(request)

    def log_in(self, request: web.Request, told: str) -> int | None:
        """Try a password. None if it is right, else how many tries are left this minute. Raises TooManyTries."""
        tries = self._tries_of(request.remote or "")
        if len(tries) >= TRIES_A_MINUTE:
            raise TooManyTries
        if self._token is None or _same(told, self._token):
            return None
        tries.append(self._now())
        return TRIES_A_MINUTE - len(tries)

    def remember(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the browser show from now on that it knows the password."""
        if self._token is not None:
            set_cookie(request, response, SESSION, self._session(self._token))

    def _tries_of(self, client: str) -> deque[float]:
        now = self._now()
        if len(self._tries) > MOST_CLIENTS:
            self._tries = {name: tries for name, tries in self._tries.items() if tries and now - tries[-1] < 60}
        tries = self._tries.setdefault(client, deque())
        while tries and now - tries[0] >= 60:
            tries.popleft()
        return tries

    def _has_bearer(self, request: web.Request) -> bool:
        told = request.headers.get(hdrs.AUTHORIZATION, "")
        return self._token is not None and told.startswith("Bearer ") and _same(told[7:], self._token)

    @staticmethod
    def _session(token: str) -> str:
        return hmac.new(token.encode(), b"imagine-sound session", hashlib.sha256).hexdigest()


def guard(access: Access) -> Middleware:
    """The middleware that keeps the rules."""

    @web.middleware
    async def keep(request: web.Request, handler: Handler) -> web.StreamResponse:
        access.check_host(request)
        access.check_origin(request)
        try:
            access.check_log_in(request)
        except LogInNeeded:
            if request.method == "GET" and wants_page(request):
                raise web.HTTPSeeOther(f"/log-in?to={quote(request.path_qs, safe='')}") from None
            raise
        return await handler(request)

    return keep


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On each answer, before it begins."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    kept = "no-cache" if request.path.startswith("/static/") else "no-store"  # no-cache: asked for anew each time
    response.headers.setdefault(hdrs.CACHE_CONTROL, kept)


def visitor_of(request: web.Request) -> str:
    """Which browser asks, as long as it keeps its cookie; "" for one that has none yet."""
    told = request.cookies.get(VISITOR, "")
    return told if len(told) == 32 and told.isalnum() else ""


def new_visitor() -> str:
    """A name for a browser that has none yet."""
    return secrets.token_hex(16)


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, value: str) -> None:
    """A cookie that no script reads and no other site has sent along."""
    response.set_cookie(
        name, value, max_age=COOKIE_S, httponly=True, samesite="Strict", secure=is_https(request), path="/"
    )


def is_https(request: web.Request) -> bool:
    """Whether the browser came by https, maybe to a proxy before this."""
    return request.headers.get("X-Forwarded-Proto", request.scheme) == "https"


def wants_page(request: web.Request) -> bool:
    """Whether a person is to read the answer."""
    return "text/html" in request.headers.get(hdrs.ACCEPT, "")


def _same(one: str, other: str) -> bool:
    """In constant time, whatever their lengths."""
    return hmac.compare_digest(hashlib.sha256(one.encode()).digest(), hashlib.sha256(other.encode()).digest())


def _name_in(host: str) -> str:
    """The host's name or address without its port."""
    name = host.rpartition(":")[0] if host.count(":") == 1 or host.rpartition(":")[0].endswith("]") else host
    return name.strip("[]").rstrip(".").lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
