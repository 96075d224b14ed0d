"""Whose recording a job is about, and who does not want to be listened to."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Of older jobs it is not known: whoever asked is taken for the one who sent it."""
    op.add_column("jobs", sa.Column("author_id", sa.BigInteger))
    op.create_index("ix_jobs_author_id", "jobs", ["author_id"])
    op.get_bind().exec_driver_sql("UPDATE jobs SET author_id = user_id")
    op.create_table(
        "unheard",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "exports",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
