"""What people want of what is kept about them and of what they say; and which language they speak."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from bot.storage.database import Database
from bot.storage.forgetting import forget_words
from bot.storage.forgotten import Forgotten
from bot.storage.records import Job, SpeechChoice
from bot.storage.tables import ExportRow, JobRow, LocaleRow, SpeechRow, StripRow, UnheardRow
from core.hearing.strip import Strip


class People:
    """By the person's id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def kept_of(self, user_id: int) -> list[tuple[Job, Strip | None]]:
        """All jobs of a person, and of their recordings, with the strips of their sounds."""
        about = (JobRow.user_id == user_id) | (JobRow.author_id == user_id)
        query = select(JobRow, StripRow.strip).outerjoin(StripRow, StripRow.job_id == JobRow.id)
        async with self._database.read() as session:
            found = await session.execute(query.where(about).order_by(JobRow.id))
            return [(row.as_job(), strip) for row, strip in found]

    async def claim_export(self, user_id: int, now: datetime, every: timedelta) -> bool:
        """Whether a person has not been sent what is kept about them within `every`; notes that they are now."""

        def claim(session: Session) -> bool:
            last = session.get(ExportRow, user_id)
            if last is not None and last.at > now - every:
                return False
            session.merge(ExportRow(user_id=user_id, at=now))
            return True

        return await self._database.writer.write(claim)

    async def unclaim_export(self, user_id: int) -> None:
        """It could not be sent after all."""
        await self._database.execute(delete(ExportRow).where(ExportRow.user_id == user_id))

    async def is_unheard(self, user_id: int) -> bool:
        """Whether a person does not want to be listened to."""
        async with self._database.read() as session:
            return await session.get(UnheardRow, user_id) is not None

    async def set_unheard(self, user_id: int, *, unheard: bool) -> None:
        """Note that a person does not, or does again, want to be listened to."""
        if unheard:
            await self._database.execute(insert(UnheardRow).values(user_id=user_id).on_conflict_do_nothing())
        else:
            await self._database.execute(delete(UnheardRow).where(UnheardRow.user_id == user_id))

    async def speech(self, user_id: int) -> SpeechChoice:
        """What a person allows with what they say."""
        async with self._database.read() as session:
            row = await session.get(SpeechRow, user_id)
            return SpeechChoice(row.choice) if row else SpeechChoice.MINE

    async def set_speech(self, user_id: int, choice: SpeechChoice, now: datetime) -> None:
        """Note it. If they allow nothing any more, their words are forgotten at once."""

        def note(session: Session) -> None:
            if choice is SpeechChoice.NEVER:
                self._database.forgotten.add(session, Forgotten.WORDS, user_id, now)
                forget_words(session, user_id)
            session.merge(SpeechRow(user_id=user_id, choice=choice))

        await self._database.writer.write(note)

    async def locale(self, user_id: int) -> str | None:
        """What a person's client spoke when they last used the bot, as Discord says it; None where it is not known."""
        async with self._database.read() as session:
            row = await session.get(LocaleRow, user_id)
            return row.locale if row else None

    async def note_locale(self, user_id: int, locale: str, *, within_s: float) -> None:
        """Note which language a person's client speaks; where that is known, nothing is written. Raises CannotWrite."""
        if await self.locale(user_id) != locale:
            known = insert(LocaleRow).values(user_id=user_id, locale=locale)
            await self._database.execute(
                known.on_conflict_do_update(index_elements=[LocaleRow.user_id], set_={"locale": locale}),
                within_s=within_s,
            )
