"""The tables of the database. Only the store knows them."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, BigInteger, ForeignKey, LargeBinary, String, TypeDecorator, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bot.storage.records import (
    AttachmentAddress,
    Ending,
    Erasure,
    GalleryCopy,
    GuildSettings,
    InteractionAddress,
    Job,
    JobState,
    Origin,
    Outcome,
    Place,
    ReplyAddress,
)
from bot.storage.story import Story
from core.events import HeardSummary
from core.hearing.strip import Strip
from core.options import ImagineOptions


class _Plain(TypeDecorator[object]):
    """A frozen dataclass (or None) as JSON."""

    impl = JSON
    cache_ok = True

    def __init__(self, kind: type) -> None:
        super().__init__(none_as_null=True)
        self.kind = kind
        self._adapter: TypeAdapter[object] = TypeAdapter(kind)

    def process_bind_param(self, value: object, dialect: Dialect) -> Any:
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> object:
        return None if value is None else self._adapter.validate_python(value)


class _Moment(TypeDecorator[datetime]):
    """A moment as seconds since 1970, read back with its time zone (UTC)."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else round(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


class _Cells(TypeDecorator[Strip]):
    """A strip as the bytes of its cells."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Strip | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.cells

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Strip | None:
        return None if value is None else Strip(value)


class Base(DeclarativeBase):
    """What all tables derive from."""


class JobRow(Base):
    """An accepted request."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime] = mapped_column(_Moment, index=True)
    user_id: Mapped[int] = mapped_column(BigInteger, index=True)
    guild_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    channel_id: Mapped[int] = mapped_column(BigInteger)
    locale: Mapped[str]
    filename: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    source_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    attachment: Mapped[AttachmentAddress | None] = mapped_column(_Plain(AttachmentAddress))
    asked: Mapped[bool] = mapped_column(server_default=text("1"))
    options: Mapped[ImagineOptions] = mapped_column(_Plain(ImagineOptions))
    heard: Mapped[HeardSummary | None] = mapped_column(_Plain(HeardSummary))
    reply: Mapped[ReplyAddress | None] = mapped_column(_Plain(ReplyAddress))
    reply_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    strip_of: Mapped[int | None]
    request_key: Mapped[str | None] = mapped_column(unique=True, index=True)
    run: Mapped[int] = mapped_column(server_default=text("0"))
    outcome: Mapped[Outcome | None] = mapped_column(_Plain(Outcome))
    picture: Mapped[str | None]
    ending: Mapped[Ending | None] = mapped_column(_Plain(Ending))
    interaction: Mapped[InteractionAddress | None] = mapped_column(_Plain(InteractionAddress))
    origin: Mapped[Origin | None] = mapped_column(_Plain(Origin))
    story: Mapped[Story | None] = mapped_column(_Plain(Story))

    def as_job(self) -> Job:
        """The row as a plain value."""
        values = {column.name: getattr(self, column.name) for column in fields(Job)}
        return Job(**{**values, "state": JobState(self.state)})


class RunRow(Base):
    """A start of the bot: what belongs to an earlier one was left by it, whatever the clock says."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    started: Mapped[datetime] = mapped_column(_Moment)


class StripRow(Base):
    """The strip of a sound that was heard."""

    __tablename__ = "strips"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    strip: Mapped[Strip] = mapped_column("cells", _Cells)


class LedgerRow(Base):
    """A request as limits count it. It outlives whatever is forgotten of the request, for an hour."""

    __tablename__ = "ledger"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(_Moment, index=True)
    job_id: Mapped[int] = mapped_column(index=True)
    user_id: Mapped[int] = mapped_column(BigInteger, index=True)
    guild_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    kind: Mapped[str] = mapped_column(String(16))


class ErasureRow(Base):
    """A message that is to be removed, or to lose what it tells."""

    __tablename__ = "erasures"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job_id: Mapped[int] = mapped_column(index=True)
    since: Mapped[datetime] = mapped_column(_Moment)
    place: Mapped[Place | None] = mapped_column(_Plain(Place))
    reply: Mapped[ReplyAddress | None] = mapped_column(_Plain(ReplyAddress))
    but_picture: Mapped[bool] = mapped_column(default=False)

    def as_erasure(self) -> Erasure:
        """The row as a plain value."""
        return Erasure(self.id, self.job_id, self.since, self.place, self.reply, self.but_picture)


class GalleryRow(Base):
    """A picture's copy in a server's gallery: nothing but by what it is found. It outlives the request."""

    __tablename__ = "gallery"

    original_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    channel_id: Mapped[int] = mapped_column(BigInteger, index=True)
    parent_id: Mapped[int | None] = mapped_column(BigInteger)
    guild_id: Mapped[int] = mapped_column(BigInteger, index=True)
    job_id: Mapped[int] = mapped_column(index=True)
    user_id: Mapped[int] = mapped_column(BigInteger, index=True)
    author_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    gallery_id: Mapped[int] = mapped_column(BigInteger)
    marker: Mapped[int] = mapped_column(BigInteger)
    after_id: Mapped[int] = mapped_column(BigInteger)
    copy_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    is_removed: Mapped[bool] = mapped_column(default=False)

    def as_copy(self) -> GalleryCopy:
        """The row as a plain value."""
        return GalleryCopy(**{column.name: getattr(self, column.name) for column in fields(GalleryCopy)})


class StarredRow(Base):
    """Somebody whose pictures others may share by marking them with a star."""

    __tablename__ = "starred"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class GuildRow(Base):
    """What a server's moderators chose."""

    __tablename__ = "guilds"

    guild_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    settings: Mapped[GuildSettings] = mapped_column(_Plain(GuildSettings))


class BlockRow(Base):
    """Whom a server does not want served."""

    __tablename__ = "blocks"

    guild_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class UnheardRow(Base):
    """Somebody who does not want to be listened to."""

    __tablename__ = "unheard"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class SpeechRow(Base):
    """What somebody allows with what they say, where that is not the usual."""

    __tablename__ = "speech"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    choice: Mapped[str] = mapped_column(String(16))


class LocaleRow(Base):
    """What somebody's Discord client speaks, as Discord says it."""

    __tablename__ = "locales"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    locale: Mapped[str] = mapped_column(String(16))


class ExportRow(Base):
    """When somebody was last sent what is kept about them."""

    __tablename__ = "exports"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(_Moment)


class NoteRow(Base):
    """Small facts by name: the synced commands' hash, and what has been said once already."""

    __tablename__ = "notes"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
