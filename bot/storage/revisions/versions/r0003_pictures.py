"""A picture that is painted is kept in a file until it has been shown, so that nothing is painted twice."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The name of the file."""
    op.add_column("jobs", sa.Column("picture", sa.String))
