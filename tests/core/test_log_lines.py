"""The log: one record a line, nothing that a terminal obeys, and no token, whatever is logged."""

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from core.log_lines import CONTINUED, FULL, LineFormatter, one_line, without_secrets
from core.threads import stacks

ROOT = Path(__file__).parents[2]
SECRET = "whatever-the-operator-calls-a-token"
TOKEN = "MTE5ODYyMjQ4MzQ3MTkyNTI0OA" + ".Cl2FMQ." + "ZnCjm1XVW7vRze4b7Cq4se7kKWs-aBcDeFgHiJ"
INTERACTION = "aW50ZXJhY3Rpb246MTE5ODYyMjQ4MzQ3MTkyNTI0ODpBQkNERUZHSElKS0xNTk9Q"


class Log:
    """A logger with our formatter, and what came out."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.logger = logging.Logger("stranger", logging.DEBUG)
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(LineFormatter(FULL, [SECRET]))
        self.logger.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().removesuffix("\n").split("\n")

    @property
    def records(self) -> list[str]:
        return [line for line in self.lines if not line.startswith(CONTINUED)]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("a\r\nb", r"a\r\nb"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m\x85\x90", r"\x9b31m\x85\x90"),
        ("gpj.\u202eexe\u2066", r"gpj.\u202eexe\u2066"),
        ("a\u2028b\u2029\u200b\ufeff", r"a\u2028b\u2029\u200b\ufeff"),
        ("a\ud800\x00\x7f", r"a\ud800\x00\x7f"),
        ("Stille Nacht äöü 犬", "Stille Nacht äöü 犬"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(hostile: str, shown: str, log: Log) -> None:
    log.logger.info("heard %s", hostile)

    [line] = log.lines
    assert line.endswith(f"INFO     stranger: heard {shown}")


def test_the_name_of_a_file_cannot_forge_a_record(log: Log) -> None:
    forged = "x.ogg\n2026-11-25 12:00:00 CRITICAL bot: all is lost"
    try:
        raise ValueError(forged)
    except ValueError:
        log.logger.exception("cannot read %s", forged)

    [record] = log.records
    assert "ERROR    stranger: cannot read" in record
    assert any("2026-11-25 12:00:00 CRITICAL" in line for line in log.lines), "told, but not as a record"


def test_tracebacks_and_stacks_are_lines_of_their_record(log: Log) -> None:
    try:
        raise ValueError("\x1b[31mred")
    except ValueError:
        log.logger.exception("wrong")
    log.logger.critical("stands", extra={"stacks": stacks()})
    log.logger.debug("here", stack_info=True)

    assert len(log.records) == 3
    assert f"{CONTINUED}ValueError: \\x1b[31mred" in log.lines
    assert any(line.startswith(f"{CONTINUED}Thread MainThread") for line in log.lines)


SECRETS = {
    "the token": SECRET,
    "a bot's token": TOKEN,
    "a header": f"Authorization: Bot {TOKEN}",
    "a person's token": "mfa.VkO_2G4Qv3T--NO--lWetW_tjND--TOKEN--QFTm6YGtzq9PH--4U--tG0",
    "a webhook": "https://discord.com/api/v10/webhooks/119862/AbCdEfGhIjKlMnOp_1234/messages/@original?wait=true",
    "an interaction": "POST /interactions/119862/AbCdEfGhIjKlMnOp_1234/callback",
    "a payload": str({"id": "1", "token": "AbCdEfGhIjKlMnOp_1234", "type": 2}),
    "a payload as JSON": '{"token":"AbCdEfGhIjKlMnOp_1234"}',
    "a payload in a payload": repr([str({"a": "it's", "token": "AbCdEfGhIjKlMnOp_1234"})]),
    "a query": "GET /gateway?token=AbCdEfGhIjKlMnOp_1234&v=10",
    "an interaction's token alone": INTERACTION,
    "the hub's": "hf_AbCdEfGhIjKlMnOpQrStUvWx",
}
TOLD = (SECRET, TOKEN, TOKEN[10:], INTERACTION, "AbCdEfGhIjKlMnOp", "VkO_2G4Qv3T")


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_is_told_in_messages_arguments_or_tracebacks(kind: str, log: Log) -> None:
    hostile = SECRETS[kind]
    log.logger.debug(f"sent {hostile}, got 404")
    log.logger.debug("sent %s", hostile)
    log.logger.debug("sent %(what)s", {"what": [hostile]})
    log.logger.debug("sent %d", hostile)  # a mistake, whose arguments logging itself would print
    try:
        raise RuntimeError(hostile) from KeyError(hostile)
    except RuntimeError as error:
        log.logger.warning("failed: %r", error, exc_info=True)
    log.logger.critical("stands", extra={"stacks": hostile})

    text = log.stream.getvalue()
    assert text.count("…") >= 8
    assert not [told for told in TOLD if told in text]


def test_a_traceback_that_another_handler_has_kept_is_not_told(log: Log) -> None:
    others = logging.StreamHandler(io.StringIO())
    log.logger.handlers.insert(0, others)
    try:
        raise ValueError(TOKEN)
    except ValueError:
        log.logger.exception("wrong")

    assert TOKEN not in log.stream.getvalue()


def test_what_is_no_secret_stays() -> None:
    for text in (
        "fetched https://cdn.discordapp.com/attachments/1198/2345/voice-message.ogg in 0.3 s",
        "no wall around the decoder's files: ENOSYS",
        "core.generation.playground compiled for 8 pictures",
        "10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de",
    ):
        assert without_secrets(text, [SECRET]) == one_line(text) == text


UNCAUGHT = """
import sys, threading
from core.log_lines import FULL, set_up_log
set_up_log("INFO", FULL, [{secret!r}])
def fail(): raise RuntimeError({secret!r} + "\\x1b[31m")
thread = threading.Thread(target=fail); thread.start(); thread.join()
fail()
"""


def test_what_nothing_caught_is_logged_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT.format(secret=SECRET)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.count("RuntimeError was not caught") == 2
    assert SECRET not in done.stderr
    assert "\x1b" not in done.stderr
