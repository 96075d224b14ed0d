"""Where a picture goes on disk: a name that is free, written whole or not at all.

A recording is never overwritten; any other file only where that was asked for. Knows nothing of pictures.
"""

import os
import tempfile
from collections.abc import Iterable
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
        raise WouldOverwrite(f"{out} is what the picture is made from; choose another --out.")
    if out.is_dir():
        raise WouldOverwrite(f"{out} is a directory; name a file in it with --out.")
    if not replace:
        raise WouldOverwrite(f"{out} is there already; choose another --out, or add --force to replace it.")


def write_whole(out: Path, data: bytes) -> None:
    """Write `data` under a temporary name beside `out`, then rename. Raises WrongSetting if that cannot be done."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WrongSetting(f"the picture cannot be saved as {out}: {error.strerror}; choose another --out.") from error


def _umask() -> int:
    """The process's mask for new files, which mkstemp does without."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
