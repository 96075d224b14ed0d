"""The page's pictures as files in one directory: found again after a restart, gone after a day.

A picture is `ID.png`, its strip `ID.strip.png`, and what is told of it `ID.json`, which is written last: without it
there is no picture. Everything here blocks: run it in a thread. It knows nothing of jobs or of who may see a picture.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import PaintingError
from core.files import written_whole
from core.log_lines import one_line

log = logging.getLogger(__name__)

KEPT_S = 24 * 3600.0
ID = re.compile(r"[0-9a-f]{32}")
_ENDINGS = (".png", ".strip.png", ".json")


class CannotKeep(PaintingError):
    """The disk is full, say. The sentence names no path."""

    sentence = "The picture is painted but cannot be kept; whoever runs this page finds the reason in its log."


@dataclass(frozen=True)
class About:
    """What is told of a picture: `title` is the first thing heard, `others` what else was; `seconds` of sound.

    `size` in pixels; `made` in seconds since the epoch; `recipe` as JSON. `is_covered` until somebody wants to see it.
    """

    title: str
    others: tuple[str, ...]
    alt: str
    seconds: float
    size: tuple[int, int]
    made: float
    recipe: str
    is_covered: bool = False


@dataclass(frozen=True)
class Shown:
    """A picture that is there."""

    id: str
    about: About
    picture: Path
    strip: Path


def new_id() -> str:
    """128 random bits: whoever has them may see the picture."""
    return secrets.token_hex(16)


class Shelf:
    """All pictures in `directory`; `now` in seconds since the epoch."""

    def __init__(self, directory: Path, now: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self.now = now

    def keep(self, name: str, picture: bytes, strip: bytes, about: About) -> Shown:
        """Put a picture there, whole. Raises CannotKeep."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        stated = json.dumps(asdict(about), ensure_ascii=False).encode()
        try:
            for ending, data in zip(_ENDINGS, (picture, strip, stated), strict=True):
                with written_whole(self._directory / f"{name}{ending}") as temporary:
                    temporary.write_bytes(data)
        except Exception as error:
            log.exception("the picture cannot be kept in %s", self._directory)
            self.remove(name)
            raise CannotKeep from error
        return self._shown(name, about)

    def find(self, name: str) -> Shown | None:
        """The picture with that id, unless it is gone, or never was."""
        if not ID.fullmatch(name):
            return None
        try:
            about = _about(json.loads((self._directory / f"{name}.json").read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("what is told of the picture %s cannot be read: %s", name, one_line(str(error)))
            return None
        if self.now() - about.made > KEPT_S:
            return None
        return self._shown(name, about)

    def sweep(self) -> int:
        """Remove what is older than a day, and what is left of pictures that were never whole; returns how many."""
        if not self._directory.is_dir():
            return 0
        files = [path for path in self._directory.iterdir() if path.is_file()]
        old = [path for path in files if self.now() - path.stat().st_mtime > KEPT_S]
        for path in old:
            path.unlink(missing_ok=True)
        return sum(path.suffix == ".json" for path in old)

    def remove(self, name: str) -> None:
        """Remove a picture, if it is there."""
        for ending in reversed(_ENDINGS):
            (self._directory / f"{name}{ending}").unlink(missing_ok=True)

    def _shown(self, name: str, about: About) -> Shown:
        return Shown(name, about, self._directory / f"{name}.png", self._directory / f"{name}.strip.png")


def _about(stated: dict[str, Any]) -> About:
    width, height = stated["size"]
    return About(**{**stated, "others": tuple(stated["others"]), "size": (int(width), int(height))})
