"""A backup as one file: a zip of the database, the list of what was forgotten, the settings without secrets, the words
that are not painted, the keys that pictures are marked with, and adapters. It knows the file's form, and trusts nothing
in one that it reads.

Plain copies of the database, which earlier versions made, are read, too.
"""

import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter

from bot.storage.files import sync_directory
from core.fetching import free_bytes
from core.provenance import key_file

FORMAT = 2
"""1 had no keys."""
MANIFEST = "manifest.json"
DATABASE = "database.sqlite3"
FORGOTTEN = "forgotten.jsonl"
SETTINGS = "settings.env"
WORDS = "blocked-words.txt"
ADAPTERS = "adapters/"
_SINGLE = frozenset({MANIFEST, DATABASE, FORGOTTEN, SETTINGS, WORDS})
_ADAPTER = re.compile(r"adapters/[^/\\:\0]+(\.safetensors|/pytorch_lora_weights\.safetensors)")
_SQLITE = b"SQLite format 3\0"
MOST_MANIFEST_BYTES = 64_000
SPARE_BYTES = 50_000_000
PART = ".part"


class ArchiveUnusable(Exception):
    """The file is no backup that can be brought back; the message says why."""


@dataclass(frozen=True)
class Manifest:
    """What an archive says of itself: when it was made, and by which version of the program."""

    format: int
    made: str = ""
    program: str = ""


_MANIFEST = TypeAdapter(Manifest)


def write_archive(to: Path, files: Mapping[str, Path | str], program: str) -> None:
    """Write `files` by their names in the archive, of each its path or its text, to a new file only its owner reads.

    It is there whole or not at all, and takes no other file's place. Raises OSError, FileExistsError among them.
    """
    manifest = Manifest(FORMAT, datetime.now(UTC).isoformat(timespec="seconds"), program)
    with _new_file(to) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        archive.writestr(MANIFEST, json.dumps(asdict(manifest)))
        for name, content in files.items():
            if isinstance(content, str):
                archive.writestr(name, content)
                continue
            packing = zipfile.ZIP_STORED if name.startswith(ADAPTERS) else zipfile.ZIP_DEFLATED  # weights do not shrink
            archive.write(content, name, packing)


@contextmanager
def _new_file(to: Path) -> Iterator[IO[bytes]]:
    for left in to.parent.glob(f".{to.name}.*{PART}"):  # of a process that was killed
        left.unlink(missing_ok=True)
    if to.exists():
        raise FileExistsError(to)
    handle, name = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.", suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _name(Path(name), to)
    finally:
        Path(name).unlink(missing_ok=True)
    sync_directory(to.parent)


def _name(made: Path, to: Path) -> None:
    """A link takes no other file's place, as a rename would; not every file system has them."""
    try:
        os.link(made, to)
    except FileExistsError:
        raise
    except OSError:
        if to.exists():
            raise FileExistsError(to) from None
        made.rename(to)


def unpack(path: Path, into: Path) -> frozenset[str]:
    """Unpack what is in a backup; returns the names, which are safe. Raises ArchiveUnusable and OSError."""
    with path.open("rb") as file:
        is_copy = file.read(len(_SQLITE)) == _SQLITE
    if is_copy:
        _require_space(path.stat().st_size, into)
        shutil.copyfile(path, into / DATABASE)
        return frozenset({DATABASE})
    try:
        with zipfile.ZipFile(path) as archive:
            names = _checked(archive)
            _require_space(sum(item.file_size for item in archive.infolist()), into)
            for name in names:
                (into / name).parent.mkdir(mode=0o700, exist_ok=True, parents=True)
                with archive.open(name) as source, (into / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArchiveUnusable("it is damaged, or no backup") from error
    return names - {MANIFEST}


def _checked(archive: zipfile.ZipFile) -> frozenset[str]:
    names = [item.filename for item in archive.infolist()]
    if MANIFEST not in names or DATABASE not in names:
        raise ArchiveUnusable("it is no backup of imagine-sound")
    if archive.getinfo(MANIFEST).file_size > MOST_MANIFEST_BYTES:
        raise ArchiveUnusable("it is damaged, or no backup")
    if _MANIFEST.validate_json(archive.read(MANIFEST)).format > FORMAT:
        raise ArchiveUnusable("it was made by a newer version of imagine-sound, which has to be installed first")
    strange = [name for name in names if name not in _SINGLE and not _is_adapter(name) and not key_file.is_name(name)]
    if strange or len(set(names)) != len(names):
        raise ArchiveUnusable("it holds files that no backup has")
    return frozenset(names)


def _is_adapter(name: str) -> bool:
    return _ADAPTER.fullmatch(name) is not None and ".." not in name.split("/")


def _require_space(size: int, place: Path) -> None:
    free = free_bytes(place)
    if size + SPARE_BYTES > free:
        raise ArchiveUnusable(
            f"it needs {(size + SPARE_BYTES) / 1e6:.0f} MB in {place.parent}, and {free / 1e6:.0f} MB are free there"
        )
