"""How long each thing in the database and beside it is kept: the sweep, the privacy text and the docs are made from it.

A column or a file that is missing here fails a test: nothing is kept of which nobody has said for how long.
"""

from collections.abc import Mapping
from enum import Enum


class Lifetime(Enum):
    """Until when something is kept; what it is called in the texts."""

    ANSWERED = "until the request is answered"
    KEEP_DAYS = "for KEEP_DAYS days, or until it is deleted or forgotten"
    HOUR = "for an hour"
    HOUR_AFTER_FORGETTING = "as long as the request is kept, and for an hour after it was forgotten"
    REMOVED = "until the message is removed, at most a day"
    COPY = "as long as the picture's message and its copy in the gallery, or until it is forgotten"
    SERVER = "until the server removes the bot"
    MODERATORS = "until the server's moderators take it back"
    PERSON = "until the person takes it back"
    FORGET_ME = "until the person presses *Forget me*"
    DAY = "for a day"
    WEEK = "for a week; what was forgotten since then is in it"
    BACKUPS = "for KEEP_DAYS days, eight at least"
    OPERATOR = "until whoever runs the bot removes it"
    ALWAYS = "always; it says nothing of anybody"


_A, _K, _H = Lifetime.ANSWERED, Lifetime.KEEP_DAYS, Lifetime.HOUR

LIFETIMES: Mapping[str, Mapping[str, Lifetime]] = {
    "jobs": {
        **dict.fromkeys(("id", "request_key", "created", "state", "run"), Lifetime.HOUR_AFTER_FORGETTING),
        **dict.fromkeys(("attachment", "picture", "ending", "interaction", "attempts"), _A),
        **dict.fromkeys(
            ("user_id", "author_id", "guild_id", "channel_id", "locale", "filename", "source_id", "asked"), _K
        ),
        **dict.fromkeys(("options", "heard", "reply", "reply_id", "strip_of", "origin", "outcome", "story"), _K),
    },
    "strips": dict.fromkeys(("job_id", "cells"), _K),
    "ledger": dict.fromkeys(("id", "at", "job_id", "user_id", "guild_id", "kind"), _H),
    "erasures": dict.fromkeys(("id", "job_id", "since", "place", "reply", "but_picture"), Lifetime.REMOVED),
    "gallery": dict.fromkeys(
        (
            *("original_id", "channel_id", "parent_id", "guild_id", "job_id", "user_id", "author_id"),
            *("gallery_id", "marker", "after_id", "copy_id", "is_removed"),
        ),
        Lifetime.COPY,
    ),
    "starred": {"user_id": Lifetime.FORGET_ME},
    "guilds": dict.fromkeys(("guild_id", "settings"), Lifetime.SERVER),
    "blocks": dict.fromkeys(("guild_id", "user_id"), Lifetime.MODERATORS),
    "unheard": {"user_id": Lifetime.PERSON},
    "speech": dict.fromkeys(("user_id", "choice"), Lifetime.PERSON),
    "locales": dict.fromkeys(("user_id", "locale"), Lifetime.FORGET_ME),
    "exports": dict.fromkeys(("user_id", "at"), Lifetime.DAY),
    "notes": dict.fromkeys(("name", "value"), Lifetime.ALWAYS),
    "runs": dict.fromkeys(("id", "started"), Lifetime.ALWAYS),
}
"""By table and column."""

FILES: Mapping[str, Lifetime] = {
    "work/": Lifetime.ANSWERED,
    "backups/": Lifetime.WEEK,
    "forgotten.jsonl": Lifetime.BACKUPS,
    "restarts.txt": Lifetime.HOUR,
    "blocked-words.txt": Lifetime.OPERATOR,
    "settings-of-the-backup.env": Lifetime.OPERATOR,
    "watermark.key": Lifetime.OPERATOR,
    "c2pa.pem": Lifetime.OPERATOR,
}
"""What lies beside the database, but for what SQLite and the lock need while the bot runs."""
