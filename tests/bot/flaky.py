"""Discord having a bad moment: one call fails, before or after it was carried out."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from simcord.backend.errors import BackendError
from simcord.http import router

Dispatch = Callable[..., Any]


def _service_unavailable(carry_out: Callable[[], Any]) -> None:
    raise BackendError(503, 0, "Service Unavailable")


def _connection_lost_before(carry_out: Callable[[], Any]) -> None:
    raise aiohttp.ClientOSError(104, "Connection reset by peer")


def _answer_lost(carry_out: Callable[[], Any]) -> None:
    carry_out()
    raise aiohttp.ServerDisconnectedError


FAILURES: dict[str, Callable[[Callable[[], Any]], None]] = {
    "503": _service_unavailable,
    "connection lost": _connection_lost_before,
    "answer lost": _answer_lost,
}


@dataclass
class Flaky:
    """Lets calls fail. Like Discord it makes no second message with the nonce of one that is there."""

    dispatch: Dispatch
    failures: list[tuple[str, re.Pattern[str], str]] = field(default_factory=list)
    by_nonce: dict[str, Any] = field(default_factory=dict)

    def fail_once(self, method: str, path: str, failure: str) -> None:
        """The next call of `method` whose path ends with the pattern `path` fails as FAILURES says."""
        self.failures.append((method, re.compile(path + "$"), failure))

    def __call__(self, backend: Any, method: str, path: str, **options: Any) -> Any:
        def carry_out() -> Any:
            body = options.get("json") or {}
            nonce = body.get("nonce") if body.get("enforce_nonce") else None
            if nonce is not None and nonce in self.by_nonce:
                return self.by_nonce[nonce]
            answer = self.dispatch(backend, method, path, **options)
            if nonce is not None:
                self.by_nonce[nonce] = answer
            return answer

        failure = self.failure_of(method, path)
        if failure is not None:
            FAILURES[failure](carry_out)
        return carry_out()

    def failure_of(self, method: str, path: str) -> str | None:
        """How this call is to fail, as FAILURES says; None where it is not to."""
        for failure in self.failures:
            if failure[0] == method and failure[1].search(path):
                self.failures.remove(failure)
                return failure[2]
        return None


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Flaky:
    """Discord, which can be told to fail."""
    fake = Flaky(router.dispatch)
    monkeypatch.setattr(router, "dispatch", fake)
    return fake
