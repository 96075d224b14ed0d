"""The keys for marking pictures, in files that only their owner can read.

One marks, and is made when it is first needed. Others marked before it came, from a backup say: by them pictures are
still known. It knows nothing of backups.
"""

import logging
import os
import re
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from core.errors import WrongSetting
from core.provenance.watermark import KEY_BYTES, MarkingKey, Pattern

log = logging.getLogger(__name__)

KEY_FILE = "watermark.key"
_FORMER = re.compile(r"watermark-[0-9a-f]{8}\.key")


class Marker:
    """Chooses what pictures are marked with, by the key in `directory`. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key: MarkingKey | None = None
        self._reading = threading.Lock()

    def pattern_for(self, seed: int) -> Pattern | None:
        """For the composition that starts from `seed`. Blocks.

        None where there is no key and none can be kept: a picture is painted all the same, and the log says what to do.
        """
        with self._reading:
            if self._key is None:
                try:
                    self._key = read_or_make(self._directory)
                except WrongSetting as error:
                    log.error("pictures are not marked: %s", error)
                    return None
        return self._key.pattern_for(seed)


def read_or_make(directory: Path) -> MarkingKey:
    """The key in `directory`; a new one where there is none. Raises WrongSetting."""
    found = read(directory)
    if found is not None:
        return found
    secret = secrets.token_bytes(KEY_BYTES)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _keep(secret, directory / KEY_FILE)
    except OSError as error:
        raise WrongSetting(
            f"The key for marking pictures cannot be kept in {directory} ({error.strerror}); make DATA_DIR writable, "
            "or set WATERMARK=off."
        ) from error
    return read(directory) or MarkingKey(secret)


def read(directory: Path) -> MarkingKey | None:
    """The key in `directory`, None where there is none. Raises WrongSetting."""
    path = directory / KEY_FILE
    return key_in(path) if path.is_file() else None


def read_all(directory: Path) -> tuple[MarkingKey, ...]:
    """The same, and those that marked before it. Raises WrongSetting."""
    return tuple({key.name: key for key in map(key_in, files_in(directory))}.values())


def files_in(directory: Path) -> list[Path]:
    """All keys' files in `directory`, the one that marks first."""
    former = sorted(path for path in directory.glob("watermark-*.key") if is_name(path.name))
    return [path for path in (directory / KEY_FILE, *former) if path.is_file()]


def is_name(name: str) -> bool:
    """Whether a key's file may be called so."""
    return name == KEY_FILE or _FORMER.fullmatch(name) is not None


def is_sound(path: Path) -> bool:
    """Whether there is a key in the file at `path`."""
    try:
        key_in(path)
    except WrongSetting:
        return False
    return True


def former_name(key: MarkingKey) -> str:
    """What the file of `key` is called once another one marks."""
    return f"watermark-{key.name}.key"


def key_in(path: Path) -> MarkingKey:
    """The key in the file at `path`. Raises WrongSetting for one that is not there, cannot be read, or is damaged."""
    try:
        with path.open("rb") as file:
            secret = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise WrongSetting(f"{path}, the key for marking pictures, cannot be read ({error.strerror}).") from error
    if len(secret) != KEY_BYTES:
        raise WrongSetting(
            f"{path}, the key for marking pictures, is damaged; bring it back from a copy, or delete it: then a new "
            "one is made, and pictures that the old one has marked are not known any more."
        )
    return MarkingKey(secret)


def _keep(secret: bytes, path: Path) -> None:
    """`secret` at `path`, whole or not at all, unless another process was faster."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:  # readable by its owner only
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
