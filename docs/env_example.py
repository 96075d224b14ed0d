"""Prints `.env.example` from the settings' own descriptions: `python -m docs.env_example > .env.example`."""

import textwrap
from enum import StrEnum
from pathlib import Path

from pydantic_settings import BaseSettings

from bot.settings import BotSettings
from core.settings import FORMER, CoreSettings, ServiceSettings

HEAD = """\
# Every setting of imagine-sound. Copy this file to .env and change what you like; only DISCORD_TOKEN is needed,
# and only for the bot. A line that begins with # is at its default. The environment wins over .env.
"""


def render() -> str:
    """The whole file."""
    parts = [
        HEAD,
        "# ---- Discord",
        *_lines(BotSettings),
        "# ---- Discord and the page",
        *_lines(ServiceSettings),
        "# ---- Hearing, painting, and the page alone",
        *_lines(CoreSettings),
    ]
    return "\n".join(parts)


def _lines(settings: type[BaseSettings]) -> list[str]:
    """The settings that a class has of its own, or all of what others share."""
    shared = ServiceSettings.model_fields.keys() if settings is not ServiceSettings else ()
    lines: list[str] = []
    for name, field in settings.model_fields.items():
        if name in shared or field.json_schema_extra == FORMER:
            continue
        lines += textwrap.wrap(field.description or "", 118, initial_indent="# ", subsequent_indent="# ")
        default = None if field.default_factory is not None else field.default
        needed = "" if name == "discord_token" else "#"
        lines += [f"{needed}{name.upper()}={_shown(default)}", ""]
    return lines


def _shown(value: object) -> str:
    match value:
        case None | ():
            return ""
        case bool():
            return "on" if value else "off"
        case StrEnum() | Path():
            return str(value)
        case float():
            return f"{value:g}"
    return str(value)


if __name__ == "__main__":
    print(render(), end="")
