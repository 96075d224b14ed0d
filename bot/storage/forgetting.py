"""What forgetting takes away, and what it leaves. Within a transaction of the store's."""

from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, case, delete, literal, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from bot.storage.forgotten import Chapter, Forgotten, carried_out, request_value
from bot.storage.records import JobState, ReplyAddress, SpeechChoice
from bot.storage.tables import (
    ErasureRow,
    ExportRow,
    GalleryRow,
    GuildRow,
    JobRow,
    LocaleRow,
    SpeechRow,
    StarredRow,
    StripRow,
)
from core.options import ImagineOptions


def forget_jobs(session: Session, job_ids: Sequence[int], now: datetime) -> None:
    """Nothing stays of the jobs but their keys, for an hour from now; copies of their pictures go from galleries."""
    withdraw_copies(session, GalleryRow.job_id.in_(job_ids), now)
    columns = (
        "guild_id",
        "author_id",
        "heard",
        "outcome",
        "picture",
        "attachment",
        "reply",
        "reply_id",
        "source_id",
        "strip_of",
        "origin",
        "story",
    )
    nothing = dict.fromkeys((*columns, "ending", "interaction"))
    nobody = {"user_id": 0, "channel_id": 0, "locale": "", "filename": "", "options": ImagineOptions()}
    mine = update(JobRow).where(JobRow.id.in_(job_ids))
    # the clock may have been set back since: the key has to last as long as what limits count
    latest = case((JobRow.created > now, JobRow.created), else_=literal(now, JobRow.created.type))
    session.execute(mine.values(**nothing, **nobody, state=JobState.FORGOTTEN, created=latest))
    session.execute(delete(StripRow).where(StripRow.job_id.in_(job_ids)))


def forget_recordings(session: Session, author_id: int, now: datetime) -> None:
    """What others made of somebody's recordings loses what was heard in them, and how it was painted; so do the
    messages that show it."""
    withdraw_copies(session, GalleryRow.author_id == author_id, now)
    rows = list(session.scalars(select(JobRow).where(JobRow.author_id == author_id)))
    theirs = [row.id for row in rows]
    shown = [row for row in rows if row.reply is not None]
    session.add_all(ErasureRow(job_id=row.id, since=now, reply=row.reply, but_picture=True) for row in shown)
    session.flush()
    what_was_heard = dict.fromkeys(
        ("heard", "outcome", "strip_of", "author_id", "source_id", "attachment", "origin", "story")
    )
    of_theirs = update(JobRow).where(JobRow.id.in_(theirs))
    session.execute(of_theirs.values(**what_was_heard, filename="", options=ImagineOptions()))
    session.execute(delete(StripRow).where(StripRow.job_id.in_(theirs)))


def forget_words(session: Session, speaker_id: int) -> None:
    """What somebody said is forgotten wherever it is kept, and not recognised in what still waits; the scenes of it,
    which are painted, stay."""
    is_theirs = (JobRow.author_id == speaker_id) | (JobRow.author_id.is_(None) & (JobRow.user_id == speaker_id))
    for row in session.scalars(select(JobRow).where(is_theirs)):
        is_known = row.heard is not None and row.heard.spoken is not None
        row.options = replace(row.options, said=None, spoken_words=row.options.spoken_words and is_known)
        row.heard = row.heard.without_words() if row.heard is not None else None


def forget_person(session: Session, user_id: int, now: datetime) -> int:
    """Nothing stays of what somebody asked for and chose, and of their recordings; returns how many jobs there were."""
    mine = list(session.scalars(select(JobRow.id).where(JobRow.user_id == user_id)))
    withdraw_copies(session, GalleryRow.user_id == user_id, now)  # also those whose request is forgotten already
    _withdraw_films(session, user_id, now)
    forget_jobs(session, mine, now)
    forget_recordings(session, user_id, now)
    for table in (ExportRow, LocaleRow, StarredRow):
        session.execute(delete(table).where(table.user_id == user_id))
    # that nothing is to be recognised is no less wanted now
    allowed = SpeechRow.user_id == user_id, SpeechRow.choice != SpeechChoice.NEVER
    session.execute(delete(SpeechRow).where(*allowed))
    return len(mine)


def _withdraw_films(session: Session, user_id: int, now: datetime) -> None:
    """Have the messages removed in which somebody's own voice is heard."""
    films = session.scalars(select(JobRow).where(JobRow.user_id == user_id, JobRow.story.is_not(None)))
    shown = [row for row in films if row.reply is not None]
    session.add_all(ErasureRow(job_id=row.id, since=now, reply=row.reply) for row in shown)
    session.flush()


def forget_server(session: Session, guild_id: int, now: datetime) -> None:
    """Nothing stays of what was asked for and chosen in a server that the bot has left; all messages there do."""
    session.execute(delete(GalleryRow).where(GalleryRow.guild_id == guild_id))
    forget_jobs(session, list(session.scalars(select(JobRow.id).where(JobRow.guild_id == guild_id))), now)
    session.execute(delete(GuildRow).where(GuildRow.guild_id == guild_id))


def withdraw_copies(session: Session, which: ColumnElement[bool], now: datetime) -> list[int]:
    """Have these copies removed from their galleries, and forget them; returns the jobs that they are of.

    One that is on its way is looked for.
    """
    copies = [row.as_copy() for row in session.scalars(select(GalleryRow).where(which))]
    for copy in copies:
        if not copy.is_removed:
            reply = ReplyAddress(copy.gallery_id, copy.copy_id) if copy.copy_id is not None else None
            session.add(ErasureRow(job_id=copy.job_id, since=now, place=copy.place, reply=reply))
    session.flush()
    session.execute(delete(GalleryRow).where(GalleryRow.original_id.in_([copy.original_id for copy in copies])))
    return [copy.job_id for copy in copies]


def forget_again(session: Session, chapters: Sequence[Chapter], now: datetime) -> int:
    """Forget what these chapters say and this database has not carried out: it is a copy from before that.

    Messages that were removed then are removed once more, if they should still be there. Returns how many requests,
    people and servers were forgotten.
    """
    done, count = carried_out(session), 0
    for chapter in chapters:
        first = done.get(chapter.name, 0) + 1
        digests = {line.digest for line in chapter.lines if line.number >= first}
        if not {*range(first, chapter.last + 1)} <= {line.number for line in chapter.lines}:
            _forget_what_people_allow(session)
        if not digests:
            continue
        is_listed = partial(_is_listed, chapter, digests)
        for user_id in _people_in(session):
            if is_listed(Forgotten.PERSON, user_id):
                forget_person(session, user_id, now)
                count += 1
            if is_listed(Forgotten.WORDS, user_id):
                forget_words(session, user_id)
                session.merge(SpeechRow(user_id=user_id, choice=SpeechChoice.NEVER))
                count += 1
        for guild_id in _found(session, JobRow.guild_id, GuildRow.guild_id, GalleryRow.guild_id):
            if is_listed(Forgotten.SERVER, guild_id):
                forget_server(session, guild_id, now)
                count += 1
        kept = session.scalars(select(JobRow).where(JobRow.state != JobState.FORGOTTEN))
        withdrawn = [row for row in kept if is_listed(Forgotten.REQUEST, request_value(row.id, row.created))]
        shown = [row for row in withdrawn if row.reply is not None]
        session.add_all(ErasureRow(job_id=row.id, since=now, reply=row.reply) for row in shown)
        session.flush()
        forget_jobs(session, [row.id for row in withdrawn], now)
        count += len(withdrawn)
    return count


def _forget_what_people_allow(session: Session) -> None:
    """The copy is older than the list: some who had themselves forgotten since are not on it any more. All requests
    from then are too old to be kept anyway, but what people chose has no age."""
    for table in (ExportRow, LocaleRow, StarredRow):
        session.execute(delete(table))
    session.execute(delete(SpeechRow).where(SpeechRow.choice != SpeechChoice.NEVER))


def _is_listed(chapter: Chapter, digests: Set[str], what: Forgotten, value: object) -> bool:
    return chapter.digest(what, str(value)) in digests


def _people_in(session: Session) -> list[int]:
    """Everybody of whom anything is kept."""
    in_jobs = JobRow.user_id, JobRow.author_id, GalleryRow.user_id, GalleryRow.author_id
    return _found(session, *in_jobs, LocaleRow.user_id, StarredRow.user_id, SpeechRow.user_id, ExportRow.user_id)


def _found(session: Session, *columns: InstrumentedAttribute[Any]) -> list[int]:
    found = {number for column in columns for number in session.scalars(select(column).distinct())}
    return sorted(number for number in found if number)
