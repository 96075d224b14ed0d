"""Files and folders that are there whole or not at all; room that is asked for first, and a full disk told from other
troubles.

Everything is put together in memory and written by Python itself: libraries that write report a full disk each in their
own way.
"""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.errors import DiskFull, WrongSetting

CHECKPOINT_BYTES = 16
"""Of each weight of the adapter: itself, its average and two moments of the optimiser, in fp32."""
ADAPTER_BYTES = 8
"""Of each weight: the adapter in two formats."""
PIXEL_BYTES = 3
"""Of a picture that cannot be compressed."""
FULL = (errno.ENOSPC, errno.EDQUOT)
TEMPORARY = ".part-"


def needed_bytes(weights: int, checkpoints: int, looks: int, pictures: int, side: int) -> int:
    """What a run keeps: so many checkpoints and one that is being written, the adapter, and each look's samples."""
    kept = weights * (CHECKPOINT_BYTES * (checkpoints + 1) + ADAPTER_BYTES)
    return kept + (looks + 1) * pictures * side * side * PIXEL_BYTES


def ask_for_room(folder: Path, needed: int) -> None:
    """Raises DiskFull if there is less free where the folder is."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            f"There are {free / 1e9:.2f} GB free in {folder}, but this run needs about {needed / 1e9:.2f} GB for its "
            "checkpoints and samples; free some space, or choose another --out."
        )


def is_full(error: OSError) -> bool:
    """Whether there was no room, or no more is allowed."""
    return error.errno in FULL


@contextmanager
def full_disk_told() -> Iterator[None]:
    """A full disk is an OSError inside, too, where a file that is written whole calls it a wrong setting."""
    try:
        yield
    except WrongSetting as error:
        if isinstance(error.__cause__, OSError) and is_full(error.__cause__):
            raise error.__cause__ from error
        raise


@contextmanager
def room_needed(what: str) -> Iterator[None]:
    """Raises DiskFull, with a sentence, where a full disk prevents something that cannot wait."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFull(f"The disk is full: {what}. Make room and give the same command with --resume.") from error


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` durably and rename their folder into place; one of that name is replaced. Raises OSError."""
    temporary = folder.with_name(f"{TEMPORARY}{os.getpid()}-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        for name, content in files.items():
            with (temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        old = folder.with_name(f"{TEMPORARY}{os.getpid()}-old-{folder.name}")
        if folder.exists():
            folder.replace(old)
        temporary.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(directory: Path) -> None:
    """Delete what processes that have ended since left half-written."""
    for leftover in directory.glob(f"{TEMPORARY}*"):
        process = int(leftover.name.removeprefix(TEMPORARY).split("-")[0])
        if process == os.getpid() or not _runs(process):
            shutil.rmtree(leftover, ignore_errors=True)


def append(path: Path, content: str) -> None:
    """Append to a text file; on an error it is as long as before. Raises OSError."""
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(content.encode())
            file.flush()
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
