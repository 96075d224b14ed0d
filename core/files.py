"""Files that are there whole or not at all, whatever happens while they are written.

It knows nothing of what is in them.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import WrongSetting


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
            _settle(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WrongSetting(f"{out} cannot be written: {error.strerror}; choose another place.") from error


def copied_whole(source: Path, out: Path) -> None:
    """Copy `source` to `out`, all of it or nothing. Raises WrongSetting if that cannot be written."""
    with written_whole(out) as temporary:
        shutil.copyfile(source, temporary)


def _settle(file: Path) -> None:
    """Have its content on the disk before its name: a computer that loses its power keeps the order."""
    with file.open("rb+") as content:
        os.fsync(content.fileno())


def _umask() -> int:
    """The process's mask for new files, which mkstemp does without."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
