"""Databases from before Alembic: version 1 is taken to 2, which is Alembic's first revision.

Plain SQL and JSON: it knows what each version looked like, and nothing of the classes of today.
"""

import json
from typing import Any

from sqlalchemy import Connection

LAST_EARLY_VERSION = 2
"""Kept in the file's `user_version`, which says nothing any more of later files."""


def version_of(connection: Connection) -> int:
    """The schema's version; 0 for a file without tables."""
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def migrate(connection: Connection) -> None:
    """Take the database to LAST_EARLY_VERSION. The caller has begun the transaction and commits it."""
    if version_of(connection) == 1:
        _from_1_to_2(connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {LAST_EARLY_VERSION}")


def _from_1_to_2(connection: Connection) -> None:
    """What was heard holds its prompt; whether anybody asked has a column; notes are keys with values."""
    connection.exec_driver_sql("ALTER TABLE jobs ADD COLUMN asked BOOLEAN NOT NULL DEFAULT 1")
    rows = connection.exec_driver_sql("SELECT id, options, heard, prompt, reply, outcome FROM jobs").fetchall()
    for number, *columns in rows:
        options, heard, prompt, reply, outcome = (json.loads(column or "null") for column in columns)
        changed = {
            "asked": not options.pop("unasked", False),
            "options": json.dumps(_renamed(options, "seconds", "max_seconds")),
            "heard": json.dumps(_heard_2(heard, prompt, options)) if heard is not None else None,
            "reply": json.dumps(_renamed(reply, "sheltered", "confined")) if reply is not None else None,
            "outcome": json.dumps(_outcome_2(outcome)) if outcome is not None else None,
        }
        names = ", ".join(f"{name} = ?" for name in changed)
        connection.exec_driver_sql(f"UPDATE jobs SET {names} WHERE id = ?", (*changed.values(), number))
    connection.exec_driver_sql("ALTER TABLE jobs DROP COLUMN prompt")


def _renamed(stored: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {(new if key == old else key): value for key, value in stored.items()}


def _heard_2(heard: dict[str, Any], prompt: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    chosen_words = options.get("prompt") is not None
    windows = [
        {
            "timestamp_ms": window["timestamp_ms"],
            "categories": [{"name": name, "score": score} for name, score in window["labels"]],
        }
        for window in heard["windows"]
    ]
    style = None if chosen_words else options.get("style") or "none"
    return {**heard, "windows": windows, "prompt": prompt, "style": style}


def _outcome_2(outcome: dict[str, Any]) -> dict[str, Any]:
    """Notes were sentences in the asker's language. All but one are told anew from what is stored beside them."""
    cut = [note for note in outcome.get("notes", []) if note.startswith("The prompt was too long")]
    return {**outcome, "notes": [{"key": "verbatim", "values": {"text": note}} for note in cut]}
