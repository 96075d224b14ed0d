"""The schema as it was when Alembic came: jobs with what was heard, figures, servers, blocks, notes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """All tables, in a new file."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False, index=True),
        sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
        sa.Column("guild_id", sa.BigInteger, index=True),
        sa.Column("channel_id", sa.BigInteger, nullable=False),
        sa.Column("locale", sa.String, nullable=False),
        sa.Column("filename", sa.String, nullable=False),
        sa.Column("source_id", sa.BigInteger, index=True),
        sa.Column("asked", sa.Boolean, nullable=False, server_default=sa.text("1")),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("heard", sa.JSON),
        sa.Column("reply", sa.JSON),
        sa.Column("reply_id", sa.BigInteger, index=True),
        sa.Column("figure_of", sa.Integer),
        sa.Column("outcome", sa.JSON),
    )
    for name in ("recordings", "figures"):
        op.create_table(
            name,
            sa.Column("job_id", sa.Integer, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
            sa.Column("data", sa.LargeBinary, nullable=False),
        )
    op.create_table(
        "guilds",
        sa.Column("guild_id", sa.BigInteger, primary_key=True),
        sa.Column("settings", sa.JSON, nullable=False),
    )
    op.create_table(
        "blocks",
        sa.Column("guild_id", sa.BigInteger, primary_key=True),
        sa.Column("user_id", sa.BigInteger, primary_key=True),
    )
    op.create_table(
        "notes",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
