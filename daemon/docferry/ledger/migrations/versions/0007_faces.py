"""What the faces need: keys, lists by page, pauses, deliveries, answers given before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _keys()
    _lists_of_files()
    _orders_to_mirrors()
    _webhooks()
    _answers()
    _lists_of_jobs()


def _keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("mirrors", sa.JSON()),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("pepper", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("expires_at", TEXT),
        sa.Column("previous_hash", TEXT),
        sa.Column("previous_until", TEXT),
        sa.Column("revoked_at", TEXT),
        sa.Column("last_used_at", TEXT),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="api_key_role"),
        # A previous secret without an end would be taken for ever.
        sa.CheckConstraint(
            "(previous_hash IS NULL) = (previous_until IS NULL)", name="api_key_previous"
        ),
    )
    # One that was revoked leaves its name to the next.
    op.create_index(
        "api_key_name",
        "api_key",
        ["name"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )


def _lists_of_files() -> None: ...


def _orders_to_mirrors() -> None: ...


def _webhooks() -> None: ...


def _answers() -> None:
    op.create_table(
        "answer",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("begun_at", TEXT, nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("body", TEXT),
    )
    op.create_index("answer_age", "answer", ["begun_at"])


def _lists_of_jobs() -> None:
    # Pages of jobs, the newest first: of each mirror, rule and state the index gives the next
    # ones, however many there are. Below a folder: by their paths.
    op.create_index("job_groups", "job", ["mirror", "rule", "state", "id"])
    op.create_index("job_paths", "job", ["mirror", "path", "id", "rule", "state"])
