"""What only Discord needs, from the environment and the same `.env` as `core/settings.py`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from core.settings import ServiceSettings


class BotSettings(ServiceSettings):
    """The bot's own settings; what each server may choose for itself is in `store.GuildSettings`."""

    discord_token: SecretStr | None = Field(
        None, description="The bot's token from https://discord.com/developers/applications (see docs/discord.md)."
    )
    message_content: bool = Field(
        True,
        description="Whether to ask for the message content intent. Without it the bot answers commands, the message "
        "menu, mentions and direct messages only.",
    )
    shard_count: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How many gateway shards to run; empty: as many as Discord recommends."
    )
    blocked_users: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="Ids of users whom this bot serves nowhere, separated by commas."
    )

    allowed_servers: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="Ids of the only servers in which this bot serves anybody, separated by commas; empty: all."
    )

    edit_interval_s: Annotated[float, Field(ge=0, le=60)] = Field(
        2.0, description="A channel's messages are edited at most once in this many seconds (Discord's limit is near)."
    )
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = Field(
        5.0, description="On SIGTERM, how long pictures in the making may take; the rest is resumed at the next start."
    )
    give_up_hours: Annotated[float, Field(gt=0)] = Field(
        24.0, description="Accepted requests that could not be answered for so many hours are given up."
    )
    catch_up_minutes: Annotated[float, Field(ge=0)] = Field(
        60.0,
        description="After a start or a broken connection, what was posted within so many minutes before is taken up; "
        "0: nothing is.",
    )

    @field_validator("blocked_users", "allowed_servers", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part for part in value.replace(",", " ").split()) if isinstance(value, str) else value

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "imagine-sound.sqlite3"
