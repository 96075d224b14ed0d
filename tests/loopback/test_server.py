"""The stand-in is as strict as Discord where it matters."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.loopback.faults import Fault, Point, What
from tests.loopback.people import Person
from tests.loopback.server import PREFIX, TOKEN, Discord, running
from tests.loopback.state import EPHEMERAL, LOADING, Lifetimes, Message


class Client:
    """Somebody with the bot's token."""

    def __init__(self, discord: Discord, session: aiohttp.ClientSession) -> None:
        self.discord = discord
        self.session = session
        self.headers: dict[str, str] = {}

    async def __call__(self, method: str, path: str, *, token: str = TOKEN, **body: Any) -> tuple[int, Any]:
        """Status, and JSON if there is any."""
        address = self.discord.state.address + PREFIX + path
        headers = {"Authorization": f"Bot {token}"}
        async with self.session.request(method, address, json=body or None, headers=headers) as response:
            self.headers = dict(response.headers)
            data = await response.json() if response.content_type == "application/json" else await response.read()
            return response.status, data


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with running(latency=0, lifetimes=Lifetimes(acknowledge=0.3, token=0.6, nonce=0.3, attachment=1)) as discord:
        yield discord
        assert discord.errors == []


@pytest.fixture
async def client(discord: Discord) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(discord, session)


@pytest.fixture
def alice(discord: Discord) -> Person:
    return Person.new(discord, "alice")


def new_commands(discord: Discord) -> None:
    file = {"type": 1, "name": "file", "options": [{"type": 11, "name": "recording"}]}
    file["options"].append({"type": 3, "name": "prompt", "max_length": 1000})  # type: ignore[attr-defined]
    discord.state.commands = [{"id": "1", "name": "imagine-sound", "options": [file]}]


async def test_wrong_token(client: Client) -> None:
    assert await client("GET", "/users/@me", token="another") == (401, {"message": "401: Unauthorized", "code": 0})


async def test_same_nonce_makes_one_message_for_a_while(client: Client, alice: Person) -> None:
    path = f"/channels/{alice.channel.id}/messages"
    first = await client("POST", path, content="hello", nonce="7", enforce_nonce=True)
    again = await client("POST", path, content="hello", nonce="7", enforce_nonce=True)
    assert first[1]["id"] == again[1]["id"]
    await asyncio.sleep(0.4)
    later = await client("POST", path, content="hello", nonce="7", enforce_nonce=True)
    assert later[1]["id"] != first[1]["id"]


async def test_nonce_of_a_deleted_message(client: Client, alice: Person) -> None:
    path = f"/channels/{alice.channel.id}/messages"
    _, message = await client("POST", path, content="hello", nonce="7", enforce_nonce=True)
    await client("DELETE", f"{path}/{message['id']}")
    status, error = await client("POST", path, content="hello", nonce="7", enforce_nonce=True)
    assert (status, error["code"]) == (404, 10008)


async def test_one_thread_a_message(client: Client, alice: Person) -> None:
    source = alice.post().source
    assert source is not None
    path = f"/channels/{alice.channel.id}/messages/{source.id}/threads"
    assert (await client("POST", path, name="rain"))[1]["id"] == str(source.id)
    status, error = await client("POST", path, name="rain")
    assert (status, error["code"]) == (400, 160004)


async def test_archived_thread_is_not_edited(client: Client, discord: Discord, alice: Person) -> None:
    path = f"/channels/{alice.channel.id}/messages"
    _, message = await client("POST", path, content="hello")
    await client("PATCH", f"/channels/{alice.channel.id}", archived=True)
    status, error = await client("PATCH", f"{path}/{message['id']}", content="changed")
    assert (status, error["code"]) == (400, 50083)


async def test_history_after_a_message_has_no_nonce_and_gives_ids_back(client: Client, alice: Person) -> None:
    path = f"/channels/{alice.channel.id}/messages"
    _, first = await client("POST", path, content="one")
    text = {"type": 10, "content": "two", "id": 1234567}
    await client("POST", path, components=[text], flags=1 << 15, nonce="7")
    _, found = await client("GET", f"{path}?after={first['id']}")
    assert [message["components"][0]["id"] for message in found] == [1234567]
    assert "nonce" not in found[0]


async def test_component_that_refers_to_no_file(client: Client, alice: Person) -> None:
    gallery = {"type": 12, "items": [{"media": {"url": "attachment://picture.png"}}]}
    path = f"/channels/{alice.channel.id}/messages"
    status, error = await client("POST", path, components=[gallery], flags=1 << 15)
    assert (status, error["code"]) == (400, 50035)


async def test_sixth_message_within_five_seconds(client: Client, alice: Person) -> None:
    path = f"/channels/{alice.channel.id}/messages"
    for left in (4, 3, 2, 1, 0):
        assert (await client("POST", path, content="hello"))[0] == 200
        assert client.headers["X-RateLimit-Remaining"] == str(left)
    status, error = await client("POST", path, content="hello")
    assert (status, error["global"]) == (429, False)
    assert 0 < error["retry_after"] <= 5


async def test_attachment_address_expires(client: Client, discord: Discord, alice: Person) -> None:
    source = alice.post().source
    assert source is not None
    _, message = await client("GET", f"/channels/{alice.channel.id}/messages/{source.id}")
    address = message["attachments"][0]["url"].removeprefix(discord.state.address)
    async with client.session.get(discord.state.address + address) as response:
        assert response.status == 200
    source.attachments[0].expires -= 10
    async with client.session.get(discord.state.address + address) as response:
        assert response.status == 404


async def test_one_acknowledgement_within_three_seconds(client: Client, discord: Discord, alice: Person) -> None:
    new_commands(discord)
    first, second = alice.command().interaction, alice.command().interaction
    assert first is not None
    assert second is not None
    path = f"/interactions/{first.id}/{first.token}/callback"
    status, answer = await client("POST", path, type=5, data={"flags": 0})
    assert status == 200
    assert answer["interaction"]["response_message_id"] == str(first.messages[0].id)
    assert (await client("POST", path, type=5))[1]["code"] == 40060
    await asyncio.sleep(0.4)
    late = await client("POST", f"/interactions/{second.id}/{second.token}/callback", type=5)
    assert late[1]["code"] == 10062


async def test_first_follow_up_takes_the_place_of_thinking(client: Client, discord: Discord, alice: Person) -> None:
    new_commands(discord)
    asked = alice.command().interaction
    assert asked is not None
    await client("POST", f"/interactions/{asked.id}/{asked.token}/callback", type=5, data={"flags": EPHEMERAL})
    assert asked.messages[0].flags & LOADING
    webhook = f"/webhooks/{discord.state.application_id}/{asked.token}"
    await client("POST", webhook, content="no")
    assert [(message.content, message.flags) for message in asked.messages] == [("no", EPHEMERAL)]
    await asyncio.sleep(0.7)
    assert (await client("PATCH", f"{webhook}/messages/@original", content="late"))[1]["code"] == 50027


async def test_answer_that_is_lost_was_applied(client: Client, discord: Discord, alice: Person) -> None:
    discord.faults.add(Fault(What.LOST, Point.FIRST, alice.channel.id))
    with pytest.raises(aiohttp.ClientConnectionError):
        await client("POST", f"/channels/{alice.channel.id}/messages", content="hello")
    assert contents(alice) == ["hello"]


async def test_connection_that_breaks_before(client: Client, discord: Discord, alice: Person) -> None:
    discord.faults.add(Fault(What.BROKEN, Point.FIRST, alice.channel.id))
    with pytest.raises(aiohttp.ClientConnectionError):
        await client("POST", f"/channels/{alice.channel.id}/messages", content="hello")
    assert contents(alice) == []


async def test_fault_strikes_once_and_only_in_its_channel(client: Client, discord: Discord, alice: Person) -> None:
    bob = Person.new(discord, "bob")
    discord.faults.add(Fault(What.ERROR_503, Point.FIRST, alice.channel.id))
    statuses = [
        (await client("POST", f"/channels/{who.channel.id}/messages", content="hello"))[0]
        for who in (bob, alice, alice)
    ]
    assert statuses == [200, 503, 200]


async def test_route_that_is_not_there_is_an_error_of_the_test(discord: Discord, client: Client) -> None:
    assert (await client("GET", "/stickers/1"))[0] == 404
    assert discord.errors.pop() == f"unknown route: GET {PREFIX}/stickers/1"


def contents(person: Person) -> list[str]:
    messages: list[Message] = person.channel.standing
    return [message.content for message in messages]
