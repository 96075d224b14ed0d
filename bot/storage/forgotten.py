"""The list of what was forgotten on request, beside the database, so that no backup brings it back.

A line is written before the transaction that forgets is committed, and the transaction notes the line's number in the
database: what a backup does not know yet is what has a higher number than its own note, whatever the clocks say. A
request that was withdrawn, a person who pressed *Forget me* or chose that nothing they say is recognised, and a server
that removed the bot have a line each, for as long as backups are good for anything.

What the hash hides, and what not. A line names nobody: it is an HMAC-SHA256 of the id under a random key, and without
the key nothing can be learnt from it, not even by trying all ids. But the key stands in the same file, for the list has
to be applied on the machine that keeps it. Whoever reads the file, or a backup, which carries it, can ask of an id that
they know already whether it is there, and could try all of Discord's: there are fewer than 2^64, and those in use are
far fewer still. So the list hides ids from a glance and from whoever sees a line of it somewhere, and not from somebody
who has the data directory; it is as private as the database beside it.
"""

import errno
import hashlib
import hmac
import json
import logging
import os
import secrets
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from bot.storage.files import sync_directory
from bot.storage.tables import NoteRow

log = logging.getLogger(__name__)

FILE = "forgotten.jsonl"
NOTE = "forgotten"
"""The note that holds, for each list, the number of the last line that the database has carried out."""
DIGITS = 32


class Forgotten(StrEnum):
    """What a line is about."""

    REQUEST = "request"
    PERSON = "person"
    WORDS = "words"
    """What a person said, and they want nothing recognised any more."""
    SERVER = "server"


@dataclass(frozen=True)
class Line:
    """One thing that was forgotten. `digest` is the keyed hash of what it was."""

    number: int
    on: date
    what: Forgotten
    digest: str


@dataclass(frozen=True)
class Chapter:
    """The lines that were written under one key. A list has several where backups of several bots came together."""

    name: str
    key: bytes
    lines: tuple[Line, ...] = ()
    last: int = 0
    """The highest number that was ever given, also where its line has gone."""

    def digest(self, what: Forgotten, value: str) -> str:
        """The keyed hash by which `value` is known here."""
        return hmac.new(self.key, f"{what}:{value}".encode(), hashlib.sha256).hexdigest()[:DIGITS]


class ListDamaged(Exception):
    """The file is no such list: without its key nothing in it can be recognised."""


def new_chapter() -> Chapter:
    """One without lines, under a new key."""
    return Chapter(secrets.token_hex(8), secrets.token_bytes(32))


def request_value(job_id: int, created: datetime) -> str:
    """By what a request is known. Its number alone may be given again after a restore."""
    return f"{job_id}:{round(created.timestamp() * 1000)}"


def parse(text: str) -> list[Chapter]:
    """The chapters in a list's text. A line that was cut off by the process's end is no line. Raises ListDamaged."""
    chapters: list[tuple[Chapter, list[Line]]] = []
    for row in text.splitlines():
        try:
            found = json.loads(row)
            if "key" in found:
                chapters.append((Chapter(found["list"], bytes.fromhex(found["key"]), (), int(found["last"])), []))
                continue
            line = Line(int(found["n"]), date.fromisoformat(found["on"]), Forgotten(found["what"]), found["hash"])
        except (ValueError, KeyError, TypeError):
            log.warning("a line of the list of what was forgotten cannot be read, and is left out")
            continue
        if not chapters:
            raise ListDamaged
        chapters[-1][1].append(line)
    if text.strip() and not chapters:
        raise ListDamaged
    return [with_lines(chapter, lines) for chapter, lines in chapters]


def with_lines(chapter: Chapter, lines: Iterable[Line]) -> Chapter:
    """The chapter with these lines, too."""
    all_lines = tuple(sorted({*chapter.lines, *lines}, key=lambda line: (line.number, line.digest)))
    return replace(chapter, lines=all_lines, last=max([chapter.last, *(line.number for line in all_lines)]))


def render(chapters: Sequence[Chapter]) -> str:
    """The list's text; new lines belong to the last chapter."""
    rows: list[str] = []
    for chapter in chapters:
        rows.append(json.dumps({"list": chapter.name, "key": chapter.key.hex(), "last": chapter.last}))
        rows += (_row(line) for line in chapter.lines)
    return "".join(f"{row}\n" for row in rows)


def merged(ours: Sequence[Chapter], theirs: Sequence[Chapter]) -> list[Chapter]:
    """Both lists in one, in which ours is gone on with; or theirs, if there is none of ours."""
    all_of = {chapter.name: chapter for chapter in (*theirs, *ours)}
    for chapter in theirs:
        known = all_of[chapter.name]
        all_of[chapter.name] = replace(with_lines(known, chapter.lines), last=max(known.last, chapter.last))
    return sorted(all_of.values(), key=lambda chapter: chapter.name == ours[-1].name) if ours else list(all_of.values())


def carried_out(session: Session) -> Mapping[str, int]:
    """For each chapter by its name, the number of the last line that this database has carried out."""
    note = session.get(NoteRow, NOTE)
    return {} if note is None else json.loads(note.value)


def note_carried_out(session: Session, numbers: Mapping[str, int]) -> None:
    """Note that all lines up to these numbers have been."""
    session.merge(NoteRow(name=NOTE, value=json.dumps(dict(carried_out(session)) | dict(numbers))))


class ForgottenList:
    """The list in a file that only its owner reads. `open` before use. Everything here blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._chapter = new_chapter()
        self._open: dict[str, int] = {}
        """The lines whose transaction may not have been committed."""

    def open(self) -> None:
        """Make the file, if there is none. Raises OSError, and ListDamaged where it is no such list."""
        with self._lock:
            chapters = read_list(self._path) or [self._chapter]
            self._chapter = replace(chapters[-1], lines=())
            write_list(self._path, chapters)

    def add(self, session: Session, what: Forgotten, value: object, now: datetime) -> None:
        """Write down that `value` is forgotten by the transaction of `session`. Raises OSError.

        A transaction that is tried again has the line that it had.
        """
        digest = self._chapter.digest(what, str(value))
        done = carried_out(session).get(self._chapter.name, 0)
        with self._lock:
            self._open = {known: number for known, number in self._open.items() if number > done}
            number = self._open.get(digest)
            if number is None:
                number = self._chapter.last + 1
                self._append(Line(number, now.astimezone(UTC).date(), what, digest))
                self._chapter = replace(self._chapter, last=number)
                self._open[digest] = number
        note_carried_out(session, {self._chapter.name: max(number, done)})

    def _append(self, line: Line) -> None:
        row = f"{_row(line)}\n".encode()
        with self._path.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                if file.write(row) != len(row):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)  # the next line would be a part of this one
                raise

    def prune(self, before: date) -> None:
        """Remove the lines from before then: no backup that is so old is good for anything. Raises OSError."""
        with self._lock:
            chapters = read_list(self._path)
            kept = [_since(chapter, before) for chapter in chapters]
            kept = [chapter for chapter in kept if chapter.lines or chapter.name == self._chapter.name]
            if kept != chapters:
                write_list(self._path, kept)


def _since(chapter: Chapter, first: date) -> Chapter:
    return replace(chapter, lines=tuple(line for line in chapter.lines if line.on >= first))


def read_list(path: Path) -> list[Chapter]:
    """The chapters in the file; none where it is not there. Raises OSError and ListDamaged."""
    try:
        return parse(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise ListDamaged from error


def write_list(path: Path, chapters: Sequence[Chapter]) -> None:
    """Write the whole file anew, or leave it as it is. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(render(chapters))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _row(line: Line) -> str:
    found: dict[str, Any] = {"n": line.number, "on": line.on.isoformat(), "what": line.what, "hash": line.digest}
    return json.dumps(found)
