"""A request is known by its key, so that nothing is accepted twice, and by the start of the bot that accepted it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Old jobs have no key, and belong to a run before the first."""
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("started", sa.BigInteger, nullable=False),
    )
    op.add_column("jobs", sa.Column("request_key", sa.String))
    op.add_column("jobs", sa.Column("run", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.create_index("ix_jobs_request_key", "jobs", ["request_key"], unique=True)
