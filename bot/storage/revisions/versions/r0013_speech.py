"""What people allow with what they say; words that were recognised before anybody could say so are forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """So far `spoken` was the words themselves."""
    op.create_table(
        "speech",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("choice", sa.String(16), nullable=False),
    )
    op.execute(
        "UPDATE jobs SET heard = json_set(heard, '$.spoken', json('null')) WHERE json_type(heard, '$.spoken') = 'text'"
    )
