"""What a service that runs for years needs to know."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _make_canaries()


def _make_canaries() -> None:
    op.create_table(
        "canary",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("since", TEXT, nullable=False),
    )
