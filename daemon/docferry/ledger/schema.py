"""
The ledger's tables, as the code sees them: columns and their Python types.

What the database holds (constraints, indexes) is made by the migrations; a test keeps
the columns here and there the same. Times are stored as ISO 8601 text in UTC, always
27 characters: readable in any database shell, and in the order of time as they stand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from docferry.core.keys import Role
from docferry.core.patrol import Phase
from docferry.job import BreakerState, Failure, JobStage, JobState, Priority
from docferry.model import (
    HoldState,
    MirrorHealth,
    Mode,
    OrderedRun,
    Origin,
    RequestKind,
    RequestState,
    Side,
)

E = TypeVar("E", bound=StrEnum)

METADATA = MetaData()


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as `2026-11-23T22:41:00.000000Z`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else instant_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Word(TypeDecorator[E], Generic[E]):
    """One word of an enumeration."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[E]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return None if value is None else self.words(value)


class Rank(TypeDecorator[Priority]):
    """A priority, as its number."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Priority | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Priority | None:
        return None if value is None else Priority(value)


class Shown(TypeDecorator[str]):
    """Text for a person. It may name a file whose name is not UTF-8: that part is escaped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.encode("utf-8", "backslashreplace").decode()


def instant_text(at: datetime) -> str:
    """Give *at* as the ledger stores it."""
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone means nothing to the ledger: {at}")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(name, METADATA, *columns)


setting = _table("setting", Column("key", Text, primary_key=True), Column("value", Text))

mirror = _table(
    "mirror",
    Column("name", Text, primary_key=True),
    Column("marker_id", Text),
    Column("store", Text),
    Column("bucket", Text),
    Column("prefix", Text),
    Column("local", Text),
    Column("mode", Word(Mode)),
    Column("health", Word(MirrorHealth)),
    Column("reason", Shown),
    Column("since", Instant),
    Column("last_poll_at", Instant),
    Column("last_scan_at", Instant),
    Column("last_full_at", Instant),
    Column("dirty", BigInteger),
    Column("oldest_dirty_at", Instant),
    Column("progress", Shown),
    Column("profile", JSON),
    Column("updated_at", Instant),
)

synced = _table(
    "synced",
    Column("mirror", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("sha256", Text),
    Column("local_token", Text),
    Column("remote_token", Text),
    Column("version", Text),
    Column("size", BigInteger),
    Column("odd", Boolean),
)

version = _table(
    "version",
    Column("id", Text, primary_key=True),
    Column("mirror", Text),
    Column("path", Text),
    Column("sha256", Text),
    Column("size", BigInteger),
    Column("mtime_ns", BigInteger),
    Column("origin", Word(Origin)),
    Column("parent", Text),
    Column("etag", Text),
    Column("created_at", Instant),
    Column("archived_local", Boolean),
    Column("archived_remote", Boolean),
    Column("left_at", Instant),
    Column("bytes_of", Text),
    Column("store_version", Text),
    Column("held", Boolean),
    Column("agreed", Boolean),
    Column("gone_at", Instant),
)

#: Paths that hold nothing now, since when, and some that do. Triggers keep it.
left_path = _table(
    "left_path",
    Column("mirror", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("left_at", Instant),
)

#: How many rows there are, and the sum of their sizes. Triggers keep it, the code only reads it.
tally = _table(
    "tally",
    Column("of", Text, primary_key=True),  # a table: synced, version or job
    Column("key", Text, primary_key=True),  # the mirror, or the state of jobs
    Column("rows", BigInteger),
    Column("bytes", BigInteger),
)

history = _table(
    "history",
    Column("id", Integer, primary_key=True),
    Column("at", Instant),
    Column("mirror", Text),
    Column("path", Text),
    Column("kind", Text),
    Column("version", Text),
    Column("moved_bytes", BigInteger),
    Column("took_s", Float),
    Column("note", Shown),
)

problem = _table(
    "problem",
    Column("mirror", Text, primary_key=True),
    Column("path", Shown, primary_key=True),
    Column("kind", Text),
    Column("message", Shown),
    Column("since", Instant),
    Column("attempts", Integer),
    Column("retry_at", Instant),
)

conflict = _table(
    "conflict",
    Column("id", Integer, primary_key=True),
    Column("mirror", Text),
    Column("path", Text),
    Column("copy_path", Text),
    Column("created_at", Instant),
    Column("settled_at", Instant),
)

hold = _table(
    "hold",
    Column("id", Integer, primary_key=True),
    Column("mirror", Text),
    Column("kind", Text),
    Column("reason", Shown),
    Column("state", Word(HoldState)),
    Column("count", BigInteger),
    Column("created_at", Instant),
    Column("decided_at", Instant),
    Column("finished_at", Instant),
    Column("decision", Word(HoldState)),
    Column("changes", BigInteger),
)

#: Deletions that were planned but not carried out: parked (hold is NULL) or held.
deletion = _table(
    "deletion",
    Column("id", Integer, primary_key=True),
    Column("mirror", Text),
    Column("path", Text),
    Column("side", Word(Side)),
    Column("token", Text),
    Column("sha256", Text),
    Column("hold", Integer),
)

#: What people, and patrols, ask the daemon to do with a path.
request = _table(
    "request",
    Column("id", Integer, primary_key=True),
    Column("mirror", Text),
    Column("path", Text),
    Column("kind", Word(RequestKind)),
    Column("version", Text),
    Column("expect", Text),
    Column("hold", Integer),
    Column("state", Word(RequestState)),
    Column("created_at", Instant),
    Column("finished_at", Instant),
    Column("note", Shown),
    Column("retry_at", Instant),
    Column("begun_at", Instant),
    Column("displaces", Text),
    Column("agreed", Text),
)

#: Mirrors that people have told to rest.
pause = _table(
    "pause",
    Column("mirror", Text, primary_key=True),
    Column("since", Instant),
    Column("actor", Text),
    Column("reason", Shown),
)

#: Runs that people have ordered, and what came of them.
run_order = _table(
    "run_order",
    Column("id", Integer, primary_key=True),
    Column("mirror", Text),
    Column("run", Word(OrderedRun)),
    Column("asked_at", Instant),
    Column("begun_at", Instant),
    Column("answered_at", Instant),
    Column("answered_by", Word(OrderedRun)),
)

#: How far the patrol of each mirror has come.
patrol = _table(
    "patrol",
    Column("mirror", Text, primary_key=True),
    Column("began_at", Instant),
    Column("phase", Word(Phase)),
    Column("cursor", Text),
    Column("checked", BigInteger),
    Column("total", BigInteger),
    Column("found", BigInteger),
    Column("finished_at", Instant),
)

#: Paths that are the canaries' own, and the version from which on.
canary = _table(
    "canary",
    Column("mirror", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("since", Text),
)

#: The last snapshot of each mirror's part of the ledger.
snapshot = _table(
    "snapshot",
    Column("mirror", Text, primary_key=True),
    Column("id", Text),
    Column("taken_at", Instant),
    Column("last_history", BigInteger),
    Column("size", BigInteger),
    Column("took_s", Float),
)

#: Uploads that were begun and are not written down yet.
intent = _table(
    "intent",
    Column("mirror", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("version", Text, primary_key=True),
)

#: Uploads in parts that were begun in the store and have not ended.
upload = _table(
    "upload",
    Column("mirror", Text, primary_key=True),
    Column("bucket", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("upload_id", Text, primary_key=True),
    Column("begun_at", Instant),
    Column("headers", JSON(none_as_null=True)),
    Column("size", BigInteger),
    Column("part_bytes", BigInteger),
)

#: Parts of them that the store has taken.
upload_part = _table(
    "upload_part",
    Column("mirror", Text, primary_key=True),
    Column("bucket", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("upload_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("etag", Text),
    Column("sha256_so_far", Text),
)

#: Local contents that were about to be displaced in a conflict that is not written down yet.
begun_conflict = _table(
    "begun_conflict",
    Column("mirror", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("path", Text),
    Column("copy_path", Text),
    Column("sha256", Text),
    Column("size", BigInteger),
    Column("mtime_ns", BigInteger),
    Column("parent", Text),
    Column("created_at", Instant),
)

alias = _table(
    "alias",
    Column("mirror", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("path", Text),
)

#: What happened lately, for who looks on: see `ledger.events`. Triggers add to it.
event = _table(
    "event",
    Column("id", Integer, primary_key=True),
    Column("kind", Text),
    Column("mirror", Text),
    Column("ref", Text),
)

#: What was changed, by whom: see `core.audit`. Only ever added to.
audit = _table(
    "audit",
    Column("seq", Integer, primary_key=True),
    Column("at", Text),  # as it stands: whoever checks it must not stumble over one that is none
    Column("actor", Text),
    Column("action", Text),
    Column("mirror", Text),
    Column("facts", Text),
    Column("previous", Text),
    Column("hash", Text),
)

#: API keys: see `core.keys`. Of their secrets only the hashes.
api_key = _table(
    "api_key",
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("role", Word(Role)),
    Column("mirrors", JSON(none_as_null=True)),
    Column("hash", Text),
    Column("pepper", Text),
    Column("created_at", Instant),
    Column("expires_at", Instant),
    Column("previous_hash", Text),
    Column("previous_until", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
)

#: Sessions of people at the page, by a hash of what their cookie has.
session = _table(
    "session",
    Column("digest", Text, primary_key=True),
    Column("key", Text),
    Column("stamp", Text),
    Column("began_at", Instant),
)

#: Converters that do not work, or have worked again since.
converter = _table(
    "converter",
    Column("name", Text, primary_key=True),
    Column("state", Word(BreakerState)),
    Column("reason", Shown),
    Column("since", Instant),
    Column("retry_at", Instant),
)

#: What conversions have put, or were about to put, where in which mirror.
result = _table(
    "result",
    Column("mirror", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("put_at", Instant),
    Column("source", Text),
    Column("source_sha256", Text),
    Column("rule", Text),
    Column("converter", Shown),
    Column("is_claim", Boolean),  # as its object says: no job of this ledger has put it there
)

job = _table(
    "job",
    Column("id", Text, primary_key=True),
    Column("rule", Text),
    Column("converter", Text),
    Column("mirror", Text),
    Column("path", Text),
    Column("version", Text),
    Column("sha256", Text),
    Column("recipe", Text),
    Column("target_mirror", Text),
    Column("place", Text),
    Column("created_at", Instant),
    Column("priority", Rank),
    Column("expires_at", Instant),
    Column("state", Word(JobState)),
    Column("stage", Word(JobStage)),
    Column("attempts", Integer),
    Column("run_at", Instant),
    Column("lease_until", Instant),
    Column("claimed_at", Instant),
    Column("converting_at", Instant),
    Column("storing_at", Instant),
    Column("finished_at", Instant),
    Column("failure", Word(Failure)),
    Column("last_error", Shown),
    Column("output", Shown),
    Column("note", Shown),
    Column("result_path", Text),
    Column("result_sha256", Text),
    Column("release", Shown),
    Column("shared_with", Text),
    Column("is_forced", Boolean),
    Column("doubted_at", Instant),
)

job_share = _table(
    "job_share",
    Column("job", Text, primary_key=True),
    Column("stage", Word(JobStage)),
    Column("done", BigInteger),
    Column("total", BigInteger),
)

#: What was answered to calls that may come again; a marker, while one is under way.
answer = _table(
    "answer",
    Column("id", Text, primary_key=True),
    Column("fingerprint", Text),
    Column("begun_at", Instant),
    Column("status", Integer),
    Column("body", Text),
    Column("location", Text),
)
