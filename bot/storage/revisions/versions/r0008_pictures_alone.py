"""Messages of which only the picture is to stay."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """So far all were removed as a whole."""
    with op.batch_alter_table("erasures") as table:
        table.alter_column("place", existing_type=sa.JSON, nullable=True)
        table.add_column(sa.Column("but_picture", sa.Boolean, nullable=False, server_default=sa.false()))
