"""What limits count is kept apart from jobs, so that forgetting one gives nothing back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """One row for each request, for an hour; those before the last request are taken over."""
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
        sa.Column("job_id", sa.Integer, nullable=False, index=True),
        sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
        sa.Column("guild_id", sa.BigInteger, index=True),
        sa.Column("kind", sa.String(16), nullable=False),
    )
    connection = op.get_bind()
    connection.exec_driver_sql(
        "INSERT INTO ledger (at, job_id, user_id, guild_id, kind)"
        " SELECT created, id, user_id, guild_id, CASE WHEN attachment IS NULL THEN 'picture' ELSE 'recording' END"
        " FROM jobs"
        " WHERE created > (SELECT max(created) FROM jobs) - 3600000"
    )
