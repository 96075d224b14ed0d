"""Brings the database's file to the schema of today: all of it in one transaction, with a copy of the file before.

A file from before Alembic is taken to its first revision by hand (`early_versions.py`). Each later step is a file in
`revisions/versions`.
"""

import logging
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.storage.early_versions import LAST_EARLY_VERSION, migrate, version_of

log = logging.getLogger(__name__)

FIRST_REVISION = "0001"
KEEP_BACKUPS_S = 7 * 24 * 3600


class UnknownSchema(Exception):
    """A newer version of the bot wrote the file."""


def revision_of(connection: Connection) -> str | None:
    """The file's revision; None for one from before Alembic, and for a new one. Raises UnknownSchema."""
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in _scripts().walk_revisions()}
    if version_of(connection) > LAST_EARLY_VERSION or (revision is not None and revision not in known):
        raise UnknownSchema
    return revision


def is_current(connection: Connection) -> bool:
    """Whether nothing is to be done. Raises UnknownSchema."""
    return revision_of(connection) == _scripts().get_current_head()


def upgrade(connection: Connection) -> None:
    """Take the file to the newest revision. The caller has begun the transaction and commits it.

    Raises ValueError, KeyError, TypeError or AttributeError for rows that no version wrote.
    """
    config = _config(connection)
    if revision_of(connection) is None and version_of(connection) > 0:
        migrate(connection)
        command.stamp(config, FIRST_REVISION)
    command.upgrade(config, "head")


def back_up(connection: Connection, database: Path) -> None:
    """Copy the file before it is changed, readable by its owner only; copies older than a week go."""
    folder = _folder(database)
    folder.mkdir(mode=0o700, exist_ok=True)
    delete_old_copies(database)
    copy = folder / f"before-{_scripts().get_current_head()}.sqlite3"
    copy.unlink(missing_ok=True)
    connection.exec_driver_sql("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)
    log.info("the database as it was is kept for a week as %s", copy)


def delete_old_copies(database: Path) -> None:
    """What was forgotten since is in them. Blocks."""
    for old in _folder(database).glob("before-*.sqlite3"):
        if time.time() - old.stat().st_mtime > KEEP_BACKUPS_S:
            old.unlink(missing_ok=True)


def _folder(database: Path) -> Path:
    return database.parent / "backups"


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("revisions")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).with_name("revisions")))
