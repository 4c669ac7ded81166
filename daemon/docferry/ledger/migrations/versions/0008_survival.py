"""What surviving needs to remember: held changes, transfers to go on with, requests counted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _transfers()


def _transfers() -> None:
    # Of this moment alone, and written again and again.
    op.create_table(
        "transfer",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("way", TEXT, nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("since", TEXT, nullable=False),
        sa.CheckConstraint("way IN ('up', 'down')", name="transfer_way"),
    )
