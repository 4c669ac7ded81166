"""The ledger: agreements, versions, history, problems, conflicts, holds, names and jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# Everything is ordered by UTF-8 bytes; SQLite does so by itself, PostgreSQL has to be told.
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _settings_and_mirrors()
    _agreements()
    _versions_and_history()
    _problems_and_conflicts()
    _holds()
    _jobs()


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=null, primary_key=key)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def _one_of(table: str, column: str, *words: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}")


def _settings_and_mirrors() -> None:
    op.create_table("setting", _text("key", key=True), _text("value"))
    op.create_table(
        "mirror",
        _text("name", key=True),
        _text("marker_id", null=True),
        _text("store"),
        _text("bucket"),
        _text("prefix"),
        _text("local"),
        _text("mode"),
        _text("health"),
        _text("reason", null=True),
        _text("since"),
        _text("last_poll_at", null=True),
        _text("last_scan_at", null=True),
        _text("last_full_at", null=True),
        _number("dirty"),
        _text("oldest_dirty_at", null=True),
        _text("progress", null=True),
        sa.Column("profile", sa.JSON(), nullable=False),
        _text("updated_at"),
        _one_of("mirror", "mode", "two-way", "push", "pull"),
        _one_of(
            "mirror",
            "health",
            "starting",
            "in-step",
            "working",
            "waiting",
            "blocked",
            "unreachable",
        ),
    )


def _agreements() -> None:
    op.create_table(
        "synced",
        _text("mirror", key=True),
        _text("path", key=True),
        _text("sha256"),
        _text("local_token"),
        _text("remote_token"),
        _text("version"),
        _number("size"),
        sa.Column("odd", sa.Boolean(), nullable=False),
        sqlite_with_rowid=False,  # kept in path order: a full run reads it from end to end
    )
    op.create_index("synced_sha256", "synced", ["mirror", "sha256"])
    op.create_index(
        "synced_odd",
        "synced",
        ["mirror", "odd"],
        sqlite_where=sa.text("odd IS 1"),
        postgresql_where=sa.text("odd IS true"),
    )
    op.create_table(
        "alias",
        _text("mirror", key=True),
        _text("key", key=True),
        _text("path"),
        sa.UniqueConstraint("mirror", "path", name="alias_path"),
    )
    op.create_table(
        "intent",
        _text("mirror", key=True),
        _text("path", key=True),
        _text("version", key=True),
        sqlite_with_rowid=False,
    )


def _versions_and_history() -> None:
    op.create_table(
        "version",
        _text("id", key=True),
        _text("mirror"),
        _text("path"),
        _text("sha256"),
        _number("size"),
        _number("mtime_ns", null=True),
        _text("origin"),
        _text("parent", null=True),
        _text("etag", null=True),
        _text("created_at"),
        sa.Column("archived_local", sa.Boolean(), nullable=False),
        sa.Column("archived_remote", sa.Boolean(), nullable=False),
        _one_of("version", "origin", "local", "store", "drop", "conversion"),
        sqlite_with_rowid=False,
    )
    op.create_index("version_path", "version", ["mirror", "path"])
    # No CHECK on kind: history outlives the operations that wrote it.
    op.create_table(
        "history",
        sa.Column("id", ID, primary_key=True),
        _text("at"),
        _text("mirror"),
        _text("path"),
        _text("kind"),
        _text("version", null=True),
        _number("moved_bytes"),
        sa.Column("took_s", sa.Float(), nullable=False),
        _text("note", null=True),
    )
    op.create_index("history_path", "history", ["mirror", "path"])
    op.create_index("history_kind", "history", ["mirror", "kind", "at"])


def _problems_and_conflicts() -> None:
    op.create_table(
        "problem",
        _text("mirror", key=True),
        _text("path", key=True),
        _text("kind"),
        _text("message"),
        _text("since"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("retry_at", null=True),
    )
    op.create_table(
        "conflict",
        sa.Column("id", ID, primary_key=True),
        _text("mirror"),
        _text("path"),
        _text("copy_path"),
        _text("created_at"),
        _text("settled_at", null=True),
        sa.UniqueConstraint("mirror", "path", "copy_path", name="conflict_paths"),
    )


def _holds() -> None:
    op.create_table(
        "hold",
        sa.Column("id", ID, primary_key=True),
        _text("mirror"),
        _text("kind"),
        _text("reason"),
        _text("state"),
        _number("count"),
        _text("created_at"),
        _text("decided_at", null=True),
        _text("finished_at", null=True),
        _one_of("hold", "kind", "deletions", "identity"),
        _one_of("hold", "state", "open", "approved", "discarded", "done"),
    )
    op.create_index("hold_state", "hold", ["mirror", "state"])
    op.create_table(
        "deletion",
        sa.Column("id", ID, primary_key=True),
        _text("mirror"),
        _text("path"),
        _text("side"),
        _text("token"),
        _text("sha256"),
        sa.Column("hold", ID, sa.ForeignKey("hold.id", name="deletion_hold"), nullable=True),
        _one_of("deletion", "side", "local", "remote"),
    )
    op.create_index("deletion_held", "deletion", ["hold", "path"])
    op.create_index(
        "deletion_parked",
        "deletion",
        ["mirror", "path"],
        unique=True,
        sqlite_where=sa.text("hold IS NULL"),
        postgresql_where=sa.text("hold IS NULL"),
    )


def _jobs() -> None:
    op.create_table(
        "job",
        _text("id", key=True),
        _text("rule"),
        _text("mirror"),
        _text("path"),
        _text("version"),
        _text("sha256"),
        _text("recipe"),
        _text("target_mirror"),
        _text("created_at"),
        _text("state"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("run_at"),
        _text("lease_until", null=True),
        _text("finished_at", null=True),
        _text("last_error", null=True),
        _text("result_path", null=True),
        _one_of("job", "state", "queued", "running", "done", "dead"),
        sa.UniqueConstraint("sha256", "recipe", name="job_content"),
    )
    op.create_index("job_due", "job", ["state", "run_at"])
