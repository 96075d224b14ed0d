"""A small process that hears one file after another and says what each cost: `python -m tests.hostile.worker`.

It reads a path a line and answers each with a line of JSON. Each file is heard in a fork of its own, so that what is
measured is what that file took; children that outlive their fork are left to this process, which counts them.
"""

import ctypes
import json
import logging
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import ImagineSoundError
from core.hearing.audio import AudioLimits, load_clip
from core.hearing.decoding.child import Ended

LIMITS = AudioLimits()
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Cost:
    """What became of a file: `outcome` is an error's name, or how much was heard; `own`: the project knows of it.

    `child_mb` is the largest of the children, `cpu_s` of all together, `grown_mb` the growth of Python.
    """

    outcome: str = ""
    own: bool = True
    child_mb: float = 0.0
    grown_mb: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    complaints: int = 0
    left: int = 0
    readings: int = 0


class _Listener(logging.Handler):
    """Takes what the decoder says of its children from the log."""

    def __init__(self, cost: Cost) -> None:
        super().__init__()
        self._cost = cost

    def emit(self, record: logging.LogRecord) -> None:
        match record.args:
            case (_, _, Ended() as ended, int() as complaints):
                self._cost.readings += 1
                self._cost.child_mb = max(self._cost.child_mb, ended.max_rss / (1 << 20))
                self._cost.cpu_s += ended.cpu_s
                self._cost.complaints = max(self._cost.complaints, complaints)


def hear(path: Path) -> Cost:
    """Hear a file in this process."""
    cost = Cost()
    logger = logging.getLogger("core.hearing.decoding.decoder")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(_Listener(cost))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    try:
        clip = load_clip(path, LIMITS)
        cost.outcome = f"{clip.duration_s:.1f} s" + (", silent" if clip.silent else "")
    except ImagineSoundError as error:
        cost.outcome = type(error).__name__
    except Exception as error:
        cost.outcome, cost.own = f"{type(error).__name__}: {error}", False
    cost.wall_s = time.monotonic() - begun
    cost.grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return cost


def main() -> None:
    """Answer until the input ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for line in sys.stdin:
        answer, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(answer)
            os.write(told, json.dumps(asdict(hear(Path(line.rstrip("\n"))))).encode())
            os._exit(0)
        os.close(told)
        with os.fdopen(answer, "rb") as file:
            cost = json.loads(file.read() or "{}")
        os.waitpid(pid, 0)
        cost["left"] = _orphans()
        print(json.dumps(cost), flush=True)


def _orphans() -> int:
    """How many processes are left behind; they are waited for where they have ended."""
    left = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return left
        left += 1
        if pid == 0:
            return left


if __name__ == "__main__":
    main()
