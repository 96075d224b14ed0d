"""The process ends whatever hangs in it, with a status that tells its supervisor what to do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import ExitCode

ROOT = Path(__file__).parents[2]


def hanging(what: str, directory: Path) -> "subprocess.Popen[str]":
    """The bot's program, in which something hangs."""
    environment = os.environ | {
        "DISCORD_TOKEN": "token",
        "DATA_DIR": str(directory),
        "DRAIN_SECONDS": "0",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bot.hanging", what],
        cwd=directory,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_bot_whose_painter_hangs_is_closed_and_ends_with_restart(tmp_path: Path) -> None:
    out, log = _ended(hanging("painter", tmp_path), ExitCode.RESTART)
    assert out == "told\n"
    assert "released.wait" in log, "the stack of the painting thread"
    assert "stopping" in log
    assert not (tmp_path / "bot.holder.json").exists(), "closed in order"


def test_event_loop_that_stands_ends_with_restart_and_the_log_says_where(tmp_path: Path) -> None:
    _, log = _ended(hanging("loop", tmp_path), ExitCode.RESTART)
    assert "the event loop stands" in log
    assert "time.sleep(FOR_EVER_S)" in log


def test_interpreter_whose_lock_is_held_ends_and_the_log_says_where(tmp_path: Path) -> None:
    """No thread of Python's can run then, so that the status is the C library's."""
    _, log = _ended(hanging("lock", tmp_path), ExitCode.FAULT)
    assert "in lock" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_thread_that_hangs_does_not_keep_the_process_from_ending(tmp_path: Path, number: signal.Signals) -> None:
    process = hanging("thread", tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "connected\n"
    began = time.monotonic()
    process.send_signal(number)
    _ended(process, ExitCode.DONE)
    assert time.monotonic() - began < 8


def _ended(process: "subprocess.Popen[str]", status: ExitCode) -> tuple[str, str]:
    """What it printed and logged, once it has ended."""
    try:
        out, log = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status, log
    return out, log
