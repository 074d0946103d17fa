"""What people do: actions on incidents, answers to feedback links, labels; and when ids were seen."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the three tables, and the time of every id that is known."""
    _article_ids()
    _incident_actions()
    _feedback()
    _labels()


def _article_ids() -> None:
    seen = sa.Column("observed_at", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("article_ids", seen)
    op.execute(
        "UPDATE article_ids SET observed_at = coalesce("
        "(SELECT a.observed_at FROM articles a WHERE a.id = article_ids.id), 0)"
    )
    op.create_index("article_ids_by_time", "article_ids", ["observed_at"], unique=False)


def _incident_actions() -> None:
    op.create_table(
        "incident_actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "incident_actions_by_incident", "incident_actions", ["incident_id", "id"], unique=False
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.String(length=20), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("watch", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "answer"),
    )


def _labels() -> None:
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("article_id", sa.String(length=200), nullable=False),
        sa.Column("field", sa.String(length=20), nullable=False),
        sa.Column("old", sa.String(length=200), nullable=False),
        sa.Column("new", sa.String(length=200), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("way", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("labels_by_article", "labels", ["article_id", "field", "id"], unique=False)
