"""One painter behind HTTP: the same id is one picture, what nobody fetches is kept a while, strangers are refused."""

import asyncio
import threading
import time
from typing import Any

import aiohttp
import pytest

from core.errors import ModelMissing
from core.generation.protocol import ImageGenerator
from tests.fleet.conftest import Serve
from tests.fleet.served import Loop
from tests.generation.scripted import ScriptedModel, wait_until

ORDER = {"id": "one", "prompt": "a dog", "negative_prompt": "", "seed": 3}


async def asked(url: str, method: str = "POST", said: object = ORDER, **options: Any) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, json=said if method == "POST" else None, **options) as answer,
    ):
        return answer.status, await answer.text()


def test_the_same_id_asked_twice_is_one_picture_until_it_is_thrown_away(served: Serve, loop: Loop) -> None:
    service = served()
    url = f"{service.url}/v1/pictures"

    async def at_once() -> list[tuple[int, str]]:
        return await asyncio.gather(*(asked(url) for _ in range(5)))

    answers = [*loop.run(at_once()), loop.run(asked(url))]
    assert all(status == 200 and text.count("event: painted") == 1 for status, text in answers)
    assert service.model.log.count(("decode", ("a dog",))) == 1
    assert loop.run(asked(f"{url}/one", "DELETE")) == (204, "")
    loop.run(asked(url))
    assert service.model.log.count(("decode", ("a dog",))) == 2


def test_what_nobody_listens_to_is_given_up(served: Serve, loop: Loop) -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    service = served(model, unheard_s=0.1)

    async def goes_away() -> None:
        async with aiohttp.ClientSession() as session, session.post(f"{service.url}/v1/pictures", json=ORDER) as answer:
            await answer.content.readline()

    loop.run(goes_away())
    time.sleep(0.3)
    assert model.gate is not None
    model.gate.release(100)
    wait_until(lambda: loop.run(asked(f"{service.url}/healthz", "GET")) == (200, '{"waiting": 0}'))
    assert ("decode", ("a dog",)) not in model.log


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../x"}, {"id": None}, {"prompt": None}, {"seed": -1}, {"seed": 2**32}, {"steps": 0}, {"size": [1]},
        {"size": [0, 8]}, {"size": [10**9, 8]}, {"heard": "Dog"}, {"pattern": {"key": "k"}}, {"guidance": "much"},
        {"pattern": {"key": "k", "pattern": 1, "seed": "xyz"}}, {"prompt": "x" * 30_000},
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_what_is_wrong_about_it(change: dict[str, object], served: Serve, loop: Loop) -> None:
    status, text = loop.run(asked(f"{served().url}/v1/pictures", said=ORDER | change))
    assert status == 422
    assert next(iter(change)) in text


def test_what_is_no_json_is_refused(served: Serve, loop: Loop) -> None:
    url = f"{served().url}/v1/pictures"
    headers = {"Content-Type": "application/json"}

    async def post(data: bytes, headers: dict[str, str]) -> int:
        async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=headers) as answer:
            return answer.status

    assert loop.run(post(b"{", headers)) == 422
    assert loop.run(post(b"[]", headers)) == 422
    assert loop.run(post(b"{}", {"Content-Type": "text/plain"})) == 415, "which another site's page could send"


def test_strangers_and_pages_under_another_name_are_refused(served: Serve, loop: Loop) -> None:
    with_token, without = served(token="secret"), served()
    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "secret"}):
        status, text = loop.run(asked(f"{with_token.url}/v1/pictures", headers=headers))
        assert (status, "PAINTER_TOKEN" in text) == (401, True)
    assert loop.run(asked(f"{with_token.url}/v1/pictures", headers={"Authorization": "Bearer secret"}))[0] == 200
    assert loop.run(asked(f"{with_token.url}/healthz", "GET"))[0] == 200
    assert loop.run(asked(f"{without.url}/v1/info", "GET", headers={"Host": "evil.example"}))[0] == 403


def test_a_model_that_cannot_be_loaded_is_said(served: Serve, loop: Loop) -> None:
    def cannot() -> ImageGenerator:
        raise ModelMissing("There is no model here.")

    service = served(make=cannot)
    wait_until(lambda: "There is no model here." in loop.run(asked(f"{service.url}/readyz", "GET"))[1])
    status, text = loop.run(asked(f"{service.url}/v1/pictures"))
    assert (status, "event: failed" in text, "There is no model here." in text) == (200, True, True)


def test_tokens_are_counted_by_the_model(served: Serve, loop: Loop) -> None:
    url = f"{served().url}/v1/tokens"
    wait_until(lambda: loop.run(asked(url, said={"texts": ["a dog"]})) == (200, '{"counts": null}'))
    assert loop.run(asked(url, said={"texts": "a dog"}))[0] == 422
