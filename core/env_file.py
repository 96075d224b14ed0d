"""Names in `.env` that no setting has: typing errors, which would be ignored in silence.

It looks at the file alone: what other programs have in the environment is their business.
"""

from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import parse_stream

from core.log_lines import one_line
from core.settings import CoreSettings

OF_THE_BOT = frozenset({
    "ALLOWED_SERVERS", "BLOCKED_USERS", "CATCH_UP_MINUTES", "DATA_DIR", "DISCORD_TOKEN", "DRAIN_SECONDS",
    "EDIT_INTERVAL_S", "GIVE_UP_HOURS", "KEEP_DAYS", "MESSAGE_CONTENT", "PICTURES_PER_HOUR",
    "PICTURES_PER_SERVER_HOUR", "PICTURES_PER_USER_HOUR", "SHARD_COUNT", "WAITING_PER_SERVER",
    "WAITING_PER_USER",
})  # fmt: skip
"""What `bot/settings.py` reads from the same file; `tests/test_env_example.py` keeps it true."""
OF_COMPOSE = frozenset({"COMPOSE_PROFILES"})
"""What `docker compose` reads from it."""


def known_names() -> frozenset[str]:
    """Every name that means something in `.env`, in capitals."""
    return frozenset(map(str.upper, CoreSettings.model_fields)) | OF_THE_BOT | OF_COMPOSE


def complaints() -> list[str]:
    """A sentence for each name in the settings' file that means nothing."""
    file, names = CoreSettings.model_config.get("env_file"), known_names()
    if not isinstance(file, str | Path):
        return []
    return [_complaint(file, name, names) for name in dict.fromkeys(_names_in(Path(file))) if name.upper() not in names]


def _names_in(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8") as lines:
            return [found.key for found in parse_stream(lines) if found.key is not None]
    except (OSError, UnicodeDecodeError):  # whoever reads the settings says so, where it matters
        return []


def _complaint(file: str | Path, name: str, known: Collection[str]) -> str:
    nearest = get_close_matches(name.upper(), known, n=1)
    instead = f"did you mean {nearest[0]}?" if nearest else "see .env.example."
    return f"{file} sets {one_line(name)}, which is no setting and is ignored; {instead}"
