"""Which walls stand around ffmpeg on this machine, and the command that puts them up.

What the walls are is `wrapper.py`'s business; what is decoded or encoded behind them is not known here.
"""

import functools
import importlib.util
import logging
import os
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

log = logging.getLogger(__name__)

WALLS = ("memory", "privileges", "files", "network")
"""As `wrapper.py` names them. The empty environment needs nothing of the system, and stands everywhere."""

_LONGEST_REPORT_S = 20.0


@dataclass(frozen=True)
class Walls:
    """`missing`: each wall that does not stand, and why. `memory_mib` is what a decoder may use."""

    missing: Mapping[str, str]
    memory_mib: int = 0

    def says(self) -> str:
        """One line for people: each wall with a tick, or a cross and why."""
        shown = {
            "memory": f"memory {self.memory_mib} MiB" if self.memory_mib else "memory",
            "files": "files",
            "network": "network",
            "environment": "environment",
        }
        lacks = dict(self.missing)
        if "privileges" in lacks:
            shown["privileges"] = "privileges"
        return " ".join(f"{said} ✗ ({lacks[name]})" if name in lacks else f"{said} ✓" for name, said in shown.items())


@dataclass(frozen=True)
class Workshop:
    """What an encoder may do that a decoder may not: read and write in `folder`, files of `file_bytes` at most.

    `memory` is how many bytes of data it may have.
    """

    folder: Path
    memory: int
    file_bytes: int


def caged(command: Sequence[str], seconds: float, workshop: Workshop | None = None) -> list[str]:
    """`command` (its program first, by its path) behind every wall that can be put up here.

    `seconds` of processor time, and one more, is what it may use. Without a workshop it writes nothing.
    """
    wrapper = _wrapper()
    if wrapper is None:
        return list(command)
    may = (0, 0, "") if workshop is None else (workshop.memory, workshop.file_bytes, workshop.folder.resolve())
    return [*wrapper, str(int(seconds) + 1), *map(str, may), *command]


@functools.cache
def walls_around(program: str) -> Walls:
    """Which walls stand around `program` here; found out once, and what is missing is logged then."""
    wrapper = _wrapper()
    if wrapper is None:
        walls = Walls(MappingProxyType(dict.fromkeys(WALLS, f"not on {sys.platform}")))
    else:
        from core.hearing.decoding.wrapper import MEMORY

        walls = Walls(MappingProxyType(_report(wrapper, program)), MEMORY >> 20)
    for name, why in walls.missing.items():
        log.warning("no wall around the decoder's %s: %s", name, why)
    return walls


def hide_this_process() -> bool:
    """Keep other processes of the same user from reading this one's environment and memory; False if it cannot be.

    That is Linux's PR_SET_DUMPABLE, which also ends core dumps. Children that execute a program are not hidden.
    """
    if _wrapper() is None:
        return False
    from core.hearing.decoding.wrapper import process

    try:
        process("set_dumpable", 0)
    except OSError:
        return False
    return True


@functools.cache
def _wrapper() -> tuple[str, ...] | None:
    """The command that puts up the walls, or None where Python cannot limit a process (Windows)."""
    if importlib.util.find_spec("resource") is None:
        return None
    from core.hearing.decoding import wrapper

    return (sys.executable, "-I", "-S", _compiled(wrapper.__file__))


def _compiled(source: str) -> str:
    """What `source` was compiled to, if it was compiled as it is; it saves compiling it for each recording."""
    cached = importlib.util.cache_from_source(source)
    try:
        now = os.stat(source)
        with open(cached, "rb") as file:
            head = file.read(16)
    except OSError:
        return source
    of_now = struct.pack("<4sIII", importlib.util.MAGIC_NUMBER, 0, int(now.st_mtime) & 0xFFFFFFFF, now.st_size)
    return cached if head == of_now else source


def _report(wrapper: Sequence[str], program: str) -> dict[str, str]:
    """The walls that the wrapper could not put up, and why."""
    try:
        done = subprocess.run(
            [*wrapper, "report", program], capture_output=True, text=True, env={}, timeout=_LONGEST_REPORT_S, check=True
        )
        became = dict(line.split(":", 1) for line in done.stdout.splitlines())
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning("cannot find out which walls stand around the decoder", exc_info=True)
        return dict.fromkeys(WALLS, type(error).__name__)
    return {name: became.get(name, "unknown") for name in WALLS if became.get(name, "unknown")}
