"""Begun uploads in parts, so that what a crash leaves of them in the store can be taken away."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("bucket", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("upload_id", TEXT, primary_key=True),
        sa.Column("begun_at", TEXT, nullable=False),
    )
