"""What `imagine-sound-bot doctor` says to broken set-ups: a sentence with the one thing to do, and how bad it is."""

import http.server
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from discord.http import Route
from huggingface_hub import constants

from bot import doctor
from bot.__main__ import main
from bot.settings import BotSettings
from bot.storage.replacing import READY
from core.cli import doctor_machine
from core.cli.main import main as core_main
from core.findings import Finding, Mark, found
from core.generation.driver import judge
from core.settings import CoreSettings, Speech
from tests.bot.storage.test_migrations import VERSION_1, write_database

FINE, BETTER, WRONG = Mark.FINE, Mark.BETTER, Mark.WRONG
READS_MESSAGES = 1 << 19
"""GATEWAY_MESSAGE_CONTENT_LIMITED, which unverified applications switch on themselves."""


class Discord:
    """Answers a log-in. `clock_s` is how far its clock is ahead."""

    def __init__(self) -> None:
        self.status, self.flags, self.clock_s = 200, READS_MESSAGES, 0.0
        self.paths: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, discord: Discord, *arguments: Any) -> None:
        self.discord = discord
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.discord.paths.append(self.path)
        user = {"id": "1", "username": "painter", "discriminator": "0", "avatar": None, "public_flags": 0}
        application: dict[str, Any] = {"id": "1", "name": "painter", "description": "", "icon": None, "owner": user}
        application |= {"bot_public": True, "bot_require_code_grant": False, "verify_key": ""}
        application["flags"] = self.discord.flags
        body = json.dumps(application if "applications" in self.path else user).encode()
        self.send_response(self.discord.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + self.discord.clock_s, usegmt=True)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def discord_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Discord]:
    with served(discord := Discord()) as address:
        monkeypatch.setattr(Route, "BASE", address)
        yield discord


@contextmanager
def served(discord: Discord) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, discord))
    threading.Thread(target=partial(server.serve_forever, poll_interval=0.02), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


class SetUp:
    """A set-up that is to be broken: settings, files, and what the machine is like."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, discord: Discord) -> None:
        self.directory, self.monkeypatch, self.discord = directory, monkeypatch, discord
        self.bot: dict[str, Any] = {"discord_token": "token", "data_dir": directory / "data"}
        self.core: dict[str, Any] = {"model_cache": directory / "models", "adapters_dir": directory / "adapters"}
        self.database = self.settings[0].database
        (directory / "data").mkdir()

    @property
    def settings(self) -> tuple[BotSettings, CoreSettings]:
        return BotSettings(_env_file=None, **self.bot), CoreSettings(
            _env_file=None, data_dir=self.bot["data_dir"], **self.core
        )

    def finding(self, name: str) -> Finding:
        return found(dict(doctor.checks(*self.settings))[name])

    def new_database(self) -> None:
        write_database(self.database, VERSION_1.read_text())

    def patch(self, name: str, value: object) -> None:
        self.monkeypatch.setattr(name, value)


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, discord_there: Discord) -> SetUp:
    return SetUp(tmp_path, monkeypatch, discord_there)


def closed_address() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


def of_a_newer_version(at: SetUp) -> None:
    at.new_database()
    with closing(sqlite3.connect(at.database)) as connection:
        connection.execute("PRAGMA user_version = 99")


def damaged_inside(at: SetUp) -> None:
    at.new_database()
    data = bytearray(at.database.read_bytes())
    data[4096:6000] = b"\xff" * 1904
    at.database.write_bytes(data)


def cut_off_restore(at: SetUp) -> None:
    at.new_database()
    (at.directory / "data" / READY).mkdir()


def without_its_key(at: SetUp) -> None:
    at.new_database()
    at.database.with_name("forgotten.jsonl").write_text("{}")


def bad_adapter(at: SetUp) -> None:
    (at.directory / "adapters").mkdir()
    (at.directory / "adapters" / "hands.safetensors").write_bytes(b"no adapter")


def file_in_the_way(at: SetUp) -> None:
    (at.directory / "data").rmdir()
    (at.directory / "data").write_text("in the way")


def small_disk(at: SetUp) -> None:
    at.patch("core.cli.doctor_machine.free_bytes", lambda _: 900_000_000)


def strange_yamnet(at: SetUp) -> None:
    (at.directory / "yamnet.tflite").write_bytes(b"no model" * 100)
    at.core["yamnet_model"] = at.directory / "yamnet.tflite"


def driver(version: str | None, cuda: str | None, why_not: str) -> Callable[[SetUp], None]:
    finding = judge(version, cuda, why_not)
    return lambda at: at.patch("core.generation.driver.driver_finding", lambda: finding)


def chosen(kind: str, **settings: object) -> Callable[[SetUp], None]:
    """A set-up that differs by settings of the bot or of the core."""
    return lambda at: getattr(at, kind).update(settings)


def answering(**what: object) -> Callable[[SetUp], None]:
    """A Discord that answers so."""
    return lambda at: vars(at.discord).update(what)


def unreachable(at: SetUp) -> None:
    at.patch("discord.http.Route.BASE", closed_address())


def busy_discord(at: SetUp) -> None:
    at.discord.status = 503
    at.patch("bot.doctor.LOGGED_IN_WITHIN_S", 0.3)


def no_ffmpeg(at: SetUp) -> None:
    at.monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")


def no_hub(at: SetUp) -> None:
    at.core["download_models"] = True
    at.patch("huggingface_hub.constants.ENDPOINT", closed_address())


BROKEN: Mapping[str, tuple[Callable[[SetUp], object], str, Mark, str]] = {
    "no token": (chosen("bot", discord_token=None), "token", WRONG, r"write it into \.env as DISCORD_TOKEN"),
    "a token that was reset": (answering(status=401), "token", WRONG, "make a new one at https://discord.com"),
    "a token with a line break": (chosen("bot", discord_token="a\nb"), "token", WRONG, "make a new one"),
    "Discord cannot be reached": (unreachable, "token", WRONG, r"ClientConnectorError.*check this computer's network"),
    "Discord has a bad time": (busy_discord, "token", WRONG, "Discord cannot be reached"),
    "the intent is off": (answering(flags=0), "intents", BETTER, "switch the Message Content Intent on"),
    "the intent, without a log-in": (answering(status=401), "intents", BETTER, "see what is said of the token"),
    "a database that is none": (lambda at: at.database.write_bytes(b"none" * 99), "store", WRONG, "db restore"),
    "a damaged database": (damaged_inside, "store", WRONG, "db restore"),
    "a database of a newer version": (of_a_newer_version, "store", WRONG, "newer version.*install that"),
    "a database of an older version": (SetUp.new_database, "store", BETTER, "next start brings it up to date"),
    "a restore that was cut off": (cut_off_restore, "store", BETTER, "next start ends it"),
    "a damaged list of what was forgotten": (without_its_key, "store", WRONG, "put back an earlier copy"),
    "a file where DATA_DIR is": (file_in_the_way, "data", WRONG, "set DATA_DIR to a directory"),
    "a full disk where DATA_DIR is": (small_disk, "data", WRONG, "less than 1 GB is free in .*data; make room"),
    "a full disk where MODEL_CACHE is": (small_disk, "cache", BETTER, "make room, or set MODEL_CACHE"),
    "a clock that is an hour late": (answering(clock_s=3600), "clock", BETTER, "60 minutes behind; set it"),
    "no hub": (no_hub, "hub", BETTER, "check the network, HTTPS_PROXY"),
    "a GPU, and PyTorch without CUDA": (driver("570.1", None, "no card"), "driver", BETTER, "TORCH=cuda"),
    "a driver that is too old": (driver("470.2", "13.0", "too old"), "driver", WRONG, "update the driver"),
    "no ffmpeg": (no_ffmpeg, "ffmpeg", WRONG, "install ffmpeg 6.1 or newer and set IMAGEIO_FFMPEG_EXE"),
    "YAMNET_MODEL names nothing": (chosen("core", yamnet_model="/nowhere"), "hearing", WRONG, "correct or remove it"),
    "YAMNET_MODEL names something else": (strange_yamnet, "hearing", WRONG, "yamnet.tflite"),
    "nothing was fetched": (lambda at: None, "hearing", BETTER, "yamnet-mini.*`imagine-sound models pull`"),
    "no miniatures, and nothing fetched": (
        chosen("core", allow_miniatures=False), "hearing", WRONG, "`imagine-sound models pull`",
    ),
    "no GPU": (lambda at: None, "painting", BETTER, "playground-mini on the processor"),
    "IMAGE_MODEL names nothing": (chosen("core", image_model="/nowhere"), "painting", WRONG, "correct or remove it"),
    "DEVICE is cuda without one": (chosen("core", device="cuda"), "painting", WRONG, "set DEVICE=cpu"),
    "PICTURE_CHECK without its model": (
        chosen("core", picture_check="block"), "picture check", WRONG, "models pull picture-check",
    ),
    "no PICTURE_CHECK and no model": (lambda *_: None, "picture check", BETTER, "shown as they are painted"),
    "UPSCALE_MODEL is nowhere": (chosen("core", upscale_model="/nowhere"), "enlarging", WRONG, "UPSCALE_MODEL|extra"),
    "a damaged adapter": (bad_adapter, "adapters", WRONG, "hands is damaged. Remove or replace"),
    "SPEECH is on without a recogniser": (chosen("core", speech=Speech.ON), "speech", WRONG, "models pull speech"),
    "no recogniser": (lambda at: None, "speech", BETTER, "`imagine-sound models pull speech`"),
    "SCENE_URL leads nowhere": (
        chosen("core", scene_url="http://127.0.0.1:9/v1", scene_model="small"), "scene", WRONG, "of no use",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_broken_set_up_is_told_with_the_one_thing_to_do(what: str, set_up: SetUp) -> None:
    spoil, name, mark, says = BROKEN[what]
    spoil(set_up)

    finding = set_up.finding(name)

    assert finding == Finding(mark, finding.sentence)
    assert pytest.RaisesExc(Exception, match=says).matches(Exception(finding.sentence)), finding.sentence
    assert "fault of the program" not in finding.sentence


def test_whole_set_up_has_nothing_wrong(set_up: SetUp) -> None:
    names = ("token", "intents", "store", "data", "clock", "cache", "adapters", "speed")
    findings = {name: set_up.finding(name) for name in names}
    assert {finding.mark for finding in findings.values()} == {FINE}
    assert findings["token"].sentence == "Discord knows it as painter"


def test_token_is_tried_once_without_the_gateway(set_up: SetUp) -> None:
    for name, check in doctor.checks(*set_up.settings):
        if name in ("token", "intents", "clock"):
            found(check)
    assert set_up.discord.paths == ["/users/@me", "/oauth2/applications/@me"]


@pytest.mark.parametrize(
    ("bind", "mark", "says"),
    [
        ("127.0.0.1:0", FINE, "is free"),
        ("8080", WRONG, "has to be host:port"),
        ("127.0.0.1:99999", WRONG, "has to be host:port"),
        ("192.0.2.1:8080", WRONG, "has no address"),
        ("no-such-host.invalid:80", WRONG, "has no address"),
    ],
)
def test_address_of_the_page_that_cannot_be(bind: str, mark: Mark, says: str) -> None:
    finding = found(lambda: doctor_machine.port(bind))
    assert (finding.mark, says in finding.sentence) == (mark, True), finding


def test_port_of_another_program_is_told_and_the_pages_own_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(doctor_machine, "ANSWERS_WITHIN_S", 0.2)
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        assert "another program listens" in found(lambda: doctor_machine.port(bind)).sentence
    with served(Discord()) as address:
        assert "the page answers" in found(lambda: doctor_machine.port(address.removeprefix("http://"))).sentence


def test_check_with_a_fault_keeps_no_other_from_being_made() -> None:
    finding = found(lambda: str(1 / 0))
    assert finding.mark is WRONG
    assert "a fault of the program (ZeroDivisionError" in finding.sentence


@pytest.fixture
def few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [("machine", lambda: "a computer"), ("hearing", lambda: Finding(BETTER, "small [model]; fetch one."))]
    monkeypatch.setattr(doctor, "core_checks", lambda _: few)
    monkeypatch.setattr("core.cli.doctor.checks", lambda _: few)
    monkeypatch.setattr("core.cli.main.set_up_logging", lambda: None)


@pytest.mark.usefixtures("few_checks")
def test_it_is_printed_as_lines_or_as_json(
    discord_there: Discord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DISCORD_TOKEN", "token")
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok              token: Discord knows it as painter"
    assert lines[-1] == "could be better hearing: small [model]; fetch one."

    discord_there.status = 401
    monkeypatch.setenv("DISCORD_TOKEN", "token")
    assert main(["doctor", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["well"] is False
    assert {finding["name"]: finding["mark"] for finding in told["findings"]} == {
        "token": "wrong", "intents": "could be better", "store": "ok", "machine": "ok", "hearing": "could be better",
    }  # fmt: skip

    assert core_main(["doctor", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 2


def test_all_problems_of_all_settings_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "EDIT_INTERVAL_S": "often",
        "SHARD_COUNT": "0",
        "MAX_SECONDS": "-1",
        "SCENE_URL": "ftp://x",
        "STYLE": "odd",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("core.cli.main.set_up_logging", lambda: None)

    assert main(["doctor"]) == 2
    told = capsys.readouterr().err
    assert [name for name in wrong if f"{name} is wrong: " not in told] == []
    assert core_main(["doctor"]) == 2
    told = capsys.readouterr().out
    assert [name for name in ("MAX_SECONDS", "SCENE_URL", "STYLE") if f"{name} is wrong: " not in told] == []
    assert "wrong           settings: " in told
