"""The gateway: hello, heartbeats, identify, ready, resume with replay, several sessions at once, zlib-stream.

What it sends comes from `state.py`'s events; who may see what depends on each session's intents.
"""

import asyncio
import contextlib
import json
import secrets
import zlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from aiohttp import WSMsgType, web

from tests.loopback import payloads
from tests.loopback.state import State

MESSAGE_CONTENT = 1 << 15
BAD_TOKEN, DISALLOWED_INTENTS = 4004, 4014
ENDING_A_SESSION = (4007, 4009)


class Op(IntEnum):
    """What a packet is."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    RESUME = 6
    RECONNECT = 7
    INVALID_SESSION = 9
    HELLO = 10
    ACK = 11


def packet(op: Op, data: Any = None) -> dict[str, Any]:
    """A packet without an event."""
    return {"op": op, "d": data, "s": None, "t": None}


@dataclass
class Session:
    """What a bot that has identified gets, sent or still to be replayed."""

    id: str
    intents: int
    shard: list[int]
    events: list[dict[str, Any]] = field(default_factory=list)
    connection: "Connection | None" = None


class Connection:
    """One websocket; packets leave in order, each after the latency."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        latency: float,
        *,
        compressed: bool,
    ) -> None:
        self.socket = socket
        self.transport = transport
        self.silent = False
        self._latency = latency
        self._compressor = zlib.compressobj() if compressed else None
        self._packets: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()

    def send(self, told: dict[str, Any]) -> None:
        """Put a packet on its way, unless the connection is only seemingly there."""
        if self.silent:
            return
        self._packets.put_nowait((asyncio.get_running_loop().time() + self._latency, told))

    async def run(self) -> None:
        """Send until cancelled or closed."""
        with contextlib.suppress(ConnectionError):
            while True:
                due, told = await self._packets.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                await self._write(json.dumps(told))

    async def _write(self, text: str) -> None:
        if self._compressor is None:
            await self.socket.send_str(text)
        else:
            data = self._compressor.compress(text.encode()) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
            await self.socket.send_bytes(data)


class Gateway:
    """All sessions."""

    def __init__(self, state: State, token: str, latency: float) -> None:
        self._state = state
        self._token = token
        self._latency = latency
        self.sessions: dict[str, Session] = {}
        self.allowed_intents = (1 << 26) - 1
        self.heartbeat_s = 41.25
        state.listeners.append(self.dispatch)

    @property
    def connected(self) -> list[Session]:
        """The sessions with a connection."""
        return [session for session in self.sessions.values() if session.connection is not None]

    def content_allowed(self) -> bool:
        """Whether the newest session has the message content intent; REST follows it."""
        newest = list(self.sessions.values())[-1:]
        return all(session.intents & MESSAGE_CONTENT for session in newest)

    def dispatch(self, event: str, data: dict[str, Any]) -> None:
        """Tell every session, also those that are to resume."""
        for session in self.sessions.values():
            self._dispatch_to(session, event, data)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A bot connects."""
        socket = web.WebSocketResponse(compress=False, max_msg_size=0)
        await socket.prepare(request)
        compressed = request.query.get("compress") == "zlib-stream"
        connection = Connection(socket, request.transport, self._latency, compressed=compressed)
        sending = asyncio.create_task(connection.run())
        connection.send(packet(Op.HELLO, {"heartbeat_interval": int(self.heartbeat_s * 1000)}))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(connection, json.loads(message.data))
        finally:
            sending.cancel()
            for session in self.connected:
                if session.connection is connection:
                    session.connection = None
        return socket

    async def close(self, code: int) -> None:
        """Close every connection with a code; sessions can be resumed unless the code forbids it."""
        if code in ENDING_A_SESSION:
            self.forget_sessions()
        for session in self.connected:
            assert session.connection is not None
            await session.connection.socket.close(code=code)

    def break_off(self) -> None:
        """Cut every connection without a word."""
        for session in self.connected:
            if session.connection is not None and session.connection.transport is not None:
                session.connection.transport.abort()

    def fall_silent(self) -> None:
        """Nothing goes through the present connections any more."""
        for session in self.connected:
            if session.connection is not None:
                session.connection.silent = True

    def ask_to_reconnect(self) -> None:
        """Opcode 7 to everybody."""
        for session in self.connected:
            assert session.connection is not None
            session.connection.send(packet(Op.RECONNECT))

    def invalidate(self, *, resumable: bool) -> None:
        """Opcode 9 to everybody."""
        connections = [session.connection for session in self.connected]
        if not resumable:
            self.forget_sessions()
        for connection in connections:
            assert connection is not None
            connection.send(packet(Op.INVALID_SESSION, resumable))

    def forget_sessions(self) -> None:
        """No session can be resumed any more."""
        self.sessions = {key: session for key, session in self.sessions.items() if session.connection is not None}
        for session in self.sessions.values():
            session.id = secrets.token_hex(16)  # what the bot knows it by is no longer true

    async def _receive(self, connection: Connection, received: dict[str, Any]) -> None:
        match received["op"]:
            case Op.HEARTBEAT:
                connection.send(packet(Op.ACK))
            case Op.IDENTIFY:
                await self._identify(connection, received["d"])
            case Op.RESUME:
                await self._resume(connection, received["d"])

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> None:
        if data["token"] != self._token:
            await connection.socket.close(code=BAD_TOKEN)
            return
        if data["intents"] & ~self.allowed_intents:
            await connection.socket.close(code=DISALLOWED_INTENTS)
            return
        session = Session(secrets.token_hex(16), data["intents"], data.get("shard", [0, 1]), connection=connection)
        self.sessions[session.id] = session
        ready = {
            "v": 10,
            "user": payloads.user(self._state.bot),
            "guilds": [{"id": str(self._state.guild_id), "unavailable": True}],
            "session_id": session.id,
            "resume_gateway_url": self._state.address.replace("http", "ws") + "/",
            "shard": session.shard,
            "application": {"id": str(self._state.application_id), "flags": 1 << 19},
        }
        self._dispatch_to(session, "READY", ready)
        self._dispatch_to(session, "GUILD_CREATE", payloads.guild(self._state))

    async def _resume(self, connection: Connection, data: dict[str, Any]) -> None:
        session = next((one for one in self.sessions.values() if one.id == data["session_id"]), None)
        if session is None:
            connection.send(packet(Op.INVALID_SESSION, False))
            return
        for event in session.events[data["seq"] :]:
            connection.send(event)
        session.connection = connection
        self._dispatch_to(session, "RESUMED", {})

    def _dispatch_to(self, session: Session, event: str, data: dict[str, Any]) -> None:
        if event in ("MESSAGE_CREATE", "MESSAGE_UPDATE") and not session.intents & MESSAGE_CONTENT:
            data = payloads.withheld(self._state, data)
        told = packet(Op.DISPATCH, data) | {"s": len(session.events) + 1, "t": event}
        session.events.append(told)
        if session.connection is not None:
            session.connection.send(told)
