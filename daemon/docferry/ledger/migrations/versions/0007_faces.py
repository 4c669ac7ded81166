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
    _events()


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


def _answers() -> None: ...


def _lists_of_jobs() -> None: ...


def _events() -> None:
    # What a page shows that is open while things change. The database notes it itself, in the
    # transaction of the change, whoever makes it, so that nothing is missed between two looks;
    # and only by number, so that nothing of a document stays here when it is erased.
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("mirror", TEXT, nullable=False),
        sa.Column("ref", TEXT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.execute(
        "CREATE TRIGGER event_kept AFTER INSERT ON event WHEN new.id % 1000 = 0 BEGIN "
        "DELETE FROM event WHERE id <= new.id - 20000; END"
    )
    _note("file", "INSERT ON history", "1", "new.mirror", "new.id")
    _note("job", "INSERT ON job", "1", "new.mirror", "new.id")
    changed = "new.state IS NOT old.state OR new.stage IS NOT old.stage"
    _note("job", "UPDATE OF state, stage ON job", changed, "new.mirror", "new.id")
    _note("hold", "INSERT ON hold", "1", "new.mirror", "new.id")
    _note("hold", "UPDATE ON hold", "1", "new.mirror", "new.id")
    _note("mirror", "INSERT ON mirror", "1", "new.name", "new.name")
    changed = "new.health IS NOT old.health OR new.reason IS NOT old.reason"
    _note("mirror", "UPDATE OF health, reason ON mirror", changed, "new.name", "new.name")
    _note("problem", "INSERT ON problem", "1", "new.mirror", "new.mirror")
    _note("problem", "DELETE ON problem", "1", "old.mirror", "old.mirror")
    _note("conflict", "INSERT ON conflict", "1", "new.mirror", "new.id")
    _note("conflict", "UPDATE ON conflict", "1", "new.mirror", "new.id")
    _note("request", "INSERT ON request", "1", "new.mirror", "new.id")
    _note("request", "UPDATE OF state ON request", "1", "new.mirror", "new.id")


def _note(kind: str, change: str, when: str, mirror: str, ref: str) -> None:
    name = f"event_{kind}_{change.split()[0].lower()}"
    op.execute(
        f"CREATE TRIGGER {name} AFTER {change} WHEN {when} BEGIN "
        f"INSERT INTO event (kind, mirror, ref) VALUES ('{kind}', {mirror}, {ref}); END"
    )
