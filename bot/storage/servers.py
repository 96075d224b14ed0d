"""What a server's moderators chose, and whom they do not want served. It knows nothing of what that means."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from bot.storage.database import Database
from bot.storage.records import GuildSettings
from bot.storage.tables import BlockRow, GuildRow


class Servers:
    """Settings and block lists, by the server's id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settings(self, guild_id: int | None) -> GuildSettings:
        """A server's settings; the defaults for one without, and for direct messages."""
        if guild_id is None:
            return GuildSettings()
        async with self._database.read() as session:
            row = await session.get(GuildRow, guild_id)
            return row.settings if row else GuildSettings()

    async def change(self, guild_id: int, **changes: object) -> GuildSettings:
        """Change some of a server's settings; returns all of them."""

        def change(session: Session) -> GuildSettings:
            row = session.get(GuildRow, guild_id)
            settings = replace(row.settings if row else GuildSettings(), **changes)  # type: ignore[arg-type]
            session.merge(GuildRow(guild_id=guild_id, settings=settings))
            return settings

        return await self._database.writer.write(change)

    async def blocked(self, guild_id: int) -> tuple[int, ...]:
        """Whom a server's moderators blocked."""
        async with self._database.read() as session:
            found = select(BlockRow.user_id).where(BlockRow.guild_id == guild_id).order_by(BlockRow.user_id)
            return tuple(await session.scalars(found))

    async def is_blocked(self, guild_id: int, user_id: int) -> bool:
        """Whether a server does not want somebody served."""
        async with self._database.read() as session:
            return await session.get(BlockRow, (guild_id, user_id)) is not None

    async def block(self, guild_id: int, user_ids: Sequence[int]) -> None:
        """Serve these no more in a server."""
        blocked = [{"guild_id": guild_id, "user_id": user_id} for user_id in user_ids]
        if blocked:
            await self._database.execute(insert(BlockRow).values(blocked).on_conflict_do_nothing())

    async def unblock(self, guild_id: int, user_ids: Sequence[int]) -> None:
        """Serve these again."""
        await self._database.execute(
            delete(BlockRow).where(BlockRow.guild_id == guild_id, BlockRow.user_id.in_(user_ids))
        )
