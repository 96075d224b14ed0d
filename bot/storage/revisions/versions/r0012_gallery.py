"""Which pictures stand in a server's gallery as well, and whose may be put there by others."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """So far there was none."""
    op.create_table(
        "gallery",
        sa.Column("original_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("channel_id", sa.BigInteger, nullable=False),
        sa.Column("parent_id", sa.BigInteger),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("job_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("author_id", sa.BigInteger),
        sa.Column("gallery_id", sa.BigInteger, nullable=False),
        sa.Column("marker", sa.BigInteger, nullable=False),
        sa.Column("after_id", sa.BigInteger, nullable=False),
        sa.Column("copy_id", sa.BigInteger),
        sa.Column("is_removed", sa.Boolean, nullable=False),
    )
    for column in ("channel_id", "guild_id", "job_id", "user_id", "author_id", "copy_id"):
        op.create_index(f"ix_gallery_{column}", "gallery", [column])
    op.create_table(
        "starred",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    )
