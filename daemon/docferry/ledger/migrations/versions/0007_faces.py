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


def _keys() -> None: ...


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
