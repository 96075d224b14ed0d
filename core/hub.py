"""Models on the Hugging Face hub: which of their files are here and whole, and fetching the others.

The hub's own client starts a large file anew after an interruption; here the part that has arrived is kept and gone on
with. Files end up where that client looks for them. Which models there are is told in `official.py`.
"""

import errno
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from core.arrival import Arrival, Tell, tell_nobody
from core.errors import DownloadFailed
from core.fetching import ModelFile, OfficialModel, by_one_only, require_space, sha256_of

log = logging.getLogger(__name__)

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})
FETCHING_LOCK = ".fetching.lock"
"""Stays in the directory of a model that this program fetched."""


@dataclass(frozen=True)
class Published:
    """A file as the hub lists it. `sha256` is None for small files, which git knows by their `blob`, a SHA-1."""

    name: str
    size: int
    sha256: str | None
    blob: str | None


def hub_cache() -> Path:
    """Where the hub's client keeps what it fetches."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def snapshot(official: OfficialModel, revision: str | None) -> Path | None:
    """The directory in the hub client's cache that holds some of the model at `revision`; None if there is none."""
    from huggingface_hub import try_to_load_from_cache

    for file in official.files:
        found = try_to_load_from_cache(official.address, file.name, revision=revision)
        if isinstance(found, str):
            return Path(found.removesuffix(file.name))
    return None


def lacks(official: OfficialModel, directory: Path | None, revision: str | None) -> tuple[str, ...]:
    """The names of the files that are not in `directory`, or not whole there; sizes are known of the pinned commit."""
    if directory is None:
        return tuple(file.name for file in official.files)
    sized = revision == official.commit
    return tuple(
        file.name for file in official.files if not _is_whole(directory, file if sized else ModelFile(file.name))
    )


def lacks_says(official: OfficialModel, missing: Sequence[str]) -> str:
    """`missing` as a sentence without its end."""
    of, are = f"{len(missing)} of {len(official.files)} files", "is" if len(missing) == 1 else "are"
    if len(missing) == len(official.files):
        return f"{official.name} was not fetched"
    return f"{of} of {official.name} {are} missing: {', '.join(missing)}"


def whole(official: OfficialModel, revision: str | None) -> Path | None:
    """Where the model lies in the hub client's cache if each of its files is there, None otherwise."""
    directory = snapshot(official, revision)
    return None if lacks(official, directory, revision) else directory


def pull_missing(official: OfficialModel, into: Path, *, token: str | None = None) -> Path:
    """`pull` into the directory `into`, unless it is whole there; asks nobody then."""
    if not lacks(official, into, official.commit):
        return into
    return pull(official, official.commit, token=token, into=into)


def pull(
    official: OfficialModel,
    revision: str | None,
    *,
    token: str | None = None,
    into: Path | None = None,
    tell: Tell = tell_nobody,
) -> Path:
    """Fetch what is missing of the model into the directory `into`, or the hub client's cache; returns the directory.

    Before the first byte it is known to fit on the disk. What had arrived when it is interrupted is gone on with the
    next time. Raises DownloadFailed.
    """
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    place = into or hub_cache() / f"models--{official.address.replace('/', '--')}"
    try:
        with by_one_only(official, place / FETCHING_LOCK):
            return _Download(official, revision, token, place, into).fetched(tell)
    except (HTTPError, OSError) as error:
        log.debug("fetching %s failed", official.address, exc_info=True)
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise DownloadFailed(
                f"{official.name} could not be saved in {place}: {os.strerror(error.errno)}; mend that, or set "
                f"{_setting(into)} to another place."
            ) from error
        raise DownloadFailed(
            f"{official.name} could not be fetched; check the network and try again: what has arrived is kept."
        ) from error


def listed(official: OfficialModel, revision: str | None, token: str | None) -> tuple[str, list[Published]]:
    """The commit and the files of the model at `revision`, as the hub lists them.

    Raises DownloadFailed where one of them is not there, and what the hub's client raises.
    """
    from huggingface_hub import HfApi

    info = HfApi(token=token).model_info(official.address, revision=revision, files_metadata=True)
    sized = revision == official.commit
    return str(info.sha), [_published(official, file, info.siblings or [], sized=sized) for file in official.files]


class _Download:
    """One model at one commit, on its way into the directory `into`, or `place` in the hub client's cache."""

    def __init__(
        self, official: OfficialModel, revision: str | None, token: str | None, place: Path, into: Path | None
    ) -> None:
        commit, self._files = listed(official, revision, token)
        self._official, self._revision, self._token, self._place, self._into = official, revision, token, place, into
        self._directory = into or place / "snapshots" / commit

    def fetched(self, tell: Tell) -> Path:
        """The directory, with all files in it."""
        missing = [file for file in self._files if not self._is_here(file)]
        sizes = sum(file.size for file in missing)
        parts = [self._part(file) for file in missing if file.sha256 is not None]
        left = sizes - sum(part.stat().st_size for part in parts if part.exists())
        require_space(self._official.name, left, self._place, _setting(self._into))
        with Arrival(self._official.name, sizes, tell) as arrival:
            for file in missing:
                self._fetch(file, arrival)
            arrival.complete()
        return self._directory

    def _is_here(self, file: Published) -> bool:
        """What is here and not whole is thrown away: the hub's client would take it for whole."""
        path = self._directory / file.name
        if path.exists() and path.stat().st_size == file.size:
            return True
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        return False

    def _target(self, file: Published) -> Path:
        """Where a large file has to lie: with the hub's client under the name of its hash."""
        return self._into / file.name if self._into else self._place / "blobs" / str(file.sha256)

    def _part(self, file: Published) -> Path:
        return self._target(file).with_name(f"{self._target(file).name}.incomplete")

    def _fetch(self, file: Published, arrival: Arrival) -> None:
        from huggingface_hub import hf_hub_download

        counted = cast("type[Any]", partial(_Counted, arrival))
        if file.sha256 is not None and not self._target(file).exists():
            self._fetch_large(file, counted)
        if self._into is None or file.sha256 is None:  # a large one gets its name in the snapshot
            hf_hub_download(
                self._official.address,
                file.name,
                revision=self._revision,
                local_dir=self._into,
                token=self._token,
                tqdm_class=counted,
            )

    def _fetch_large(self, file: Published, counted: type[Any]) -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        target, part = self._target(file), self._part(file)
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as content:
            start = content.tell() if content.tell() <= file.size else 0  # longer, it is a part of another version
            content.truncate(start)
            http_get(
                hf_hub_url(self._official.address, file.name, revision=self._revision),
                content,
                resume_size=start,
                headers=build_hf_headers(token=self._token),
                expected_size=file.size,
                tqdm_class=counted,
            )
        if sha256_of(part) != file.sha256:
            part.unlink()
            raise DownloadFailed(
                f"What arrived as {file.name} of {self._official.name} is not what was published (its SHA-256 differs) "
                "and was thrown away; try again, and do not use another source."
            )
        part.rename(target)


class _Counted:
    """What the hub's client takes for the bar of one file."""

    def __init__(self, arrival: Arrival, *, initial: int = 0, **_: object) -> None:
        self._arrival = arrival
        arrival.update(initial)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, count: int) -> None:
        """`count` more bytes of this file."""
        self._arrival.update(count)


def _published(official: OfficialModel, file: ModelFile, listed: Sequence[Any], *, sized: bool) -> Published:
    """`file` as the hub lists it. Raises DownloadFailed if it does not, or not as it was when this version was made."""
    one = next((one for one in listed if fnmatchcase(one.rfilename, file.name)), None)
    if one is None or one.size is None:
        raise DownloadFailed(f"The hub has no {file.name} of {official.name} at this revision; try a newer version.")
    if sized and file.size not in (None, one.size):
        raise DownloadFailed(
            f"The hub's {file.name} of {official.name} has {one.size} bytes instead of {file.size}; do not use it, and "
            "report this."
        )
    return Published(one.rfilename, one.size, one.lfs.sha256 if one.lfs else None, one.blob_id)


def _is_whole(directory: Path, file: ModelFile) -> bool:
    """Whether it is there with its size; of weights without a known size whether it is as long as its header says."""
    from safetensors import SafetensorError, safe_open

    path = next(directory.glob(file.name), None)
    if path is None or not path.is_file():
        return False
    if file.size is not None:
        return path.stat().st_size == file.size
    if path.suffix != ".safetensors":
        return path.stat().st_size > 0
    try:
        with safe_open(path, framework="np"):
            return True
    except (SafetensorError, OSError):
        return False


def _setting(into: Path | None) -> str:
    """What moves the place."""
    return "HF_HOME" if into is None else "MODEL_CACHE"
