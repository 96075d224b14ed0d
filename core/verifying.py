"""Whether what was fetched is what was published: each file against its listed size and hash, and nothing is changed.

Which models there are, and where they lie, is the business of `models.py`.
"""

import hashlib
import json
import logging
from pathlib import Path

from core import hub
from core.errors import DownloadFailed
from core.fetching import HASHES, OfficialModel, hashes_in, sha256_of

log = logging.getLogger(__name__)


def damaged_file(official: OfficialModel, file: Path) -> tuple[Path, ...]:
    """`file` if it is not the one that was published; nothing otherwise. Raises OSError."""
    return () if sha256_of(file) == official.sha256 else (file,)


def damaged_unpacked(official: OfficialModel, directory: Path) -> tuple[Path, ...]:
    """What of `directory` is not as it was unpacked. Raises DownloadFailed where no hashes were kept, OSError."""
    try:
        kept = dict(json.loads((directory / HASHES).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise DownloadFailed(
            f"{official.name} was fetched before hashes were kept; delete {directory} and fetch it anew to have them."
        ) from error
    found = hashes_in(directory)
    return tuple(directory / name for name, kept_hash in kept.items() if found.get(name) != kept_hash)


def damaged_from_hub(
    official: OfficialModel, revision: str | None, directory: Path, token: str | None
) -> tuple[Path, ...]:
    """What in `directory` is missing or not as the hub lists it. Raises DownloadFailed without the hub, OSError."""
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    try:
        _, files = hub.listed(official, revision, token)
    except (HTTPError, OfflineModeIsEnabled, ConnectionError) as error:
        log.debug("the hub does not list %s", official.address, exc_info=True)
        raise DownloadFailed(f"{official.name} cannot be compared: the hub, which lists it, is away.") from error
    wrong = (directory / file.name for file in files if not _is_as_listed(directory / file.name, file))
    return tuple(path.resolve() for path in wrong)  # in the hub client's cache names are links


def _is_as_listed(path: Path, file: hub.Published) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.sha256 is not None:
        return sha256_of(path) == file.sha256
    return file.blob in (None, _git_hash(path))


def _git_hash(path: Path) -> str:
    """What git calls a file of this content (Pro Git, chapter 10.2)."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
