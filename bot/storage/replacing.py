"""Takes several files into use as if it were one: all of them, or none, whenever the process ends.

They are laid ready in a folder with a plan of where each belongs; then the folder gets the name by which it counts.
Only their owner reads them.
From that moment on whoever opens the data first finishes what the plan says, as often as it takes. It knows nothing of
what is in the files. Everything here blocks.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.storage.files import sync_directory

READY = "restore"
PLAN = "plan.json"
LEFT = (".restoring-*", ".restored-*")
JOURNALS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database belongs to that one alone: read into another, it would spoil it."""


class Unfinished(Exception):
    """What lies ready counts, and could not all be taken into use: it will be by the next one who opens the data."""


def is_ready(directory: Path) -> bool:
    """Whether files lie ready that have not all been taken into use."""
    return (directory / READY).is_dir()


@contextmanager
def laid_ready(directory: Path) -> Iterator[Path]:
    """A folder to lay files into, with `plan` in the end; without it, or with an error, nothing is replaced.

    Raises OSError, and Unfinished.
    """
    _sweep(directory)
    place = Path(tempfile.mkdtemp(dir=directory, prefix=".restoring-"))
    try:
        yield place
        if (place / PLAN).exists():
            _sync(place)
            place.rename(directory / READY)
            sync_directory(directory)
            try:
                finish_replacing(directory)
            except OSError as error:
                raise Unfinished(str(error)) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def plan(place: Path, targets: Mapping[str, Path]) -> None:
    """Say where each file in `place` belongs, by its name there; relative to the directory or absolute."""
    moves = {name: str(target) for name, target in targets.items()}
    (place / PLAN).write_text(json.dumps(moves), encoding="utf-8")


def finish_replacing(directory: Path) -> None:
    """Take what lies ready into use, if there is anything. Raises OSError."""
    place = directory / READY
    if not place.is_dir():
        return
    for name, target in json.loads((place / PLAN).read_text(encoding="utf-8")).items():
        if (place / name).exists():  # else it was taken before the process ended
            _take(place / name, directory / target)
    done = directory / f".restored-{os.getpid()}"
    place.rename(done)
    sync_directory(directory)
    _sweep(directory)


def _take(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for journal in (target.with_name(target.name + ending) for ending in JOURNALS):
        if journal.exists():
            journal.unlink()
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f".{target.name}.restoring")  # on another file system
        shutil.copyfile(source, beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
        source.unlink()
    sync_directory(target.parent)


def _sync(place: Path) -> None:
    for path in place.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_directory(path)
    sync_directory(place)


def _sweep(directory: Path) -> None:
    for pattern in LEFT:
        for left in directory.glob(pattern):
            with suppress(OSError):
                shutil.rmtree(left)
