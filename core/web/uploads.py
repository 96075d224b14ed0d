"""What a browser or a program sends with a request: fields, and a file that is written while it arrives.

Nothing larger than the limit is taken: the rest is not even read. Names of files are not looked at. It knows nothing of
what is in a file.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, ClientPayloadError, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from core.errors import (
    EmptyRecording,
    ImagineSoundError,
    NoPicture,
    NotAudio,
    PictureFileTooLarge,
    RecordingTooLarge,
)

Came = TypeVar("Came")

MOST_FIELDS = 20
LONGEST_FIELD = 16_000
"""Bytes."""
WRITTEN_AT_ONCE = 1 << 20
LONGEST_PAUSE_S = 30.0
"""Between two pieces of a body."""
LONGEST_ARRIVAL_S = 600.0

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class BrokenBody(ImagineSoundError):
    """The body ended before its end, or is no form."""

    sentence = "This arrived in part only; please send it again."


class TooSlow(ImagineSoundError):
    """Nothing came for a while."""

    sentence = "This took too long to arrive; please send it again."


class TooManyFields(ImagineSoundError):
    """More than any form of this page has, or longer ones."""

    sentence = "There is more in this form than can be read; please send less."


@dataclass(frozen=True)
class Kind:
    """What is sent, and what is said of what is none: `surely_not` are the beginnings of such types of content."""

    surely_not: tuple[str, ...]
    wrong: Callable[[], ImagineSoundError]
    empty: Callable[[], ImagineSoundError]
    too_large: Callable[[int, int], ImagineSoundError]
    """Of its bytes and the most that are taken."""


_NEITHER = ("text/", "font/", "application/json", "application/pdf", "application/xml")
RECORDING = Kind(("image/", *_NEITHER), NotAudio, EmptyRecording, RecordingTooLarge)
PICTURE = Kind(("audio/", "video/", *_NEITHER), NoPicture, NoPicture, PictureFileTooLarge)


@dataclass(frozen=True)
class Sent:
    """What came: `file` is removed by whoever takes it, None where there is none."""

    fields: Mapping[str, str]
    file: Path | None


class Arrival:
    """A request's body on its way into a file in `directory`. Use as an async context manager: unless the file is
    taken, it is removed."""

    def __init__(self, request: web.Request, directory: Path, max_bytes: int, kind: Kind = RECORDING) -> None:
        self._request = request
        self._kind = kind
        self._directory = directory
        self._max_bytes = max_bytes
        self._path: Path | None = None
        self._taken = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is not None and not self._taken:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)

    def take(self) -> None:
        """The file is somebody else's now."""
        self._taken = True

    async def read(self) -> Sent:
        """All of it. Raises what its kind says, of a body that is empty, too large, or says itself that it is none;
        BrokenBody, TooSlow, TooManyFields."""
        try:
            async with asyncio.timeout(LONGEST_ARRIVAL_S):
                return await self._read()
        except TimeoutError as error:
            raise TooSlow from error
        except (ClientPayloadError, HttpProcessingError, web.RequestPayloadError, ConnectionError, ValueError) as error:
            raise BrokenBody from error

    async def _read(self) -> Sent:
        fields = dict(list(self._request.query.items())[:MOST_FIELDS])
        kind = self._request.content_type
        if kind == MULTIPART:
            return Sent({**fields, **await self._form()}, self._path)
        if kind == FORM:
            text = await _whole(self._request.content.iter_chunked(LONGEST_FIELD), LONGEST_FIELD)
            return Sent({**fields, **dict(parse_qsl(text.decode(), max_num_fields=MOST_FIELDS))}, None)
        if not self._request.body_exists:
            return Sent(fields, None)
        if kind.startswith(self._kind.surely_not):
            raise self._kind.wrong()
        length = self._request.content_length
        if length is not None and length > self._max_bytes:
            raise self._kind.too_large(length, self._max_bytes)
        await self._write(self._request.content.iter_any())
        return Sent(fields, self._path)

    async def _form(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        parts: MultipartReader = await self._request.multipart()
        for _ in range(MOST_FIELDS):
            part = await _within_pause(parts.next())
            if part is None:
                return fields
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise BrokenBody
            if part.name == "file" and part.filename is not None and self._path is None:
                await self._write(_chunks_of(part), may_be_empty=not part.filename)
            else:
                fields[part.name] = (await _whole(_chunks_of(part), LONGEST_FIELD)).decode()
        raise TooManyFields

    async def _write(self, chunks: AsyncIterator[bytes], *, may_be_empty: bool = False) -> None:
        """Into a new file, in few large pieces, each in a thread. Browsers send an empty file where none was chosen."""
        size, waiting = 0, bytearray()
        async for chunk in _paced(chunks):
            size += len(chunk)
            if size > self._max_bytes:
                raise self._kind.too_large(max(size, self._request.content_length or 0), self._max_bytes)
            waiting += chunk
            if len(waiting) >= WRITTEN_AT_ONCE:
                await asyncio.to_thread(self._append, bytes(waiting))
                waiting.clear()
        if not size and may_be_empty:
            return
        if not size:
            raise self._kind.empty()
        await asyncio.to_thread(self._append, bytes(waiting))

    def _append(self, data: bytes) -> None:
        if self._path is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._directory)
            self._path = Path(name)
            with open(handle, "wb") as file:
                file.write(data)
        else:
            with self._path.open("ab") as file:
                file.write(data)


def empty(directory: Path) -> None:
    """Remove what a process that was killed had taken in. Blocks."""
    for path in directory.iterdir() if directory.is_dir() else ():
        with suppress(OSError):
            path.unlink()


async def _chunks_of(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk():
        yield chunk


async def _whole(chunks: AsyncIterator[bytes], most: int) -> bytes:
    data = bytearray()
    async for chunk in _paced(chunks):
        data += chunk
        if len(data) > most:
            raise TooManyFields
    return bytes(data)


async def _paced(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`chunks` as they come. Raises TimeoutError where nothing comes for too long."""
    while True:
        try:
            yield await _within_pause(anext(chunks))
        except StopAsyncIteration:
            return


async def _within_pause(coming: Awaitable[Came]) -> Came:
    async with asyncio.timeout(LONGEST_PAUSE_S):
        return await coming
