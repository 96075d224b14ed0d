"""Brings the database's file to the schema of today: all of it in one transaction, with a copy of the file before.

A file from before Alembic is taken to its first revision by hand (`early_versions.py`). Each later step is a file in
`revisions/versions`.
"""

import logging
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.storage import copies
from bot.storage.early_versions import LAST_EARLY_VERSION, migrate, version_of

log = logging.getLogger(__name__)

FIRST_REVISION = "0001"


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


def is_known(connection: Connection) -> bool:
    """Whether any version of the bot wrote the file, a newer one perhaps: it is not new, and not somebody else's."""
    try:
        return revision_of(connection) is not None or version_of(connection) > 0
    except UnknownSchema:
        return True


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
    """Copy the file before it is changed, readable by its owner only; it is kept for as long as all copies are."""
    copies.delete_old_copies(database)
    copy = copies.folder_of(database) / f"before-{_scripts().get_current_head()}.sqlite3"
    with copies.room_for(database) as room:
        snapshot = room / copy.name
        connection.exec_driver_sql("VACUUM INTO ?", (str(snapshot),))
        copies.take_in(snapshot, copy)
    log.info("the database as it was is kept for a week as %s", copy)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("revisions")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).with_name("revisions")))
