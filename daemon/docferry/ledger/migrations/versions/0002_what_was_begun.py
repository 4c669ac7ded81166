"""What was begun, so that a crash cannot hide it (uploads in parts, conflicts); decisions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("hold", sa.Column("decision", TEXT))
    op.create_table(
        "upload",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("bucket", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("upload_id", TEXT, primary_key=True),
        sa.Column("begun_at", TEXT, nullable=False),
    )
    op.create_table(
        "begun_conflict",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("version", TEXT, primary_key=True),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("copy_path", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger()),
        sa.Column("parent", TEXT),
        sa.Column("created_at", TEXT, nullable=False),
    )
