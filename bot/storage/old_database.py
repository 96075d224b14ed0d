"""A database from a backup, made fit to be used again: of today's schema, and without what was forgotten since.

Nobody's refusal is taken back by it, and what has waited for an answer for too long is not answered any more: it may
have been long ago. Everything here blocks.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, delete, event, update
from sqlalchemy.orm import Session

from bot.storage.database import StoreUnusable, bring_up_to_date, prepare_connection
from bot.storage.forgetting import forget_again
from bot.storage.forgotten import Chapter, note_carried_out
from bot.storage.records import JobState, SpeechChoice
from bot.storage.tables import JobRow, SpeechRow, StarredRow, UnheardRow
from bot.storage.upgrade import UnknownSchema, is_current, is_known


def make_fit(
    database: Path, present: Path, chapters: Sequence[Chapter], now: datetime, answered_since: datetime
) -> int:
    """Make the file fit to take the place of `present`, which need not be there; returns how much was forgotten again.

    What was asked for before `answered_since` is not answered any more. Raises StoreUnusable, which says why, and
    SQLite's and SQLAlchemy's DatabaseError.
    """
    _check(database)
    bring_up_to_date(database, with_copy=False)
    too_old = JobRow.state == JobState.WAITING, JobRow.created < answered_since
    nothing = dict.fromkeys(("picture", "attachment", "interaction", "ending"))
    with _written(database) as session:
        count = forget_again(session, chapters, now)
        note_carried_out(session, {chapter.name: chapter.last for chapter in chapters})
        session.execute(update(JobRow).where(*too_old).values(state=JobState.FAILED, **nothing))
        if present.is_file():
            _keep_choices(session, present)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM")  # nothing of what was forgotten stays in the file
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return count


def _check(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        if connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
            raise StoreUnusable("its database is damaged")
    engine = create_engine(f"sqlite:///{database}")
    try:
        with engine.connect() as connected:
            if not is_known(connected):
                raise StoreUnusable("its database is none of imagine-sound's")
            is_current(connected)
    except UnknownSchema as error:
        raise StoreUnusable(
            "it was made by a newer version of imagine-sound, which has to be installed first"
        ) from error
    finally:
        engine.dispose()


@contextmanager
def _written(database: Path) -> Iterator[Session]:
    engine = create_engine(f"sqlite:///{database}")
    event.listen(engine, "connect", prepare_connection)
    try:
        with Session(engine) as session, session.begin():
            yield session
    finally:
        engine.dispose()


def _keep_choices(session: Session, present: Path) -> None:
    """What people refuse in the present database they refuse, and what they allow has to be allowed in both.

    One in which nobody has asked for anything allows nothing less. One that cannot be read says nothing.
    """
    speech = _rows(present, "SELECT user_id, choice FROM speech")
    for (user_id,) in _rows(present, "SELECT user_id FROM unheard"):
        session.merge(UnheardRow(user_id=user_id))
    if _rows(present, "SELECT 1 FROM jobs LIMIT 1"):
        starred = [user_id for (user_id,) in _rows(present, "SELECT user_id FROM starred")]
        session.execute(delete(StarredRow).where(StarredRow.user_id.not_in(starred)))
        anyone = [user_id for user_id, choice in speech if choice == SpeechChoice.ANYONE]
        told_to_all = SpeechRow.choice == SpeechChoice.ANYONE, SpeechRow.user_id.not_in(anyone)
        session.execute(delete(SpeechRow).where(*told_to_all))
    for user_id in (user_id for user_id, choice in speech if choice == SpeechChoice.NEVER):
        session.merge(SpeechRow(user_id=user_id, choice=SpeechChoice.NEVER))


def _rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    try:
        with closing(sqlite3.connect(database)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.DatabaseError:
        return []
