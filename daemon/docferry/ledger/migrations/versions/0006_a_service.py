"""What a service that runs for years needs to know."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _tallies()


def _tallies() -> None:
    # Prometheus asks every few seconds how many rows there are, and how many bytes they tell
    # of: to read 300,000 of them took 0.45 s. So the database itself keeps count, in the
    # transaction of each change, whoever makes it.
    op.create_table(
        "tally",
        sa.Column("of", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
    )
    _keep_count("synced", "mirror", "size")
    _keep_count("version", "mirror", "size")
    _keep_count("job", "state", None)


def _keep_count(table: str, key: str, size: str | None) -> None:
    op.execute(
        f"INSERT INTO tally SELECT '{table}', {key}, count(*), sum({size or 0})"
        f" FROM {table} GROUP BY {key}"
    )
    added = _counted(table, f"new.{key}", "+", f"new.{size}" if size else "0")
    gone = _counted(table, f"old.{key}", "-", f"old.{size}" if size else "0")
    columns = f"{key}, {size}" if size else key
    differs = f"old.{key} <> new.{key}" + (f" OR old.{size} <> new.{size}" if size else "")
    _trigger(f"{table}_comes", f"INSERT ON {table}", added)
    _trigger(f"{table}_goes", f"DELETE ON {table}", gone)
    _trigger(f"{table}_changes", f"UPDATE OF {columns} ON {table} WHEN {differs}", gone + added)


def _counted(table: str, key: str, sign: str, size: str) -> str:
    return (
        f"INSERT INTO tally VALUES ('{table}', {key}, {sign}1, {sign}{size})"
        " ON CONFLICT (of, key) DO UPDATE"
        " SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; "
    )


def _trigger(name: str, after: str, then: str) -> None:
    op.execute(f"CREATE TRIGGER {name} AFTER {after} BEGIN {then}END")
