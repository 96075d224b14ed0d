"""Whatever happens to the language model, what was said becomes a scene in time, and its words are in no log."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.speech.served import ServedWriter
from core.speech.spoken import SaidScene
from core.speech.writer import RULES_S, SceneWriter
from tests.speech.scene_server import FAULTS, MARK, failing_server, scene_server

WORDS, ENGLISH = "Una garza en el zaguán de Zoraida", "A heron in the hallway of Zoraida"
HERON = SaidScene(subjects=("a heron",), place="in a hallway", kind="story")
KEY = SecretStr("sk-velociraptor-0123456789")


class Rules:
    """Find a heron in everything, and keep what they were given, and in which thread."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.threads: list[int] = []

    def __call__(self, english: str) -> SaidScene:
        self.given.append(english)
        self.threads.append(threading.get_ident())
        return HERON


@asynccontextmanager
async def writer(url: str | None, rules: Callable[[str], SaidScene] | None) -> AsyncIterator[SceneWriter]:
    served = ServedWriter(url, "tiny", KEY) if url else None
    made = SceneWriter(rules=rules, served=served)
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("fault", FAULTS)
async def test_rules_tell_the_scene_where_the_model_fails(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    within_s = RULES_S + (0.3 if FAULTS[fault] == "no answer within" else 5.0)
    rules = Rules()
    began = asyncio.get_running_loop().time()
    async with failing_server(fault, tmp_path) as url, writer(url, rules) as scenes:
        said = await scenes.write(WORDS, ENGLISH, "es", within_s=within_s)
        took_s = asyncio.get_running_loop().time() - began
    assert said == HERON
    assert said.by == "rules"
    assert rules.given == [ENGLISH]
    assert took_s < within_s + 0.5
    assert "the rules look for one" in caplog.text
    assert not [secret for secret in ("Zoraida", "hallway", "velociraptor", MARK) if secret in caplog.text]


async def test_the_model_is_asked_first_in_the_words_that_were_said() -> None:
    rules = Rules()
    async with scene_server() as server, writer(server.url, rules) as scenes:
        said = await scenes.write(WORDS, "", "es", within_s=20)
    assert said.by == "model"
    assert "zaguán" in server.asked[0]["messages"][1]["content"]
    assert rules.given == []


async def test_without_a_model_the_rules_tell_the_scene_in_a_thread_of_their_own() -> None:
    rules = Rules()
    async with writer(None, rules) as scenes:
        assert await scenes.write(WORDS, ENGLISH, "es", within_s=20) == HERON
    assert rules.threads != [threading.get_ident()]


async def test_the_model_is_not_asked_where_there_is_no_time_or_nothing_was_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene_server() as server, writer(server.url, Rules()) as scenes:
        assert await scenes.write(WORDS, ENGLISH, "es", within_s=RULES_S) == HERON
        assert await scenes.write(" ", "", "es", within_s=20) == SaidScene()
    assert server.asked == []
    assert "language model" not in caplog.text


async def test_where_there_is_nothing_to_go_by_there_is_no_scene() -> None:
    rules = Rules()
    async with writer(None, rules) as scenes:
        assert await scenes.write(WORDS, " ", "es", within_s=20) == SaidScene()
    async with writer(None, None) as scenes:
        assert await scenes.write(WORDS, ENGLISH, "es", within_s=20) == SaidScene()
    assert rules.given == []


@pytest.mark.parametrize("kind", [ValueError, StopIteration, RecursionError])
async def test_rules_that_fail_cost_the_scene_and_tell_no_words(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(english: str) -> SaidScene:
        raise kind(f"no verb in {english}")

    caplog.set_level(logging.DEBUG)
    async with writer(None, fail) as scenes:
        assert await scenes.write(WORDS, ENGLISH, "es", within_s=20) == SaidScene()
    assert kind.__name__ in caplog.text
    assert "Zoraida" not in caplog.text


async def test_giving_up_asks_neither() -> None:
    rules = Rules()
    async with scene_server(waits=True) as server, writer(server.url, rules) as scenes:
        given_up = asyncio.create_task(scenes.write(WORDS, ENGLISH, "es", within_s=20))
        await asyncio.wait_for(server.came.wait(), 5)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        await asyncio.wait_for(server.left.wait(), 5)
    assert rules.given == []
