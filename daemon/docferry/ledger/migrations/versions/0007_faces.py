"""What the faces need: keys, lists by page, pauses, deliveries, answers given before."""

import sqlalchemy as sa
from alembic import op  # noqa: F401
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


def _answers() -> None: ...


def _lists_of_jobs() -> None: ...
