"""The stand-in's gateway: sessions are resumed with what was missed, and content is withheld as Discord does."""

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.loopback.gateway import MESSAGE_CONTENT, Op
from tests.loopback.people import Person
from tests.loopback.server import TOKEN, Discord, running

INTENTS = 1 | 1 << 9


class Socket:
    """A bot's side of the connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._inflate = zlib.decompressobj()

    async def send(self, op: Op, data: Any) -> None:
        await self.socket.send_json({"op": op, "d": data})

    async def receive(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.BINARY
        assert message.data.endswith(b"\x00\x00\xff\xff")
        packet: dict[str, Any] = json.loads(self._inflate.decompress(message.data))
        return packet

    async def until(self, event: str) -> dict[str, Any]:
        while (packet := await self.receive())["t"] != event:
            pass
        return packet

    async def identify(self, intents: int = INTENTS | MESSAGE_CONTENT, token: str = TOKEN) -> None:
        await self.send(Op.IDENTIFY, {"token": token, "intents": intents, "shard": [0, 1]})


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with running(latency=0) as discord:
        yield discord


@asynccontextmanager
async def connected(discord: Discord) -> AsyncIterator[Socket]:
    address = discord.state.address + "/?v=10&encoding=json&compress=zlib-stream"
    async with aiohttp.ClientSession() as session, session.ws_connect(address, autoclose=False) as socket:
        yield Socket(socket)


async def test_hello_ready_and_the_server(discord: Discord) -> None:
    async with connected(discord) as bot:
        assert (await bot.receive())["op"] == Op.HELLO
        await bot.identify()
        assert (await bot.until("READY"))["d"]["shard"] == [0, 1]
        assert (await bot.until("GUILD_CREATE"))["d"]["id"] == str(discord.state.guild_id)


async def test_heartbeat_is_acknowledged(discord: Discord) -> None:
    async with connected(discord) as bot:
        await bot.receive()
        await bot.send(Op.HEARTBEAT, None)
        assert (await bot.receive())["op"] == Op.ACK


async def test_wrong_token_is_closed_with_4004(discord: Discord) -> None:
    async with connected(discord) as bot:
        await bot.receive()
        await bot.identify(token="another")
        await bot.socket.receive(timeout=5)
        assert bot.socket.close_code == 4004


async def test_intent_that_was_not_granted_is_closed_with_4014(discord: Discord) -> None:
    discord.gateway.allowed_intents &= ~MESSAGE_CONTENT
    async with connected(discord) as bot:
        await bot.receive()
        await bot.identify()
        await bot.socket.receive(timeout=5)
        assert bot.socket.close_code == 4014


async def test_resumed_session_gets_what_it_missed_once(discord: Discord) -> None:
    alice = Person.new(discord, "alice")
    async with connected(discord) as bot:
        await bot.identify()
        ready = await bot.until("READY")
        last = await bot.until("GUILD_CREATE")
    source = alice.post().source
    assert source is not None
    async with connected(discord) as bot:
        await bot.send(Op.RESUME, {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": last["s"]})
        assert (await bot.until("MESSAGE_CREATE"))["d"]["id"] == str(source.id)
        assert (await bot.receive())["t"] == "RESUMED"


async def test_session_that_was_forgotten_is_invalid(discord: Discord) -> None:
    async with connected(discord) as bot:
        await bot.identify()
        ready = await bot.until("READY")
    discord.gateway.forget_sessions()
    async with connected(discord) as bot:
        await bot.receive()
        await bot.send(Op.RESUME, {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 1})
        packet = await bot.receive()
        assert (packet["op"], packet["d"]) == (Op.INVALID_SESSION, False)


async def test_two_sessions_hear_the_same(discord: Discord) -> None:
    alice = Person.new(discord, "alice")
    async with connected(discord) as one, connected(discord) as two:
        for bot in (one, two):
            await bot.identify()
            await bot.until("GUILD_CREATE")
        source = alice.post().source
        assert source is not None
        for bot in (one, two):
            assert (await bot.until("MESSAGE_CREATE"))["d"]["id"] == str(source.id)


async def test_content_is_withheld_without_the_intent_but_not_from_whom_it_is_meant_for(discord: Discord) -> None:
    alice = Person.new(discord, "alice")
    async with connected(discord) as bot:
        await bot.identify(INTENTS)
        await bot.until("GUILD_CREATE")
        alice.post()
        assert (await bot.until("MESSAGE_CREATE"))["d"]["attachments"] == []
        mention = f"<@{discord.state.bot.id}> hello"
        discord.state.post(alice.channel, alice.user.id, content=mention)
        assert (await bot.until("MESSAGE_CREATE"))["d"]["content"] == mention
        direct = discord.state.dm_with(alice.user.id)
        alice.post(direct)
        assert len((await bot.until("MESSAGE_CREATE"))["d"]["attachments"]) == 1
