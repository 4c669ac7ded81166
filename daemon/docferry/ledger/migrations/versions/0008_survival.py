"""What surviving needs to remember: held changes, transfers to go on with, requests counted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _transfers()
    _changes()


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


def _changes() -> None:
    op.create_table(
        "change",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("victim", TEXT, nullable=False),
        sa.Column("version", TEXT),
        sa.Column("displaces", TEXT, nullable=False),
        sa.Column("why", TEXT),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("travelled", sa.Boolean(), nullable=False),
        sa.Column("hold", ID, sa.ForeignKey("hold.id", name="change_hold")),
        sa.CheckConstraint("side IN ('local', 'remote')", name="change_side"),
    )
    op.create_index("change_held", "change", ["hold", "path"])
    op.add_column("hold", sa.Column("changes", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("request", sa.Column("displaces", TEXT))
    op.add_column("request", sa.Column("agreed", TEXT))
