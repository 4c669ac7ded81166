"""Jobs with priorities, stages, kinds of failure, places of their results; what was put where."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

_KEPT = (
    "id, rule, mirror, path, version, sha256, recipe, target_mirror, created_at, state, "
    "attempts, run_at, lease_until, finished_at, last_error, result_path"
)
_STATES = "state IN ('queued', 'running', 'done', 'dead', 'skipped', 'discarded')"
_STAGES = "stage IN ('downloading', 'converting', 'storing')"


def upgrade() -> None:
    # SQLite changes no constraint of a table: a new one takes its place.
    op.create_table(
        "job_anew",
        sa.Column("id", TEXT, primary_key=True),
        _text("rule"),
        _text("converter"),
        _text("mirror"),
        _text("path"),
        _text("version"),
        _text("sha256"),
        _text("recipe"),
        _text("target_mirror"),
        _text("place"),
        _text("created_at"),
        sa.Column("priority", sa.Integer(), nullable=False),
        _text("expires_at", null=True),
        _text("state"),
        _text("stage", null=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("run_at"),
        _text("lease_until", null=True),
        _text("claimed_at", null=True),
        _text("converting_at", null=True),
        _text("storing_at", null=True),
        _text("finished_at", null=True),
        _text("failure", null=True),
        _text("last_error", null=True),
        _text("output", null=True),
        _text("note", null=True),
        _text("result_path", null=True),
        _text("result_sha256", null=True),
        _text("release", null=True),
        _text("shared_with", null=True),
        sa.Column("is_forced", sa.Boolean(), nullable=False),
        _text("doubted_at", null=True),
        sa.CheckConstraint(_STATES, name="job_state"),
        sa.CheckConstraint(_STAGES, name="job_stage"),
        sa.UniqueConstraint("sha256", "recipe", "place", name="job_content"),
    )
    found = "'markdown', target_mirror || '/{ulid}.md', 1, false"
    op.execute(
        f"INSERT INTO job_anew ({_KEPT}, converter, place, priority, is_forced)"
        f" SELECT {_KEPT}, {found} FROM job"
    )
    op.drop_table("job")
    op.rename_table("job_anew", "job")
    _indexes()
    op.create_table(
        "result",
        sa.Column("mirror", TEXT, primary_key=True),
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("sha256", TEXT, primary_key=True),
        _text("put_at"),
        _text("source"),
        _text("source_sha256"),
        _text("rule"),
        _text("converter"),
        sa.Column("is_claim", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "converter",
        sa.Column("name", TEXT, primary_key=True),
        _text("state"),
        _text("reason", null=True),
        _text("since"),
        _text("retry_at", null=True),
        sa.CheckConstraint("state IN ('closed', 'open', 'half-open')", name="converter_state"),
    )


def _indexes() -> None:
    # What is due, of each rule by itself: one whose converter is paused costs the others
    # nothing. What is done is in none of these, however much it is.
    _index("job_due", ["rule", "priority", "run_at", "id"], "state = 'queued'")
    _index("job_expiry", ["state", "expires_at"], "expires_at IS NOT NULL")
    # How many there are in each state, of which rule, and the oldest.
    op.create_index("job_counts", "job", ["state", "rule", "converter", "created_at"])
    # What waits to be tried again, among however many that wait for their first time.
    _index("job_tried", ["state", "rule", "id"], "state = 'queued' AND failure IS NOT NULL")
    op.create_index("job_result", "job", ["target_mirror", "result_path"])


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, "job", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=null)
