"""A recording as a file without a name, which a child can seek in and nobody can change any more.

It knows nothing of what is in it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from core.errors import EmptyRecording, RecordingTooLarge

_PIECE = 1 << 20


@contextmanager
def seal(recording: bytes | Path, max_bytes: int) -> Iterator[IO[bytes]]:
    """`recording` (its bytes, or a file) in memory that is sealed; where there is none, in an unlinked file.

    Raises EmptyRecording, RecordingTooLarge, and OSError for a file that cannot be read.
    """
    _check(recording.stat().st_size if isinstance(recording, Path) else len(recording), max_bytes)
    with _nameless() as file:
        if isinstance(recording, Path):
            with recording.open("rb") as source:
                shutil.copyfileobj(source, file, _PIECE)
        else:
            file.write(recording)
        file.flush()
        _check(file.tell(), max_bytes)  # it may have grown meanwhile
        _make_unchangeable(file)
        yield file


def _check(size: int, max_bytes: int) -> None:
    if size == 0:
        raise EmptyRecording
    if size > max_bytes:
        raise RecordingTooLarge(size, max_bytes)


def _nameless() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("recording", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w+b")
    return tempfile.TemporaryFile("w+b")


def _make_unchangeable(file: IO[bytes]) -> None:
    """Seal it where the system can; elsewhere the child could change what only it reads."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    if hasattr(os, "memfd_create"):
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
