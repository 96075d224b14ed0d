"""Starting: without a token, with a wrong one, without the intent, with a database from the future."""

import asyncio
import itertools
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import aiohttp
import discord
import pytest
import requests

from bot import __main__ as start
from bot.client import ImagineBot
from bot.settings import BotSettings
from bot.storage.database import StoreUnusable
from bot.storage.lock import InstanceLock
from bot.storage.store import Store
from core.errors import WrongSetting
from core.settings import CoreSettings


def test_without_a_token_there_is_the_page_and_three_lines_tell_how_to_get_one(tmp_path: Path, free_port: int) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DISCORD_TOKEN"}
    environment |= {"PYTHONPATH": os.getcwd(), "DATA_DIR": str(tmp_path), "WEB_BIND": f"127.0.0.1:{free_port}"}

    with subprocess.Popen(
        [sys.executable, "-m", "bot"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = list(itertools.takewhile(lambda line: "The page is at" not in line, process.stderr))
        told = requests.get(f"http://127.0.0.1:{free_port}/readyz", timeout=10).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0

    shown = [line for line in lines if not re.match(r"\d{4}-", line)]
    assert len(shown) == 3
    assert "https://discord.com/developers/applications" in shown[1]
    assert "DISCORD_TOKEN" in shown[2]
    assert told["ready"]
    assert "no token is set" in told["parts"]["Discord"]["sentence"]


async def test_page_is_there_while_discord_is_away_and_says_so(
    monkeypatch: pytest.MonkeyPatch, settings: BotSettings, core_settings: CoreSettings, free_port: int
) -> None:
    connect(monkeypatch, started := Started(ConnectionRefusedError("no route"), None))
    monkeypatch.setattr(start, "FIRST_PAUSE_S", 0.01)
    here = core_settings.model_copy(update={"web_bind": f"127.0.0.1:{free_port}", "data_dir": settings.data_dir})

    running = asyncio.create_task(start.run(settings, here))
    await asyncio.wait_for(started.connected.wait(), 10)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{free_port}") as browser:
        async with browser.get("/readyz") as answer:
            status, told = answer.status, await answer.json()
        async with browser.get("/healthz") as answer:
            assert answer.status == 200
    os.kill(os.getpid(), signal.SIGTERM)

    assert await asyncio.wait_for(running, 10) == 0
    assert status == 503
    assert "I keep trying" in told["parts"]["Discord"]["sentence"]
    assert told["parts"]["Painting"]["ready"]


async def test_page_that_cannot_listen_is_told_in_a_sentence(
    settings: BotSettings, core_settings: CoreSettings, free_port: int
) -> None:
    here = core_settings.model_copy(update={"web_bind": f"127.0.0.1:{free_port}", "data_dir": settings.data_dir})
    with socket.create_server(("127.0.0.1", free_port)), pytest.raises(WrongSetting, match="cannot listen"):
        await start.run(settings, here)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_setting_that_makes_no_sense_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDIT_INTERVAL_S", "often")

    assert start.main([]) == 2
    assert "EDIT_INTERVAL_S" in capsys.readouterr().err


def test_token_is_not_shown_in_logs() -> None:
    assert "secret" not in repr(BotSettings(_env_file=None, discord_token="secret"))


def test_blocked_users_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKED_USERS", "1, 2")

    assert BotSettings(_env_file=None).blocked_users == (1, 2)


class Started:
    """Stands in for the connection to Discord: notes what bots were started, and with which intents."""

    def __init__(self, *outcomes: BaseException | None) -> None:
        self.outcomes = list(outcomes)
        self.bots: list[ImagineBot] = []
        self.connected = asyncio.Event()

    async def start(self, bot: ImagineBot, token: str, *, reconnect: bool = True) -> None:
        self.bots.append(bot)
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome
        self.connected.set()
        await asyncio.Event().wait()


@pytest.fixture
def settings(tmp_path: Path) -> BotSettings:
    return BotSettings(_env_file=None, discord_token="token", data_dir=tmp_path, drain_seconds=0)


def connect(monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
    stand_in = create_autospec(ImagineBot.start, side_effect=started.start)
    monkeypatch.setattr(ImagineBot, "start", stand_in)


async def test_without_the_content_intent_it_says_so_and_goes_on_without(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: BotSettings,
    core_settings: CoreSettings,
) -> None:
    started = Started(discord.PrivilegedIntentsRequired(shard_id=None), None)
    connect(monkeypatch, started)

    running = asyncio.create_task(start.run(settings, core_settings))
    await asyncio.wait_for(started.connected.wait(), 10)
    os.kill(os.getpid(), signal.SIGTERM)

    assert await asyncio.wait_for(running, 10) == 0
    assert [bot.intents.message_content for bot in started.bots] == [True, False]
    assert all(bot.is_closed() for bot in started.bots)
    assert "Message Content Intent" in capsys.readouterr().err


async def test_wrong_token_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: BotSettings,
    core_settings: CoreSettings,
) -> None:
    connect(monkeypatch, Started(discord.LoginFailure("no")))

    assert await start.run(settings, core_settings) == 2
    assert "does not know this token" in capsys.readouterr().err


async def test_database_of_a_newer_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "new.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    store = Store(tmp_path / "new.sqlite3")

    with pytest.raises(StoreUnusable, match="newer version"):
        await store.open()
    await store.close()


async def test_bot_that_never_connected_can_be_closed_and_closed_again(make_bot: Callable[[], ImagineBot]) -> None:
    async with make_bot() as bot:
        await bot.close()
        await bot.close()

    assert bot.is_closed()


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionRefusedError("no route"),
        discord.DiscordServerError(SimpleNamespace(status=503, reason="Service Unavailable"), ""),  # type: ignore[arg-type]
        discord.GatewayNotFound(),  # type: ignore[no-untyped-call]
    ],
)
async def test_unreachable_discord_is_told_in_a_sentence_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: BotSettings,
    core_settings: CoreSettings,
    failure: Exception,
) -> None:
    monkeypatch.setattr(start, "FIRST_PAUSE_S", 0.01)
    started = Started(failure, failure, None)
    connect(monkeypatch, started)

    running = asyncio.create_task(start.run(settings, core_settings))
    await asyncio.wait_for(started.connected.wait(), 10)
    os.kill(os.getpid(), signal.SIGTERM)

    assert await asyncio.wait_for(running, 10) == 0
    told = capsys.readouterr().err
    assert told.count("Discord cannot be reached") == 2
    assert "I try again in 0.02 s" in told
    assert all(bot.is_closed() for bot in started.bots)


async def test_stopping_does_not_wait_for_discord_to_come_back(
    monkeypatch: pytest.MonkeyPatch, settings: BotSettings, core_settings: CoreSettings
) -> None:
    connect(monkeypatch, Started(ConnectionRefusedError("no route")))
    running = asyncio.create_task(start.run(settings, core_settings))
    await asyncio.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 4) == 0


async def test_clean_up_goes_on_after_a_bad_moment(make_bot: Callable[[], ImagineBot]) -> None:
    async with make_bot() as bot:
        await bot._clean_up()  # the store has not been opened: no such table


def test_help_tells_where_settings_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        start.main(["--help"])

    assert ".env" in capsys.readouterr().out


def test_bot_loads_no_model_library() -> None:
    """It is on-line before a model has loaded; the walls between the rooms hold."""
    code = "import bot.__main__, bot.requests.commands, bot.requests.listener, sys; print([m for m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = done.stdout
    assert not any(f"'{name}'" in loaded for name in ("torch", "diffusers", "mediapipe", "matplotlib", "pydub"))


PAINTING_BOT = """
import asyncio, sys
from contextlib import aclosing
from pathlib import Path

import bot.__main__
from core.engine import Engine
from core.events import Heard
from core.hearing.palette import palette_of
from core.hearing.strip import strip_png
from core.options import ImagineOptions
from core.errors import WrongSetting
from core.settings import CoreSettings

async def answer():
    async with Engine(CoreSettings()) as engine:
        async with aclosing(engine.imagine(Path(sys.argv[1]), ImagineOptions(steps=1))) as events:
            async for event in events:
                if isinstance(event, Heard):
                    strip = await engine.weave(event)
        assert strip_png(strip, palette_of(event.picture.image))

asyncio.run(answer())
print([name for name in sys.modules if name.split(".")[0] in ("mediapipe", "torch", "diffusers", "matplotlib", "cv2")])
"""


def test_bot_that_hears_and_paints_has_neither_matplotlib_nor_opencv(siren_wav: Path) -> None:
    """MediaPipe would load them for helpers that nobody here uses: 37 MB, and 0.3 s of CPU before the first answer; and
    OpenCV need not be installed."""
    command = [sys.executable, "-c", PAINTING_BOT, str(siren_wav)]

    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert all(f"'{name}'" in loaded for name in ("mediapipe", "torch", "diffusers"))
    assert "matplotlib" not in loaded
    assert "cv2" not in loaded


async def test_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "data.sqlite3")
    with pytest.raises(StoreUnusable, match="DATA_DIR"):
        await store.open()
    await store.close()

    (tmp_path / "broken.sqlite3").write_text("this is no database" * 100)
    store = Store(tmp_path / "broken.sqlite3")
    with pytest.raises(StoreUnusable, match="not a database"):
        await store.open()
    await store.close()


async def test_second_bot_on_the_same_data_says_who_is_there(tmp_path: Path) -> None:
    async with InstanceLock(tmp_path / "data"):
        with pytest.raises(StoreUnusable, match=rf"process {os.getpid()} on .* already runs on .*data"):
            async with InstanceLock(tmp_path / "data", wait_s=0.1):
                pass

    async with InstanceLock(tmp_path / "data", wait_s=0.1):
        pass  # once the first has ended


async def test_second_bot_waits_for_a_first_that_is_ending(tmp_path: Path) -> None:
    async def end_soon() -> None:
        async with InstanceLock(tmp_path):
            await asyncio.sleep(0.3)

    ending = asyncio.create_task(end_soon())
    await asyncio.sleep(0.1)
    async with InstanceLock(tmp_path, wait_s=10):
        assert ending.done()


def test_lock_of_a_bot_that_was_killed_is_free(tmp_path: Path) -> None:
    """Held by the operating system, so that kill -9 leaves nothing behind."""
    code = (
        "import asyncio, os, pathlib, sys; from bot.storage.lock import InstanceLock\n"
        "async def main():\n"
        "    async with InstanceLock(pathlib.Path(sys.argv[1])):\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60).returncode == -9

    async def hold() -> None:
        async with InstanceLock(tmp_path, wait_s=0.1):
            pass

    asyncio.run(hold())
