"""A request to the stand-in, read and placed: which route it is, and which point of the table."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from tests.loopback.content import Files, walk
from tests.loopback.faults import Point

Answer = dict[str, Any] | list[Any] | bytes | None
"""JSON, a file, or nothing (204)."""


@dataclass(frozen=True)
class Call:
    """A request, with the ids of its path."""

    route: "Route"
    values: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    files: Files = field(default_factory=dict)

    def number(self, name: str) -> int:
        """An id of the path."""
        return int(self.values[name])

    @property
    def point(self) -> Point:
        """Which point of the table this is; an edit after which nothing can be cancelled is the last."""
        if self.route.point is not Point.PROGRESS:
            return self.route.point
        ids = [str(one.get("custom_id")) for one in walk(self.body.get("components") or [])]
        return Point.PROGRESS if any(one.startswith("job:cancel:") for one in ids) else Point.LAST


@dataclass(frozen=True)
class Route:
    """A method and a path, `{name}` standing for a part; `name` is its bucket."""

    method: str
    path: str
    handle: Callable[[Call], Awaitable[Answer] | Answer]
    point: Point = Point.OTHER
    needs_token: bool = True

    @property
    def name(self) -> str:
        """The route without its ids."""
        return f"{self.method} " + re.sub(r"/\{[a-z_]+\}|/@original", "", self.path)

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The ids in the path, or None where it is another route."""
        pattern = re.sub(r"\{([a-z_]+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path) if method == self.method else None
        return found.groupdict() if found else None


async def read(request: web.Request, route: Route, values: Mapping[str, str]) -> Call:
    """The whole request, form data taken apart."""
    query = dict(request.query)
    if request.content_type != "multipart/form-data":
        text = await request.text()
        return Call(route, values, query, json.loads(text) if text else {})
    body: Any = {}
    files: dict[int, tuple[str, bytes]] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read())
        number = re.fullmatch(r"files\[(\d+)\]", part.name or "")
        if number:
            files[int(number[1])] = (part.filename or "", data)
        else:
            body = json.loads(data)
    return Call(route, values, query, body, files)
