"""Discord without a network: the loopback tests' Discord, spoken to through discord.py's own `HTTPClient.request`.

Every call takes a moment before it is carried out and another until its answer is there, and may fail in between.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

import aiohttp
import discord
from discord.http import Route

from tests.loopback.calls import Answer, Call
from tests.loopback.channel_routes import ChannelRoutes
from tests.loopback.faults import STATUSES, Fault, Faults, Point, What
from tests.loopback.gateway import Gateway
from tests.loopback.payloads import guild
from tests.loopback.state import Channel, Lifetimes, Message, Refused, State, User

MOMENT_S = (0.01, 0.2)
SLOW_S = 8.0
APPLIED = (What.LOST, What.APPLIED_500, What.SLOW)


class DiscordModel:
    """What stands is in `state`. `hears_of_threads`: the gateway tells a client of each thread at once."""

    def __init__(self, random: Random, *, hears_of_threads: bool, nonces_last_s: int) -> None:
        self.state = State("http://discord.test", Lifetimes(nonce=nonces_last_s))
        self.faults = Faults()
        self.alice = self.state.new_user("alice")
        self.channel = self.state.new_channel("sounds")
        self._random = random
        self._hears_of_threads = hears_of_threads
        # of the gateway, the routes ask for nothing but this
        gateway = cast(Gateway, SimpleNamespace(content_allowed=lambda: True))
        self._routes = ChannelRoutes(self.state, gateway).routes()

    async def client(self) -> discord.Client:
        """A client that has just connected: discord.py's own, but for its way into the network."""
        client = discord.Client(intents=discord.Intents(guilds=True, guild_messages=True), max_messages=None)
        await client._async_setup_hook()
        connection = client._connection
        bot = self.state.bot
        connection.user = discord.ClientUser(state=connection, data=_user(bot))
        connection.application_id = self.state.application_id
        connection._add_guild_from_data(cast(Any, guild(self.state)))

        def tell(event: str, payload: dict[str, Any]) -> None:
            if event.startswith("THREAD_") and self._hears_of_threads:
                connection.parsers[event](payload)

        self.state.listeners[:] = [tell]
        client.http.request = self.request  # type: ignore[method-assign]
        client.http.get_from_cdn = self.get_from_cdn  # type: ignore[method-assign]
        return client

    async def request(
        self,
        route: Route,
        *,
        files: Sequence[discord.File] | None = None,
        form: Iterable[dict[str, Any]] | None = None,
        **options: Any,
    ) -> Any:
        """In place of `HTTPClient.request`: raises what that raises."""
        body, uploaded = options.get("json") or {}, {}
        for part in form or ():
            if part["name"] == "payload_json":
                body = json.loads(part["value"])
            else:
                number = int(part["name"].removeprefix("files[").removesuffix("]"))
                uploaded[number] = (part["filename"], part["value"].read())
        query = {name: str(value) for name, value in (options.get("params") or {}).items()}
        path = unquote(route.url.removeprefix(Route.BASE))
        for known in self._routes:
            values = known.match(route.method, path)
            if values is not None:
                call = Call(known, values, query, json.loads(json.dumps(body)), uploaded)
                return await self._answer(call.point, partial(known.handle, call), has_files=bool(uploaded))
        raise AssertionError(f"unknown route: {route.method} {path}")

    async def get_from_cdn(self, url: str) -> bytes:
        """In place of `HTTPClient.get_from_cdn`."""
        number = int(url.split("/")[-2])

        def fetch() -> bytes:
            if number not in self.state.attachments:
                raise Refused(404, 0, "This content is no longer available.")
            return self.state.attachments[number].data

        return cast(bytes, await self._answer(Point.RECORDING, fetch, has_files=False))

    def post_recording(self) -> Message:
        """Alice posts one."""
        file = self.state.new_attachment(self.channel.id, "rain.wav", b"rain")
        return self.state.post(self.channel, self.alice.id, attachments=[file])

    def delete_recording(self, source: Message) -> None:
        """Alice deletes it; the thread on it stays."""
        self.state.delete(source)
        for file in source.attachments:
            self.state.attachments.pop(file.id, None)

    def answers(self) -> dict[int, list[Message]]:
        """All of the bot's messages that ever were, by their marker."""
        found: dict[int, list[Message]] = {}
        for channel in self.state.channels.values():
            for message in _by(self.state.bot, channel):
                found.setdefault(message.components[0]["id"], []).append(message)
        return found

    async def _answer(self, point: Point, carry_out: Callable[[], Any], *, has_files: bool) -> Answer:
        await asyncio.sleep(self._moment())
        fault = self.faults.next(point, None, has_files=has_files)
        try:
            if fault is not None and fault.what not in APPLIED:
                _fail(fault)
            answer: Answer = carry_out()
            if not isinstance(answer, bytes):
                answer = json.loads(json.dumps(answer))
            await asyncio.sleep(SLOW_S if fault is not None and fault.what is What.SLOW else self._moment())
            if fault is not None and fault.what is not What.SLOW:
                _fail(fault)
        except Refused as refused:
            raise _as_discord_raises(refused) from None
        return answer

    def _moment(self) -> float:
        return self._random.uniform(*MOMENT_S)


def _fail(fault: Fault) -> None:
    match fault.what:
        case What.BROKEN | What.LOST:
            raise aiohttp.ServerDisconnectedError
        case What.UNAUTHORIZED:
            raise Refused(401, 0, "401: Unauthorized")
        case _:
            raise Refused(STATUSES.get(fault.what, 500), 0, "trouble")


def _as_discord_raises(refused: Refused) -> discord.HTTPException:
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    default = discord.DiscordServerError if refused.status >= 500 else discord.HTTPException
    response = cast(aiohttp.ClientResponse, SimpleNamespace(status=refused.status, reason=refused.message))
    return kinds.get(refused.status, default)(response, {"code": refused.code, "message": refused.message})


def _by(bot: User, channel: Channel) -> list[Message]:
    return [message for message in channel.messages.values() if message.author_id == bot.id]


def _user(bot: User) -> Any:
    return {"id": str(bot.id), "username": bot.name, "discriminator": "0", "avatar": None, "bot": True}
