"""What is still to be said or removed is written down before it is tried; files are known by their job's number."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """How a job shall end, the interaction that its message answers, and the messages that are to be removed.

    A recording's file is called after its job, so that it needs no name of its own.
    """
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("ending", sa.JSON))
        jobs.add_column(sa.Column("interaction", sa.JSON))
        jobs.drop_column("recording")
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.Integer, nullable=False, index=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("place", sa.JSON, nullable=False),
        sa.Column("reply", sa.JSON),
    )
