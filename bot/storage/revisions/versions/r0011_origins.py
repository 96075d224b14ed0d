"""Which picture another one comes from, and how, so that its message can say so."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """So far a picture that was painted again looked like one out of nowhere."""
    op.add_column("jobs", sa.Column("origin", sa.JSON))
