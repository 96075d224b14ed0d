"""A job of which a film comes, and how far it is."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """So far pictures came of all jobs."""
    op.add_column("jobs", sa.Column("story", sa.JSON))
