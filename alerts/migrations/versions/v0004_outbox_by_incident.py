"""Letters are looked up by their incident."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the index."""
    op.create_index("outbox_by_incident", "outbox", ["incident_id"])
