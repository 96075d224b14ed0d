"""Where a file goes on disk: under a name that is free and says what it is.

What it is made from is never overwritten; any other file only where that was asked for.
"""

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from pathlib import Path

from core.errors import WouldOverwrite, WrongSetting


def free_name(stem: str, ending: str) -> Path:
    """`stem.ending` in the working directory, or the first of `stem-2.ending`, `stem-3.ending`, ... that is free."""
    return next(name for name in _numbered(Path(f"{stem}.{ending}")) if not os.path.lexists(name))


class OwnNames:
    """Names in a directory for files that are made together: no two alike, and none of a file that somebody has there.

    `replaced` are those that an earlier run made, which may be used again.
    """

    def __init__(self, directory: Path, replaced: Iterable[str] = ()) -> None:
        self._directory = directory
        self._replaced = set(replaced)
        self._taken: set[str] = set()

    def take(self, name: str, content: bytes | None = None) -> Path:
        """The path of `name`, or of the first of `name-2`, `name-3`, ... before its ending that is free.

        One that holds `content` already is as good.
        """
        path = next(path for path in _numbered(self._directory / name) if self._is_free(path, content))
        self._taken.add(path.name.casefold())
        return path

    def take_as_it_is(self, path: Path) -> Path:
        """`path`, whatever is there."""
        self._taken.add(path.name.casefold())
        return path

    def _is_free(self, path: Path, content: bytes | None) -> bool:
        if path.name.casefold() in self._taken:  # some file systems take both cases for one
            return False
        if path.name in self._replaced or not os.path.lexists(path):
            return True
        return content is not None and path.is_file() and path.read_bytes() == content


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))


def check_output(out: Path, inputs: Iterable[Path], endings: Collection[str], *, replace: bool) -> None:
    """Whether `out` can be written, before any work is done for it.

    Raises WouldOverwrite if it is one of `inputs`, or is there already and `replace` is not asked for; WrongSetting if
    its name ends in none of `endings`, or nothing can be written where it is to be.
    """
    there = os.path.lexists(out)
    if there and any(os.path.exists(file) and os.path.exists(out) and os.path.samefile(out, file) for file in inputs):
        raise WouldOverwrite(f"{out} is what it is made from; choose another name.")
    if there and out.is_dir():
        raise WouldOverwrite(f"{out} is a directory; name a file in it.")
    if out.suffix.lower() not in endings:
        raise WrongSetting(f"{out} has to end in {_either(endings)}, which says what kind of file it becomes.")
    if there and not replace:
        raise WouldOverwrite(f"{out} is there already; choose another name, or add --force to replace it.")
    check_directory(out.parent)


def check_directory(directory: Path) -> None:
    """Raises WrongSetting if no file can be made in `directory`, which need not be there yet."""
    there = next(parent for parent in (directory, *directory.absolute().parents) if os.path.lexists(parent))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise WrongSetting(f"nothing can be written in {directory}: {error.strerror}; choose another place.") from error


def _either(endings: Collection[str]) -> str:
    *others, last = endings
    return f"{', '.join(others)} or {last}" if others else last
