"""Where attacks are shot: a watched file, a port that listens, a private temporary directory, and a small worker.

It knows nothing of what is in the files.
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.hostile.builders import Canary
from tests.hostile.worker import LIMITS, Cost

MOST_CHILD_MB = 150
MOST_GROWN_MB = 80
MOST_COMPLAINTS = 64 << 10
IN_OPEN = 0x20


@dataclass(frozen=True)
class Shot:
    """What became of one file. `opened`, `connected` and `left` are what must not be."""

    size: int
    cost: Cost
    opened: int
    connected: int
    left: Sequence[str]

    def faults(self) -> list[str]:
        """The limits that it broke."""
        cost = self.cost
        checks = {
            f"{cost.outcome} is no error of ours": cost.own and cost.outcome != "",
            f"its child had {cost.child_mb:.0f} MB": cost.child_mb <= MOST_CHILD_MB,
            f"Python grew by {cost.grown_mb:.0f} MB": cost.grown_mb <= MOST_GROWN_MB,
            f"it took {cost.wall_s:.1f} s": cost.wall_s <= LIMITS.timeout_s + 1,
            f"{cost.complaints} bytes of complaints were kept": cost.complaints <= MOST_COMPLAINTS,
            f"{self.opened} foreign files were opened": self.opened == 0,
            f"{self.connected} connections were made": self.connected == 0,
            f"{cost.left} processes were left": cost.left == 0,
            f"left in temporary directories: {self.left}": not self.left,
        }
        return [fault for fault, kept in checks.items() if not kept]

    def line(self, name: str) -> str:
        """A line of the table."""
        cost = self.cost
        return (
            f"{name:42} {self.size:11,} {cost.outcome[:24]:24} {cost.child_mb:8.0f} {cost.grown_mb:6.0f} "
            f"{cost.cpu_s:6.2f} {cost.wall_s:6.2f} {cost.complaints / 1000:9.1f}"
        )


class Range:
    """Use as a context manager; `shoot` hears a file and watches what happens."""

    def __init__(self, folder: Path) -> None:
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        (folder / "canary").mkdir()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        port = self._listener.getsockname()[1]
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.1", port))
        self._datagrams.setblocking(False)
        self.canary = Canary(folder / "canary" / "canary.wav", port)
        self.canary.file.write_bytes(b"RIFF")
        self._watch = _watch(self.canary.file.parent)
        self._target = folder / "attack"
        self._worker = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.hostile.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ.get("PATH", ""), "TMPDIR": str(self._temporary)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.close()
        self._worker.wait(timeout=60)
        self._worker.stdout.close()
        os.close(self._watch)
        self._listener.close()
        self._datagrams.close()

    def shoot(self, data: bytes) -> Shot:
        """Hear `data`, and say what it did."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._target.write_bytes(data)
        self._worker.stdin.write(f"{self._target}\n")
        self._worker.stdin.flush()
        cost = Cost(**json.loads(self._worker.stdout.readline()))
        return Shot(len(data), cost, self.opened(), self.connected(), self.left())

    def left(self) -> list[str]:
        """What lies in the temporary directories, and still does in a moment: others may have their ffmpeg too."""
        left = self._temporary_files()
        if left:
            time.sleep(0.5)
            left &= self._temporary_files()
        return sorted(left)

    def _temporary_files(self) -> set[str]:
        caches = {name for name in os.listdir("/tmp") if name.startswith("ffcache")}
        return {*os.listdir(self._temporary), *caches}

    def opened(self) -> int:
        """How often the canary was opened since the last time."""
        try:
            events = os.read(self._watch, 1 << 16)
        except BlockingIOError:
            return 0
        return len(events) // struct.calcsize("iIII")

    def connected(self) -> int:
        """How many connections and datagrams came since the last time."""
        came = 0
        while True:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                break
            came += 1
        try:
            self._datagrams.recv(65_535)
        except BlockingIOError:
            return came
        return came + 1


def _watch(folder: Path) -> int:
    """An inotify descriptor that tells of every opening in `folder`."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0 or libc.inotify_add_watch(descriptor, os.fsencode(folder), IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "cannot watch the canary")
    return descriptor
