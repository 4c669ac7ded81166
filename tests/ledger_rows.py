"""Fresh ledgers, and outcomes and jobs as the loop would write them down."""

from __future__ import annotations

import hashlib
import pathlib
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache

from docferry.job import NewJob
from docferry.ledger import Ledger
from docferry.model import (
    DeleteRemote,
    FileState,
    Forget,
    Origin,
    Outcome,
    Path,
    Sha256,
    SyncedState,
    Ulid,
    Upload,
    VersionRow,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def fresh_ledger(path: pathlib.Path) -> Ledger:
    """Open an empty ledger at *path*. The migrations run once for all tests."""
    path.write_bytes(_empty_ledger())
    return Ledger.open(path)


@cache
def _empty_ledger() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "ledger.sqlite3"
        Ledger.open(path).close()
        return path.read_bytes()


def sha_of(content: str) -> Sha256:
    return hashlib.sha256(content.encode()).hexdigest()


def ulid_of(name: str) -> Ulid:
    """A different one for each name; in no particular order."""
    return f"01{sha_of(name)[:24].upper()}"


def agreed(path: Path, content: str = "") -> SyncedState:
    sha256 = sha_of(content or path)
    return SyncedState(sha256, "10-1-1", f"etag-{sha256[:8]}", ulid_of(path + content), 10)


def version(path: Path, content: str = "", *, mirror: str = "docs") -> VersionRow:
    state = agreed(path, content)
    return VersionRow(
        id=state.version,
        mirror=mirror,
        path=path,
        sha256=state.sha256,
        size=state.size,
        mtime_ns=1_700_000_000_000_000_001,
        origin=Origin.DROP,
        parent=None,
        etag=state.remote_token,
        created_at=NOW,
    )


def uploaded(path: Path, content: str = "") -> Outcome:
    state = agreed(path, content)
    source = FileState(state.local_token, state.sha256, state.size)
    return Outcome(
        Upload(path, source, expect_remote=None),
        state,
        version(path, content),
        moved_bytes=state.size,
        took_s=0.25,
    )


def deleted(path: Path) -> Outcome:
    return Outcome(DeleteRemote(path, expect_remote="etag"), synced=None)


def forgotten(path: Path) -> Outcome:
    return Outcome(Forget(path), synced=None)


def new_job(content: str, recipe: str = "r1") -> NewJob:
    path = f"{content}.docx"
    return NewJob(
        rule="to-markdown",
        converter="markdown",
        mirror="docs",
        path=path,
        version=ulid_of(path),
        sha256=sha_of(content),
        recipe=recipe,
        target_mirror="processed",
        place="processed/{ulid}.md",
        created_at=NOW,
    )
