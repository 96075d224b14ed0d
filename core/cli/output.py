"""Where a file goes on disk: under a name that is free, whole or not at all.

What it is made from is never overwritten; any other file only where that was asked for.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from core.errors import WouldOverwrite, WrongSetting


def free_name(stem: str, ending: str) -> Path:
    """`stem.ending` in the working directory, or the first of `stem-2.ending`, `stem-3.ending`, ... that is free."""
    names = (Path(f"{stem}.{ending}" if number == 1 else f"{stem}-{number}.{ending}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def check_output(out: Path, inputs: Iterable[Path], *, replace: bool) -> None:
    """Raises WouldOverwrite if `out` is one of `inputs`, or is there already and `replace` is not asked for."""
    if not os.path.lexists(out):
        return
    if any(os.path.exists(file) and os.path.exists(out) and os.path.samefile(out, file) for file in inputs):
        raise WouldOverwrite(f"{out} is what it is made from; choose another name.")
    if out.is_dir():
        raise WouldOverwrite(f"{out} is a directory; name a file in it.")
    if not replace:
        raise WouldOverwrite(f"{out} is there already; choose another name, or add --force to replace it.")


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A temporary file beside `out`, which takes its name in the end, unless an error comes first.

    Raises WrongSetting if it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WrongSetting(f"{out} cannot be written: {error.strerror}; choose another place.") from error


def _umask() -> int:
    """The process's mask for new files, which mkstemp does without."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
