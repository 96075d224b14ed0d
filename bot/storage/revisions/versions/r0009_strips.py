"""A sound's strip takes the place of the figure of what was heard."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Of older jobs there is no strip: the sound is gone, and a figure shows more than a strip may."""
    op.drop_table("figures")
    op.create_table(
        "strips",
        sa.Column("job_id", sa.Integer, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("cells", sa.LargeBinary, nullable=False),
    )
    op.get_bind().exec_driver_sql("ALTER TABLE jobs RENAME COLUMN figure_of TO strip_of")
