"""What it takes to have versions back: their time, their bytes, what people ask for, patrols."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_VERSION = (
    "id, mirror, path, sha256, size, mtime_ns, origin, parent, etag, created_at,"
    " archived_local, archived_remote"
)
_HOLD = "id, mirror, kind, reason, state, count, created_at, decided_at, finished_at, decision"
_KINDS_OF_HOLDS = "kind IN ('deletions', 'identity', 'rewind')"
_DISPLACED = "left_at IS NOT NULL AND gone_at IS NULL"
# What is not current has left: when what followed it came, or when it was deleted.
_LEFT_AT = """
    UPDATE version SET left_at = coalesce(
        (SELECT min(child.created_at) FROM version AS child
          WHERE child.mirror = version.mirror AND child.path = version.path
            AND child.parent = version.id),
        (SELECT max(history.at) FROM history
          WHERE history.mirror = version.mirror AND history.path = version.path
            AND history.version = version.id),
        created_at)
    WHERE id NOT IN (SELECT version FROM synced)
"""


def upgrade() -> None:
    _versions()
    _holds()
    _requests()
    _patrols_and_snapshots()


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=null, primary_key=key)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _versions() -> None:
    # SQLite changes no CHECK of a table: a new one takes its place.
    op.create_table(
        "version_anew",
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
        _flag("archived_local"),
        _flag("archived_remote"),
        _text("left_at", null=True),
        _text("bytes_of", null=True),
        _text("store_version", null=True),
        _flag("held"),
        _flag("agreed"),
        _text("gone_at", null=True),
        sa.CheckConstraint(
            "origin IN ('local', 'store', 'drop', 'conversion', 'restore', 'api', 'evidence')",
            name="version_origin",
        ),
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO version_anew ({_VERSION}, held, agreed)"
        f" SELECT {_VERSION}, false, true FROM version"
    )
    op.drop_table("version")
    op.rename_table("version_anew", "version")
    op.create_index("version_path", "version", ["mirror", "path"])
    op.create_index("version_sha256", "version", ["mirror", "sha256"])
    op.create_index("version_created", "version", ["mirror", "created_at"])
    op.execute(_LEFT_AT)
    op.create_index(
        "version_current",
        "version",
        ["mirror", "path"],
        sqlite_where=sa.text("left_at IS NULL"),
        postgresql_where=sa.text("left_at IS NULL"),
    )
    # What retention and the copying up to the bucket look for; current ones are most.
    op.create_index(
        "version_left",
        "version",
        ["mirror", "left_at"],
        sqlite_where=sa.text(_DISPLACED),
        postgresql_where=sa.text(_DISPLACED),
    )
    _partial_index("version_to_bring_up", _DISPLACED + " AND archived_remote IS {false}")
    _partial_index(
        "version_to_remove",
        "gone_at IS NOT NULL AND (archived_local IS {true} OR archived_remote IS {true})",
    )
    op.create_index("version_bytes_of", "version", ["bytes_of"])


def _partial_index(name: str, where: str) -> None:
    """Index, by id, the few versions that a chore looks for among all."""
    op.create_index(
        name,
        "version",
        ["mirror", "id"],
        sqlite_where=sa.text(where.format(false="0", true="1")),
        postgresql_where=sa.text(where.format(false="false", true="true")),
    )


def _holds() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("hold_kind", "hold", type_="check")
        op.create_check_constraint("hold_kind", "hold", _KINDS_OF_HOLDS)
        return
    op.execute("PRAGMA defer_foreign_keys = ON")  # deletions refer to them all the while
    op.execute(f"CREATE TABLE hold_before AS SELECT {_HOLD} FROM hold")
    op.drop_table("hold")
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
        _text("decision", null=True),
        sa.CheckConstraint(_KINDS_OF_HOLDS, name="hold_kind"),
        sa.CheckConstraint("state IN ('open', 'approved', 'discarded', 'done')", name="hold_state"),
    )
    op.execute(f"INSERT INTO hold ({_HOLD}) SELECT {_HOLD} FROM hold_before")
    op.execute("DROP TABLE hold_before")
    op.create_index("hold_state", "hold", ["mirror", "state"])


def _requests() -> None:
    op.create_table(
        "request",
        sa.Column("id", ID, primary_key=True),
        _text("mirror"),
        _text("path"),
        _text("kind"),
        _text("version", null=True),
        _text("expect", null=True),
        sa.Column("hold", ID, sa.ForeignKey("hold.id", name="request_hold"), nullable=True),
        _text("state"),
        _text("created_at"),
        _text("finished_at", null=True),
        _text("note", null=True),
        sa.CheckConstraint(
            "kind IN ('restore', 'remove', 'heal-local', 'heal-remote', 'erase', 'retention')",
            name="request_kind",
        ),
        sa.CheckConstraint(
            "state IN ('held', 'open', 'done', 'conflict', 'skipped', 'failed')",
            name="request_state",
        ),
    )
    op.create_index("request_state", "request", ["mirror", "state"])
    op.create_index("request_hold", "request", ["hold"])


def _patrols_and_snapshots() -> None:
    op.create_table(
        "patrol",
        _text("mirror", key=True),
        _text("began_at"),
        _text("phase"),
        _text("cursor"),
        _number("checked"),
        _number("total"),
        _number("found"),
        _text("finished_at", null=True),
    )
    op.create_table(
        "snapshot",
        _text("mirror", key=True),
        _text("id"),
        _text("taken_at"),
        _number("last_history"),
        _number("size"),
        sa.Column("took_s", sa.Float(), nullable=False),
    )
