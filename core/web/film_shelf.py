"""The page's films as files beside its pictures, with which they are swept: gone after a day.

A film is `ID.mp4`, its poster `ID.poster.jpg`, and what is told of it `ID.film.json`, which is written last. Everything
here blocks: run it in a thread. A film has a recording's sound in it, so that each is found by its own browser alone.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import StoryError
from core.files import copied_whole, written_whole
from core.log_lines import one_line
from core.web.shelf import ID, KEPT_S, Shelf

log = logging.getLogger(__name__)

_ENDINGS = (".mp4", ".poster.jpg", ".film.json")


class CannotKeepFilm(StoryError):
    """The disk is full, say. The sentence names no path."""

    sentence = "The film is made but cannot be kept; whoever runs this page finds the reason in its log."


@dataclass(frozen=True)
class Chapter:
    """A scene of a film: when it begins, in seconds, and what is heard in it."""

    begins_s: float
    title: str


@dataclass(frozen=True)
class AboutFilm:
    """What is told of a film, which is `seconds` long. `of` is the request for the picture that it was asked for from.

    `size` in pixels; `made` in seconds since the epoch; `lost`: how many scenes could not be painted. It begins at
    `begins_s` of a recording that was longer where `shortened` says so. `is_covered` until somebody wants to see it.
    """

    of: str
    chapters: tuple[Chapter, ...]
    seconds: float
    size: tuple[int, int]
    made: float
    lost: int = 0
    begins_s: float = 0.0
    shortened: bool = False
    is_covered: bool = False


@dataclass(frozen=True)
class ShownFilm:
    """A film that is there."""

    id: str
    about: AboutFilm
    film: Path
    poster: Path


class FilmShelf:
    """All films in `directory`, which `shelf` sweeps."""

    def __init__(self, directory: Path, shelf: Shelf) -> None:
        self._directory = directory
        self._shelf = shelf

    @property
    def now(self) -> float:
        """In seconds since the epoch."""
        return self._shelf.now()

    def keep(self, name: str, browser: str, film: Path, poster: bytes, about: AboutFilm) -> ShownFilm:
        """Put a copy of a film there, whole, for `browser` alone. Raises CannotKeepFilm."""
        stated = json.dumps({"owner": _hidden(browser), **asdict(about)}, ensure_ascii=False).encode()
        shown = self._shown(name, about)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            copied_whole(film, shown.film)
            for path, data in ((shown.poster, poster), (self._told(name), stated)):
                with written_whole(path) as temporary:
                    temporary.write_bytes(data)
        except Exception as error:
            log.exception("the film cannot be kept in %s", self._directory)
            self.remove(name)
            raise CannotKeepFilm from error
        return shown

    def find(self, name: str, browser: str) -> ShownFilm | None:
        """That browser's film with that id, unless it is gone, or never was."""
        if not ID.fullmatch(name) or not browser:
            return None
        try:
            stated = json.loads(self._told(name).read_bytes())
            owner = stated.pop("owner")
            chapters = tuple(Chapter(**chapter) for chapter in stated.pop("chapters"))
            width, height = stated.pop("size")
            about = AboutFilm(**stated, chapters=chapters, size=(int(width), int(height)))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("what is told of the film %s cannot be read: %s", name, one_line(str(error)))
            return None
        if owner != _hidden(browser) or self.now - about.made > KEPT_S:
            return None
        return self._shown(name, about)

    def remove(self, name: str) -> None:
        """Remove a film, if it is there."""
        for ending in reversed(_ENDINGS):
            (self._directory / f"{name}{ending}").unlink(missing_ok=True)

    def _told(self, name: str) -> Path:
        return self._directory / f"{name}.film.json"

    def _shown(self, name: str, about: AboutFilm) -> ShownFilm:
        return ShownFilm(name, about, self._directory / f"{name}.mp4", self._directory / f"{name}.poster.jpg")


def _hidden(browser: str) -> str:
    """Who reads the disk cannot come as that browser."""
    return hashlib.sha256(browser.encode()).hexdigest()
