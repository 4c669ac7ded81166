"""What was asked for can be taken back; why it waits, and what cannot be taken back any more."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_BEFORE = (
    "id, mirror, path, kind, version, expect, hold, state, created_at, finished_at, note, begun_at"
)
_KINDS = "kind IN ('restore', 'remove', 'heal-local', 'heal-remote', 'erase', 'retention')"
_STATES = "state IN ('held', 'open', 'done', 'conflict', 'skipped', 'failed', 'cancelled')"
# Of an erasure that waits nobody knows whether a part of it is done.
_BEGUN_AT = "CASE WHEN kind = 'erase' AND state = 'open' THEN created_at END"


def upgrade() -> None:
    # SQLite changes no CHECK of a table: a new one takes its place.
    op.create_table(
        "request_anew",
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
        _text("retry_at", null=True),
        _text("begun_at", null=True),
        sa.CheckConstraint(_KINDS, name="request_kind"),
        sa.CheckConstraint(_STATES, name="request_state"),
    )
    found = _BEFORE.replace("begun_at", _BEGUN_AT)
    op.execute(f"INSERT INTO request_anew ({_BEFORE}) SELECT {found} FROM request")
    op.drop_table("request")
    op.rename_table("request_anew", "request")
    op.create_index("request_state", "request", ["mirror", "state"])
    op.create_index("request_hold", "request", ["hold"])


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=null)
