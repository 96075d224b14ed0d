"""Runs a program on a recording, or feeds it: it is killed when it is no longer wanted.

A child ends by itself, or because enough of its output was taken, its time is up, or somebody asked for it to stop;
in each case it has been waited for when `run_child` or `feed_child` returns. It knows nothing of ffmpeg.
"""

import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic
from typing import IO

PIECE = 1 << 16
"""Bytes that are read at a time."""
LOOK_EVERY_S = 0.05
"""How often is looked whether the child is still wanted."""
_REAP_EVERY_S = 0.001
"""How often is looked whether it has ended, once its output has."""

_ENVIRONMENT = {name: value for name, value in os.environ.items() if sys.platform == "win32" and name == "SystemRoot"}
"""Nothing; but on Windows programs do not start without this."""


class CannotStart(Exception):
    """There is no such program, or it may not be executed; `__cause__` is the system's own error."""


class Ending(Enum):
    """Why a child ended."""

    BY_ITSELF = auto()
    ENOUGH = auto()
    OVERLONG_TALK = auto()
    TIMED_OUT = auto()
    STOPPED = auto()


@dataclass(frozen=True)
class Ended:
    """How a child ended. `status`: its exit status, or minus the number of the signal that ended it.

    `cpu_s` and `max_rss` (bytes) are what it used, 0 where the system does not say.
    """

    why: Ending
    status: int
    cpu_s: float = 0.0
    max_rss: int = 0


def run_child(
    command: Sequence[str],
    recording: IO[bytes],
    take: Callable[[bytes], bool],
    listen: Callable[[bytes], bool],
    *,
    until: float,
    stop: threading.Event | None = None,
) -> Ended:
    """Run `command` with `recording` as its standard input and nothing in its environment.

    `take` gets its output and `listen` its error output, in pieces; the child is killed as soon as one of them returns
    False, at `until` (of `time.monotonic`), or when `stop` is set. Raises CannotStart.
    """
    recording.seek(0)
    with _start(command, recording, subprocess.PIPE) as process:
        child = _Child(process, until)
        return _see_through(child, lambda: child.read(take), listen, stop)


def feed_child(
    command: Sequence[str],
    pieces: Iterable[bytes],
    listen: Callable[[bytes], bool],
    *,
    patience_s: float,
    stop: threading.Event | None = None,
) -> Ended:
    """Run `command` with `pieces` coming through its standard input, and nothing in its environment.

    `listen` gets its error output; what it writes to its standard output is lost. It is killed as `run_child` does it,
    where it takes nothing more, or does not end after the last piece, for `patience_s` seconds. Raises CannotStart.
    """
    with _start(command, subprocess.PIPE, subprocess.DEVNULL) as process:
        child = _Child(process, math.inf)
        return _see_through(child, lambda: child.feed(pieces, patience_s), listen, stop)


def _see_through(
    child: "_Child", work: Callable[[], None], listen: Callable[[bytes], bool], stop: threading.Event | None
) -> Ended:
    """Do `work` with the child, while others listen to it and watch it, until it has ended."""
    helpers = [
        threading.Thread(target=child.listen, args=(listen,), name="child's talk"),
        threading.Thread(target=child.watch, args=(stop,), name="child's watch"),
    ]
    for helper in helpers:
        helper.start()
    try:
        work()
    finally:
        child.wait()
        for helper in helpers:
            helper.join()
    return child.ended


def _start(command: Sequence[str], stdin: IO[bytes] | int, stdout: int) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            start_new_session=True,  # or else Ctrl+C would end ffmpeg first, and what had come pass for the whole
        )
    except OSError as error:
        raise CannotStart(error.strerror or type(error).__name__) from error


def _write_all(pipe: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(pipe, piece) :]


class _Child:
    """A running child, which several threads may want to end; at `until` its time is up."""

    def __init__(self, process: "subprocess.Popen[bytes]", until: float) -> None:
        self._process = process
        self._until = until
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._why = Ending.BY_ITSELF
        self._used = (0.0, 0)

    def read(self, take: Callable[[bytes], bool]) -> None:
        """Hand over the output until it ends or is enough."""
        assert self._process.stdout is not None
        try:
            while piece := os.read(self._process.stdout.fileno(), PIECE):
                if not take(piece):
                    break
            else:
                return
        except BaseException:
            self.kill(Ending.STOPPED)
            raise
        self.kill(Ending.ENOUGH)

    def feed(self, pieces: Iterable[bytes], patience_s: float) -> None:
        """Write all pieces, unless it ends before; each part that is taken gives it `patience_s` seconds for the next.

        While a piece is made, its time does not run.
        """
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        try:
            with suppress(BrokenPipeError):
                for piece in pieces:
                    self._until = monotonic() + patience_s
                    for start in range(0, len(piece), PIECE):
                        _write_all(pipe, memoryview(piece)[start : start + PIECE])
                        self._until = monotonic() + patience_s
                    self._until = math.inf
        except BaseException:
            self.kill(Ending.STOPPED)
            raise
        finally:
            self._until = monotonic() + patience_s
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def listen(self, hear: Callable[[bytes], bool]) -> None:
        """Hand over the error output until it ends; what comes after it is too much is thrown away."""
        assert self._process.stderr is not None
        wanted = True
        while piece := os.read(self._process.stderr.fileno(), PIECE):
            if wanted and not hear(piece):
                wanted = False
                self.kill(Ending.OVERLONG_TALK)

    def watch(self, stop: threading.Event | None) -> None:
        """Kill the child when it is no longer wanted."""
        while not self._over.wait(max(0.0, min(LOOK_EVERY_S, self._until - monotonic()))):
            if stop is not None and stop.is_set():
                self.kill(Ending.STOPPED)
                return
            if monotonic() >= self._until:
                self.kill(Ending.TIMED_OUT)
                return

    def kill(self, why: Ending) -> None:
        """End the child; the first reason counts."""
        with self._lock:
            if not self._over.is_set() and self._why is Ending.BY_ITSELF:
                self._why = why
                self._process.kill() if sys.platform == "win32" else os.kill(self._process.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait until the child has ended; nobody kills it afterwards, when its number may be another's."""
        if sys.platform == "win32":
            self._process.wait()
            self._over.set()
            return
        while not self._over.wait(_REAP_EVERY_S):
            with self._lock:
                pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
                if pid:
                    self._over.set()
        self._process.returncode = os.waitstatus_to_exitcode(status)
        in_bytes = 1 if sys.platform == "darwin" else 1024
        self._used = (used.ru_utime + used.ru_stime, used.ru_maxrss * in_bytes)

    @property
    def ended(self) -> Ended:
        return Ended(self._why, self._process.returncode, *self._used)
