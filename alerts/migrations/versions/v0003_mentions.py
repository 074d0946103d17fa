"""Which stories were told of which watch."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table of told mentions."""
    op.create_table(
        "mentions",
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("article_id", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("incident_id"),
    )
