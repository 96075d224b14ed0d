"""A recording is a file that its job names, fetched after the request was accepted; no voice is in the database."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from bot.storage.files import WorkFiles

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Recordings that wait to be heard move out of their table. If this is undone, the files go at the next start."""
    op.add_column("jobs", sa.Column("attachment", sa.JSON))
    op.add_column("jobs", sa.Column("recording", sa.String))
    connection = op.get_bind()
    database = connection.exec_driver_sql("PRAGMA database_list").fetchone()
    assert database is not None
    files = WorkFiles(Path(database[2]).parent / "work")
    for job_id, data in connection.exec_driver_sql("SELECT job_id, data FROM recordings").fetchall():
        name = f"recording-{job_id}"
        files.write(name, data)
        connection.exec_driver_sql("UPDATE jobs SET recording = ? WHERE id = ?", (name, job_id))
    op.drop_table("recordings")
