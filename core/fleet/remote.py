"""One painter that is elsewhere, as asyncio asks it: what it is, and a request's events. See `service.py`.

Whatever goes wrong on the way is Unreachable; what the painter itself answers about a picture is an event. It knows
no other painter and no queue.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp

from core.errors import ModelError
from core.fleet.binary import Nonsense
from core.fleet.wire import (
    VERSION,
    Json,
    PainterInfo,
    is_last,
    of_generation,
    of_inspection,
    to_event,
    to_info,
)
from core.generation.protocol import GenerationEvent, GenerationRequest, InspectionRequest

SILENCE_S = 15.0
"""A painter says something every 3 s, if only that it is there."""
CONNECTING_S = 5.0
LONGEST_LINE = 100_000_000
"""Bytes of one event, which may be a whole picture."""


Request = GenerationRequest | InspectionRequest


class Unreachable(Exception):
    """The painter does not answer, or stopped in the middle, or answers what nobody understands."""


class Refused(ModelError):
    """The painter answers, and cannot be used: another token, another version, another model."""


class RemotePainter:
    """The painter at `url`. To be used in one event loop."""

    def __init__(self, url: str, session: aiohttp.ClientSession, token: str | None, silence_s: float) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._timeout = aiohttp.ClientTimeout(sock_connect=CONNECTING_S, sock_read=silence_s)

    async def info(self) -> PainterInfo:
        """What it is. Raises Unreachable, Refused."""
        said = await self._asked("GET", "/v1/info")
        if isinstance(said, dict) and said.get("version") != VERSION:
            raise Refused(
                f"The painter at {self.url} speaks version {said.get('version')!r}, and this program {VERSION}; "
                "install the same version of imagine-sound on both."
            )
        try:
            return to_info(said)
        except Nonsense as error:
            raise Unreachable(f"it answers what is not understood ({error})") from error

    async def tokens(self, text: str) -> int | None:
        """How many tokens the model reads in `text`; None where it cannot tell. Raises Unreachable, Refused."""
        said = await self._asked("POST", "/v1/tokens", {"texts": [text]})
        match said:
            case {"counts": [int(count)]}:
                return count
            case {"counts": None}:
                return None
        raise Unreachable("it answers what is not understood")

    async def events(self, name: str, request: Request) -> AsyncGenerator[GenerationEvent, None]:
        """What becomes of `request`, to its last event; the same `name` again is the same picture.

        Raises Unreachable, Refused.
        """
        if isinstance(request, InspectionRequest):
            path, said = "/v1/inspections", await asyncio.to_thread(of_inspection, request)
        else:
            path, said = "/v1/pictures", of_generation(request)
        try:
            async with self._session.post(
                self.url + path, json={"id": name, **said}, headers=self._headers, timeout=self._timeout
            ) as answer:
                await self._check(answer)
                async for kind, data in _lines(answer.content):
                    event = await _understood(kind, data)
                    yield event
                    if is_last(event):
                        return
        except (aiohttp.ClientError, OSError, TimeoutError, Nonsense, ValueError) as error:
            raise Unreachable(_why(error)) from error
        raise Unreachable("it stopped in the middle")

    async def forget(self, name: str) -> None:
        """Nobody wants that picture any more, or it is here. Raises Unreachable, Refused."""
        await self._asked("DELETE", f"/v1/pictures/{name}")

    async def _asked(self, method: str, path: str, said: Json | None = None) -> Any:
        try:
            async with self._session.request(
                method, self.url + path, json=said, headers=self._headers, timeout=self._timeout
            ) as answer:
                await self._check(answer)
                return await answer.json() if answer.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(_why(error)) from error

    async def _check(self, answer: aiohttp.ClientResponse) -> None:
        """Raises Refused, Unreachable."""
        if answer.ok:
            return
        try:
            sentence = str(json.loads(await answer.content.read(10_000))["sentence"])
        except (ValueError, KeyError, TypeError):
            sentence = f"HTTP status {answer.status}"
        if answer.status in (401, 403):
            raise Refused(f"The painter at {self.url} refuses: {sentence}")
        raise Unreachable(f"it says: {sentence.rstrip('.')}")


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, str]]:
    """The server-sent events in `content`, name and data; comments are left out."""
    kind, rest = "", b""
    async for chunk in content.iter_any():
        rest += chunk
        if len(rest) > LONGEST_LINE:
            raise Nonsense("an event without an end")
        *lines, rest = rest.split(b"\n")
        for line in lines:
            name, _, value = line.decode("utf-8").rstrip("\r").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, value


async def _understood(kind: str, data: str) -> GenerationEvent:
    """A picture is decompressed in another thread."""
    if len(data) < 100_000:
        return to_event(kind, json.loads(data))
    return await asyncio.to_thread(lambda: to_event(kind, json.loads(data)))


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it is silent"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
