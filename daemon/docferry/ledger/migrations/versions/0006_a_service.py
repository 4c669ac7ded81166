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
    _parts_of_uploads()
    _make_audit()


def _make_canaries() -> None:
    op.create_table(
        "canary",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("since", TEXT, nullable=False),
    )


def _parts_of_uploads() -> None:
    op.add_column("upload", sa.Column("headers", sa.JSON()))
    op.add_column("upload", sa.Column("size", sa.BigInteger()))
    op.add_column("upload", sa.Column("part_bytes", sa.BigInteger()))
    op.create_table(
        "upload_part",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("bucket", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("upload_id", TEXT, primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("etag", TEXT, nullable=False),
        sa.Column("sha256_so_far", TEXT, nullable=False),
    )


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("mirror", TEXT),
        sa.Column("facts", TEXT, nullable=False),
        sa.Column("previous", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
    )
    # A first hurdle, against accidents. The chain of hashes is what proves.
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit BEGIN "
            "SELECT RAISE(ABORT, 'the audit is only ever added to'); END"
        )
