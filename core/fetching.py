"""Fetching models: checked by SHA-256, arriving under their name only when whole, and not by two processes at once.

It knows files and addresses; which models there are is told in `official.py`, where they are looked for in `models.py`.
"""

import hashlib
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from core.arrival import Arrival
from core.errors import DownloadFailed

log = logging.getLogger(__name__)

LOCK_SECONDS = 600
CONNECT_SECONDS = 5
SPARE = 0.05
"""So much more than a download is large has to be free, so that the disk is not full when it has arrived."""
HASHES = "fetched.json"
"""The SHA-256 of each file of what was unpacked; the archive, whose own hash is published, is not kept."""


@dataclass(frozen=True)
class ModelFile:
    """A file of a model on the hub; `size` in bytes where it is known. `name` may be a pattern, `vocabulary.*` say."""

    name: str
    size: int | None = None


@dataclass(frozen=True)
class OfficialModel:
    """A model as its makers publish it: a file with its `sha256`, or a hub name with its `commit` and its `files`.

    A commit names the hashes of all its files.
    """

    name: str
    address: str
    about_bytes: int
    licence: str
    sha256: str | None = None
    commit: str | None = None
    files: tuple[ModelFile, ...] = ()


def free_bytes(place: Path) -> int:
    """What is free in the file system that holds `place`, which need not be there yet."""
    there = next(parent for parent in (place, *place.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free


def require_space(name: str, size: int, place: Path, setting: str) -> None:
    """Raises DownloadFailed where `size` bytes and a little more are not free in the file system of `place`.

    `setting` names what moves the place.
    """
    free = free_bytes(place)
    if size * (1 + SPARE) > free:
        raise DownloadFailed(
            f"{name} needs {size / 1e9:.2f} GB and a little more in {place}, and {free / 1e9:.2f} GB are free there; "
            f"make room, or set {setting} to another place."
        )


def fetched(official: OfficialModel, target: Path) -> Path:
    """`target`, fetched unless it is there, with its hash checked, telling what has arrived. Raises DownloadFailed."""
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    if not target.exists():
        require_space(official.name, official.about_bytes, target.parent, "MODEL_CACHE")
    arrival = Arrival(official.name, official.about_bytes)
    try:
        with by_one_only(official, target.with_name(f"{target.name}.lock")):
            pooch.retrieve(
                official.address,
                known_hash=official.sha256,
                fname=target.name,
                path=target.parent,
                downloader=pooch.HTTPDownloader(progressbar=arrival, timeout=CONNECT_SECONDS),
            )
    except requests.RequestException as error:
        log.debug("fetching %s failed", official.name, exc_info=True)
        raise DownloadFailed(f"{official.name} could not be fetched; check the network and try again.") from error
    except ValueError as error:  # pooch: the hash differs
        raise DownloadFailed(
            f"What arrived as {official.name} is not what was published (its SHA-256 differs) and was thrown away; "
            "try again, and do not use another source."
        ) from error
    except OSError as error:
        raise _unsaved(official, target.parent, error) from error
    return target


@contextmanager
def by_one_only(official: OfficialModel, lock: Path) -> Iterator[None]:
    """While it lasts, no other process and no other thread holds the file `lock`, whose directory it makes.

    Raises DownloadFailed where somebody else holds it for too long, OSError where it cannot be made.
    """
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, timeout=LOCK_SECONDS)
    try:
        held.acquire()
    except Timeout as error:
        raise DownloadFailed(
            f"Another process has been fetching {official.name} for {LOCK_SECONDS // 60} minutes; try again later."
        ) from error
    try:
        yield
    finally:
        held.release()


def _unsaved(official: OfficialModel, place: Path, error: OSError) -> DownloadFailed:
    return DownloadFailed(
        f"{official.name} could not be saved in {place}: {os.strerror(error.errno or 0)}; "
        f"it needs {official.about_bytes / 1e6:.0f} MB there, or set MODEL_CACHE to another place."
    )


def fetched_and_unpacked(official: OfficialModel, inside: str, target: Path, mark: str) -> Path:
    """`target`, holding what is in the directory `inside` of a zip file on the web; fetched unless the file `mark` is
    in it. Raises DownloadFailed.
    """
    try:
        with by_one_only(official, target.with_name(f"{target.name}.lock")):
            if not (target / mark).is_file():
                archive = fetched(official, target.with_name(f"{target.name}.zip"))
                unpacked(official, archive, inside, target)
                archive.unlink()
    except OSError as error:
        raise _unsaved(official, target.parent, error) from error
    return target


def unpacked(official: OfficialModel, archive: Path, inside: str, target: Path) -> Path:
    """`target`, holding what is in the directory `inside` of a zip file, whole or not at all.

    It takes the place of what is there. Raises DownloadFailed.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as temporary:
            place = Path(temporary) / target.name
            with zipfile.ZipFile(archive) as files:
                for name in files.namelist():
                    within = PurePosixPath(name)
                    if not within.is_relative_to(inside) or name.endswith("/") or ".." in within.parts:
                        continue
                    path = place / within.relative_to(inside)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with files.open(name) as source, path.open("wb") as copy:
                        shutil.copyfileobj(source, copy)
            (place / HASHES).write_text(json.dumps(hashes_in(place)), encoding="utf-8")
            if target.exists():
                shutil.rmtree(target)
            place.rename(target)
    except (OSError, zipfile.BadZipFile) as error:
        raise DownloadFailed(
            f"{official.name} could not be unpacked in {target.parent}: {error}; it needs "
            f"{2 * official.about_bytes / 1e6:.0f} MB there, or set MODEL_CACHE to another place."
        ) from error
    return target


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits. Raises OSError."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def hashes_in(directory: Path) -> dict[str, str]:
    """The SHA-256 of each file in `directory` by its name there, but for HASHES. Raises OSError."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != HASHES)
    return {path.relative_to(directory).as_posix(): sha256_of(path) for path in files}
