"""Runs ffmpeg for a film: in the cage, in one directory, with one thread, and no longer than somebody wants the film.

It knows what its end means, but neither pictures nor sounds.
"""

import errno
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import IO

from core.errors import Cancelled, DecoderUnusable, FilmFailed, NoSpaceForFilm
from core.hearing.decoding.child import CannotStart, Ended, Ending, feed_child, run_child
from core.hearing.decoding.decoder import find_ffmpeg
from core.hearing.decoding.walls import Workshop, caged, walls_around

log = logging.getLogger(__name__)

PATIENCE_S = 30.0
"""An encoder that takes nothing for so long is killed."""
_CPU_A_SECOND = 4.0
"""Processor seconds that a second of film may cost: many times what it does."""
_START_S = 30.0
_MOST_KEPT = 64 << 10

_CAREFULLY = (
    *("-y", "-nostdin", "-nostats", "-hide_banner", "-loglevel", "level+info"),
    *("-threads", "1", "-filter_threads", "1", "-filter_complex_threads", "1"),
)
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")


class Encoder:
    """ffmpeg in its workshop, as often as a film of `seconds` needs it.

    Its methods return the last 64 kB of what it said, and raise FilmFailed, NoSpaceForFilm, and Cancelled once `stop`
    is set.
    """

    def __init__(self, workshop: Workshop, seconds: float, stop: threading.Event) -> None:
        self._workshop = workshop
        self._most_s = _START_S + _CPU_A_SECOND * seconds
        self._stop = stop
        try:
            self._ffmpeg = find_ffmpeg()
        except DecoderUnusable as error:
            raise FilmFailed from error
        walls_around(self._ffmpeg)

    def read(self, source: IO[bytes], arguments: Sequence[str]) -> str:
        """Run it with `source` as its standard input, in which it can seek."""
        talk, until = _Talk(), monotonic() + self._most_s
        with self._starting():
            command = self._command(arguments)
            ended = run_child(command, source, lambda _: True, talk.add, until=until, stop=self._stop)
        return self._judged(ended, talk)

    def feed(self, pieces: Iterable[bytes], arguments: Sequence[str]) -> str:
        """Run it with `pieces` coming through its standard input."""
        talk = _Talk()
        with self._starting():
            command = self._command(arguments)
            ended = feed_child(command, pieces, talk.add, patience_s=PATIENCE_S, stop=self._stop)
        return self._judged(ended, talk)

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return caged([self._ffmpeg, *_CAREFULLY, *arguments], self._most_s, self._workshop)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        if self._stop.is_set():
            raise Cancelled
        try:
            yield
        except CannotStart as error:
            raise FilmFailed from error

    def _judged(self, ended: Ended, talk: "_Talk") -> str:
        if ended.why is Ending.STOPPED or self._stop.is_set():
            raise Cancelled
        log.debug("ffmpeg: %s", ended)
        said = talk.text
        if ended.why is Ending.BY_ITSELF and ended.status == 0:
            return said
        log.error("no film: %s; ffmpeg said: %s", ended, said[-2000:])
        raise NoSpaceForFilm if any(words in said for words in _FULL) else FilmFailed


class _Talk:
    """The end of what was said."""

    def __init__(self) -> None:
        self._said = bytearray()

    def add(self, said: bytes) -> bool:
        self._said += said
        del self._said[:-_MOST_KEPT]
        return True

    @property
    def text(self) -> str:
        return self._said.decode(errors="replace")


@contextmanager
def telling_of_full_disks() -> Iterator[None]:
    """What is written here is written for a film: raises NoSpaceForFilm for a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoSpaceForFilm from error
        raise
