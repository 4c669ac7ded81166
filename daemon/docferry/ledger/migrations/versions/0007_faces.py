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


def _webhooks() -> None:
    op.create_table(
        "webhook_cursor",
        sa.Column("webhook", TEXT, primary_key=True),
        sa.Column("last_event", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", TEXT, nullable=False),
        sa.Column("breaker", TEXT, nullable=False),
        sa.Column("since", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("retry_at", TEXT),
        sa.CheckConstraint(
            "breaker IN ('closed', 'open', 'half-open')", name="webhook_cursor_breaker"
        ),
    )
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("ref", TEXT, nullable=False),
        sa.Column("mirror", TEXT, nullable=False),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("webhook", TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("mirror", TEXT, nullable=False),
        sa.Column("path", TEXT),
        sa.Column("version", TEXT),
        sa.Column("order_key", TEXT, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", TEXT, nullable=False),
        sa.Column("wanted_at", TEXT, nullable=False),
        sa.Column("claimed_at", TEXT),
        sa.Column("lease_until", TEXT),
        sa.Column("status", sa.Integer()),
        sa.Column("last_error", TEXT),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("finished_at", TEXT),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'dead', 'discarded')",
            name="webhook_delivery_state",
        ),
    )
    op.create_index("webhook_delivery_due", "webhook_delivery", ["webhook", "state", "run_at"])
    op.create_index("webhook_delivery_ended", "webhook_delivery", ["state", "finished_at"])
    op.create_index("webhook_delivery_path", "webhook_delivery", ["mirror", "path"])
    op.create_index(
        "webhook_delivery_order",
        "webhook_delivery",
        ["webhook", "order_key", "seq"],
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    # What happened is noted by the database itself, in the transaction of the change, whoever
    # makes it: nothing is lost in a crash, and a cursor over it meets each once. Without a
    # webhook nothing is noted.
    _happens(
        "history",
        "INSERT ON history",
        "new.kind IN ('upload', 'download', 'mark_synced', 'keep_both', 'delete_local',"
        " 'delete_remote', 'remove', 'forget')",
        "new.id",
    )
    _happens(
        "job",
        "UPDATE OF state ON job",
        "new.state IN ('done', 'dead') AND new.state <> old.state",
        "new.state || ' ' || new.id",
    )
    _happens("hold", "INSERT ON hold", "new.state = 'open'", "new.id")
    _happens("request", "INSERT ON request", "new.kind IN ('heal-local', 'heal-remote')", "new.id")
    _happens("rot", "INSERT ON problem", "new.kind = 'rot'", "new.path")


def _happens(source: str, after: str, when: str, ref: str) -> None:
    op.execute(
        f"CREATE TRIGGER webhook_{source} AFTER {after}"
        f" WHEN {when} AND EXISTS (SELECT 1 FROM webhook_cursor)"
        f" BEGIN INSERT INTO webhook_event (source, ref, mirror)"
        f" VALUES ('{source}', {ref}, new.mirror); END"
    )


def _answers() -> None: ...


def _lists_of_jobs() -> None: ...
