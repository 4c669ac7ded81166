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
    _shares_of_jobs()
    _events()
    _arrivals()
    _sessions()
    _lists_of_the_audit()


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


def _sessions() -> None:
    op.create_table(
        "session",
        sa.Column("digest", TEXT, primary_key=True),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("stamp", TEXT, nullable=False),
        sa.Column("began_at", TEXT, nullable=False),
    )
    op.create_index("session_key", "session", ["key", "began_at"])


def _lists_of_files() -> None:
    # Pages by time, and files by the name that people call them by. rtrim takes off all that is
    # no slash: what is left of a path is its folder.
    op.create_index("synced_version", "synced", ["mirror", "version"])
    op.execute(f"CREATE INDEX synced_name ON synced ({_NAME_OF_FILE})")
    for table, where in (("conflict", "settled_at IS NULL"), ("request", "state = 'open'")):
        op.create_index(
            f"{table}_open_path",
            table,
            ["mirror", "path"],
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    _left_paths()


#: As `ledger.file_keys` asks for it: only then the index serves.
_NAME_OF_FILE = "substr(path, length(rtrim(path, replace(path, '/', ''))) + 1)"
_LEFT = "SELECT new.mirror, new.path, new.left_at WHERE new.origin <> 'evidence'"
_LATER = (
    " ON CONFLICT (mirror, path) DO UPDATE SET left_at = excluded.left_at"
    " WHERE excluded.left_at > left_at"
)


def _left_paths() -> None:
    # To find what was deleted among a million versions takes a second. So the database keeps
    # it, like its tallies. A path that holds something again may stay for a while; none that
    # holds nothing lacks. Versions are asked for nothing: a rebuild adds them without indexes.
    op.create_table(
        "left_path",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("left_at", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("left_path_at", "left_path", ["mirror", "left_at"])
    op.execute(
        "INSERT INTO left_path SELECT mirror, path, max(left_at) FROM version AS old"
        " WHERE origin <> 'evidence' AND left_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version"
        " WHERE mirror = old.mirror AND path = old.path AND left_at IS NULL) GROUP BY mirror, path"
    )
    unagreed = (
        " AND NOT EXISTS (SELECT 1 FROM synced WHERE mirror = new.mirror AND path = new.path)"
    )
    leaves = f"INSERT INTO left_path {_LEFT}{unagreed}{_LATER}; "
    returns = "DELETE FROM left_path WHERE mirror = new.mirror AND path = new.path; "
    _trigger("version_comes_left", "INSERT ON version WHEN new.left_at IS NOT NULL", leaves)
    _trigger("version_comes_back", "INSERT ON version WHEN new.left_at IS NULL", returns)
    at = "UPDATE OF left_at ON version WHEN"
    _trigger("version_leaves", f"{at} new.left_at IS NOT NULL", leaves)
    _trigger("version_returns", f"{at} new.left_at IS NULL", returns)
    _erased()


def _erased() -> None:
    ours = "FROM version WHERE mirror = old.mirror AND path = old.path"
    nothing = (
        "DELETE FROM left_path WHERE mirror = old.mirror AND path = old.path"
        f" AND NOT EXISTS (SELECT 1 {ours}); "
    )
    rest = (
        "INSERT OR IGNORE INTO left_path SELECT mirror, path, max(left_at)"
        f" {ours} AND left_at IS NOT NULL GROUP BY mirror, path; "
    )
    _trigger("version_erased", "DELETE ON version", nothing)
    _trigger("version_erased_now", "DELETE ON version WHEN old.left_at IS NULL", rest)


def _trigger(name: str, after: str, then: str) -> None:
    op.execute(f"CREATE TRIGGER {name} AFTER {after} BEGIN {then}END")


def _orders_to_mirrors() -> None:
    _mirrors_can_be_paused()
    op.create_table(
        "pause",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("since", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("reason", TEXT),
    )
    op.create_table(
        "run_order",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("mirror", TEXT, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("asked_at", TEXT, nullable=False),
        sa.Column("begun_at", TEXT),
        sa.Column("answered_at", TEXT),
        sa.Column("answered_by", TEXT),
        sa.CheckConstraint("run IN ('poll', 'rescan', 'full')", name="run_order_run"),
        sa.CheckConstraint(
            "answered_by IN ('poll', 'rescan', 'full')", name="run_order_answered_by"
        ),
    )
    # What is answered is in it no more: each loop asks every two seconds.
    open_ones = sa.text("answered_at IS NULL")
    op.create_index(
        "run_order_open",
        "run_order",
        ["mirror", "id"],
        sqlite_where=open_ones,
        postgresql_where=open_ones,
    )


def _mirrors_can_be_paused() -> None:
    # SQLite changes no CHECK of a table: a new one takes its place.
    optional = (
        "marker_id",
        "reason",
        "last_poll_at",
        "last_scan_at",
        "last_full_at",
        "oldest_dirty_at",
        "progress",
    )
    texts = ("name", "store", "bucket", "prefix", "local", "mode", "health", "since", "updated_at")
    words = "'starting', 'in-step', 'working', 'waiting', 'blocked', 'unreachable', 'paused'"
    op.create_table(
        "mirror_anew",
        *(sa.Column(name, TEXT, primary_key=name == "name", nullable=False) for name in texts),
        *(sa.Column(name, TEXT) for name in optional),
        sa.Column("dirty", sa.BigInteger(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.CheckConstraint("mode IN ('two-way', 'push', 'pull')", name="mirror_mode"),
        sa.CheckConstraint(f"health IN ({words})", name="mirror_health"),
    )
    columns = ", ".join([*texts, *optional, "dirty", "profile"])
    op.execute(f"INSERT INTO mirror_anew ({columns}) SELECT {columns} FROM mirror")
    op.drop_table("mirror")
    op.rename_table("mirror_anew", "mirror")


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
    op.create_index("webhook_delivery_newest", "webhook_delivery", ["seq", "id"])
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


def _answers() -> None:
    op.create_table(
        "answer",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("begun_at", TEXT, nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("body", TEXT),
        sa.Column("location", TEXT),
    )
    op.create_index("answer_age", "answer", ["begun_at"])


def _lists_of_jobs() -> None:
    # Pages of jobs, the newest first: of each mirror, rule and state the index gives the next
    # ones, however many there are. Below a folder: by their paths.
    op.create_index("job_groups", "job", ["mirror", "rule", "state", "id"])
    op.create_index("job_paths", "job", ["mirror", "path", "id", "rule", "state"])


def _shares_of_jobs() -> None:
    # Of running jobs alone, and written again and again: apart from what is kept of a job.
    op.create_table(
        "job_share",
        sa.Column("job", TEXT, primary_key=True),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
    )


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


def _arrivals() -> None:
    op.create_table(
        "arrival",
        sa.Column("id", TEXT, primary_key=True),
        *(sa.Column(name, TEXT, nullable=False) for name in ("mirror", "path", "sha256", "token")),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("replaced", TEXT),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("begun_at", TEXT, nullable=False),
    )


def _lists_of_the_audit() -> None:
    # The newest rows of somebody, of a kind, of a mirror, of a time, among a million.
    for column in ("actor", "action", "mirror", "at"):
        op.create_index(f"audit_{column}", "audit", [column])
