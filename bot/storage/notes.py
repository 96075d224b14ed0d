"""Small facts by name, and what has been said once already. What has been said is in memory, too: it is asked often."""

from contextlib import suppress

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from bot.storage.database import Database
from bot.storage.tables import NoteRow
from bot.storage.writer import CannotWrite

NOTED_WITHIN_S = 1.0
SAID = "said:"
"""The names of notes that stand for something that was said once."""


class Notes:
    """`open` before use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._said: set[str] = set()

    async def open(self) -> None:
        """Read what has been said."""
        said = select(NoteRow.name).where(NoteRow.name.startswith(SAID, autoescape=True))
        async with self._database.read() as session:
            self._said = set(await session.scalars(said))

    async def value(self, name: str) -> str | None:
        """A small fact by its name."""
        async with self._database.read() as session:
            return await session.scalar(select(NoteRow.value).where(NoteRow.name == name))

    async def set_value(self, name: str, value: str) -> None:
        """Write a small fact down."""
        noted = insert(NoteRow).values(name=name, value=value)
        await self._database.execute(noted.on_conflict_do_update(index_elements=[NoteRow.name], set_={"value": value}))

    async def check(self, within_s: float) -> None:
        """Write something down. Raises CannotWrite where that cannot be done within so many seconds."""
        noted = insert(NoteRow).values(name="checked", value="")
        checked = noted.on_conflict_do_update(index_elements=[NoteRow.name], set_={"value": ""})
        await self._database.execute(checked, within_s=within_s)

    async def claim(self, name: str) -> bool:
        """True the first time it is asked for `name`; `reset` makes it so again.

        Where that cannot be written down soon, it is remembered until the next start only.
        """
        if SAID + name in self._said:
            return False
        self._said.add(SAID + name)
        with suppress(CannotWrite):
            noted = insert(NoteRow).values(name=SAID + name, value="").on_conflict_do_nothing()
            await self._database.execute(noted, within_s=NOTED_WITHIN_S)
        return True

    async def reset(self, prefix: str) -> None:
        """Let everything be said again whose name begins with `prefix`."""
        said = {name for name in self._said if name.startswith(SAID + prefix)}
        if said:
            self._said -= said
            await self._database.execute(delete(NoteRow).where(NoteRow.name.in_(said)))
