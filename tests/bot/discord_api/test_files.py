"""Files are read from Discord's hosts alone, and never more of them than is allowed, whatever was said of them."""

from collections.abc import AsyncIterator

import discord
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from bot.discord_api import files
from bot.discord_api.attachments import CouldNotFetch
from bot.discord_api.files import FileReader
from core.errors import RecordingTooLarge

MOST = 100_000


@pytest.fixture
async def host(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestServer]:
    """A host that is taken for Discord's: what it sends depends on the path."""

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(bytes(10_000))

    async def file(request: web.Request) -> web.Response:
        return web.Response(body=b"RIFF")

    async def missing(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound("/file")

    app = web.Application()
    routes = {"/file": file, "/endless": endless, "/missing": missing, "/elsewhere": elsewhere}
    app.add_routes([web.get(path, handler) for path, handler in routes.items()])
    server = TestServer(app)
    await server.start_server()
    monkeypatch.setattr(files, "ORIGINS", frozenset({server.make_url("/").origin()}))
    yield server
    await server.close()


@pytest.fixture
async def read(host: TestServer) -> AsyncIterator[FileReader]:
    reader = FileReader(MOST)
    yield reader
    await reader.close()


async def test_file_is_read(host: TestServer, read: FileReader) -> None:
    assert await read(str(host.make_url("/file"))) == b"RIFF"


async def test_file_without_an_end_is_given_up_at_the_limit(host: TestServer, read: FileReader) -> None:
    with pytest.raises(RecordingTooLarge):
        await read(str(host.make_url("/endless")))


async def test_detours_are_not_followed(host: TestServer, read: FileReader) -> None:
    with pytest.raises(discord.HTTPException) as caught:
        await read(str(host.make_url("/elsewhere")))
    assert caught.value.status == 302


async def test_file_that_is_gone_is_not_found(host: TestServer, read: FileReader) -> None:
    with pytest.raises(discord.NotFound):
        await read(str(host.make_url("/missing")))


@pytest.mark.parametrize(
    "address",
    [
        "http://cdn.discordapp.com/attachments/1/2/a.ogg",
        "https://cdn.discordapp.com.evil.example/a.ogg",
        "https://cdn.discordapp.com@evil.example/a.ogg",
        "https://cdn.discordapp.com:8443/a.ogg",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "/etc/passwd",
    ],
)
async def test_other_hosts_are_not_asked(address: str) -> None:
    with pytest.raises(CouldNotFetch):
        await FileReader(MOST)(address)


def test_discords_own_hosts_are_known() -> None:
    for host in ("cdn.discordapp.com", "media.discordapp.net"):
        assert URL(f"https://{host}/attachments/1/2/a.ogg?ex=1").origin() in files.ORIGINS
