"""Runs stages one after the other, each in a process of its own, and writes down what each found at once.

A stage that hangs, that a lost device has poisoned, or that ends the process harms no other. What it found until then
is kept. Knows nothing of what is measured.
"""

import json
import logging
import math
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

POLL_S = 0.25
LONGEST_S = 480.0
"""No stage may have more."""
SHORTEST_S = 5.0
"""With less time left none is begun."""
DIGITS = 4
MOST_WARNINGS = 20
MOST_LETTERS = 500
FIGURE = "figure"


class Status(StrEnum):
    """How a stage ended."""

    DONE = "done"
    FAILED = "failed"
    OUT_OF_TIME = "out of time"


@dataclass(frozen=True)
class Stage:
    """`measure` is called with what all stages share, and yields figures by their names. `limit_s`: its time limit."""

    name: str
    about: str
    measure: Callable[[Any], Iterable[tuple[str, Any]]]
    limit_s: float = LONGEST_S


@dataclass(frozen=True)
class Record:
    """What became of a stage. `error`: why it failed, with the traceback."""

    stage: str
    status: Status
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def wrong(self) -> list[str]:
        """The names of figures that do not keep their limit."""
        return [name for name, figure in self.figures.items() if isinstance(figure, dict) and figure.get("ok") is False]


class OtherRun(Exception):
    """The file holds the records of another kind of run."""


class Records:
    """A file of JSON lines: what was run, then a line for each stage that was begun and ended; the last of a stage
    counts. Raises FileExistsError unless it may `resume`, OtherRun where the file tells of another `run`."""

    def __init__(self, path: Path, run: dict[str, Any], *, resume: bool) -> None:
        self._path = path
        self._by_stage: dict[str, Record] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = _whole_lines(path) if path.exists() else []
        if path.exists() and not resume:
            raise FileExistsError(path)
        if not lines:
            path.unlink(missing_ok=True)
            self._append({"run": run})
            return
        if lines[0].get("run") != json.loads(json.dumps(run)):
            raise OtherRun(lines[0].get("run"))
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))  # without half a line
        for line in lines[1:]:
            self._by_stage[line["stage"]] = Record(**line | {"status": Status(line["status"])})

    def get(self, stage: Stage) -> Record | None:
        """What became of `stage`, None if it has not ended yet."""
        return self._by_stage.get(stage.name)

    def add(self, record: Record) -> None:
        """Write it down, for good."""
        self._by_stage[record.stage] = record
        self._append(asdict(record))

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """A run that was killed may have left half a line at the end."""
    lines: list[dict[str, Any]] = []
    for line in path.read_text().splitlines():
        with suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def due(stages: Sequence[Stage], records: Records) -> list[Stage]:
    """Those that are not done, in order: first those that were never begun, then those that failed before."""
    left = [stage for stage in stages if (record := records.get(stage)) is None or record.status is not Status.DONE]
    return sorted(left, key=lambda stage: records.get(stage) is not None)


Tell = Callable[[str, Any], None]
"""Told of each figure as it comes."""


def run(
    stage: Stage, bench: Any, seconds: float, *, fork: bool, tell: Tell, wait: Callable[[float], None] = lambda _: None
) -> Record:
    """What becomes of `stage` within `seconds`.

    `fork`: whether its process is a copy of this one, which has imported what it needs. With a GPU it must not be: a
    copy cannot use CUDA. `wait` is told again and again how many seconds it has left.
    """
    context = multiprocessing.get_context("fork" if fork else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(stage.measure, bench, sender, os.getpid()), daemon=False)  # type: ignore[attr-defined]
    started = time.monotonic()
    process.start()
    sender.close()
    figures: dict[str, Any] = {}
    status, error = Status.OUT_OF_TIME, ""
    try:
        while (left := started + seconds - time.monotonic()) > 0:
            wait(left)
            ended = not process.is_alive()
            if receiver.poll(0 if ended else min(POLL_S, left)):
                try:
                    kind, name, figure = receiver.recv()
                except EOFError:
                    kind, name, figure = "", "", None
                if kind == FIGURE:
                    figures[name] = figure
                    tell(name, figure)
                    continue
                if kind:
                    status, error = Status(kind), name
                    break
            if ended:
                status, error = Status.FAILED, f"its process ended with {process.exitcode}"
                break
    finally:
        _kill(process)
        receiver.close()
    return Record(stage.name, status, round(time.monotonic() - started, 1), figures, error)


def _work(measure: Callable[[Any], Iterable[tuple[str, Any]]], bench: Any, sender: Connection, parent: int) -> None:
    """In the stage's process: figures, and what the product warns of, go through `sender`; at last how it ended."""
    os.setsid()  # so that whatever it starts, a compiler's workers, say, can be ended with it
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    sending = threading.Lock()

    def send(kind: str, name: str, figure: Any) -> None:
        with sending:
            sender.send((kind, name, rounded(figure)))

    logging.getLogger("core").addHandler(_Warnings(send))
    try:
        for name, figure in measure(bench):
            send(FIGURE, name, figure)
    except BaseException:
        send(Status.FAILED.value, traceback.format_exc(limit=-8), None)
    else:
        send(Status.DONE.value, "", None)


class _Warnings(logging.Handler):
    """What the product warns of becomes a figure: it says, for one, that compiling has failed. Each is said once."""

    def __init__(self, send: Callable[[str, str, Any], None]) -> None:
        super().__init__(logging.WARNING)
        self._send = send
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Called from any thread."""
        text = record.getMessage()
        if text in self._said or len(self._said) == MOST_WARNINGS:
            return
        self._said.add(text)
        error = record.exc_info[1] if record.exc_info else None
        said = text if error is None else f"{text} ({type(error).__name__}: {str(error)[:MOST_LETTERS]})"
        self._send(FIGURE, f"warning {len(self._said)}", said)


def _end_with(parent: int) -> None:
    """A run that is killed leaves nothing that goes on measuring."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def _kill(process: Any) -> None:
    """The stage's process, and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):  # there is no such group before it has made one of its own
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join(10)


def rounded(figure: Any) -> Any:
    """`figure` as it is to be written down: four digits of each number, which is more than can be measured."""
    if isinstance(figure, dict):
        return {str(name): rounded(each) for name, each in figure.items()}
    if isinstance(figure, list | tuple):
        return [rounded(each) for each in figure]
    if isinstance(figure, float):
        return float(f"{figure:.{DIGITS}g}") if math.isfinite(figure) else str(figure)
    return figure
