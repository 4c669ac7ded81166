"""A mirror in memory, with what a document leaves everywhere, to be erased."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from docferry.engine.erase import Erasure
from docferry.errors import TemporaryError
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest, RequestRow
from docferry.model import (
    Attributes,
    DeleteRemote,
    FileState,
    KeepBoth,
    Outcome,
    Path,
    RequestKind,
    Ulid,
    VersionRow,
)
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent, MemoryArchive, MemoryStorage
from ledger_rows import (
    MINUTE,
    NOW,
    agreed,
    new_job,
    sha_of,
    ulid_of,
    uploaded,
)
from unit.archived_mirror import ArchivedMirror, KeptByBucket

PATH = "people/jane doe.docx"
LATER = NOW + timedelta(hours=1)


class Mirror(ArchivedMirror):
    def __init__(self, ledger: Ledger, state: pathlib.Path) -> None:
        super().__init__(ledger)
        self.state = state
        self.rows_in_snapshots: list[int] = []  # of the path, at each of them
        self.on_snapshot: Callable[[], None] = lambda: None
        self.now: datetime = LATER
        self.is_history_missed = False

    def current(self, path: Path, content: str) -> VersionRow:
        """Let both sides hold a content, and the ledger know it."""
        local = self.local.user_write(path, content.encode())
        remote = self.remote.user_write(path, content.encode())
        outcome = uploaded(path, content)
        assert outcome.synced is not None
        assert outcome.version is not None
        synced = replace(outcome.synced, local_token=local, remote_token=remote)
        row = replace(outcome.version, etag=remote, size=len(content))
        self.ledger.intents.add("docs", [(path, row.id)])
        self.ledger.record("docs", [replace(outcome, synced=synced, version=row)], at=NOW)
        return row

    def ask(self, path: Path = PATH) -> int:
        [number] = self.ledger.requests.add(
            [NewRequest("docs", path, RequestKind.ERASE)], NOW + MINUTE
        )
        return number

    def erasure(self) -> Erasure:
        return Erasure(
            "docs",
            self.local,
            self.remote,
            self.places,
            self.ledger,
            bucket_versions=lambda: self.bucket,
            is_history_missed=lambda: self.is_history_missed,
            renew_snapshots=self._renew_snapshots,
            alone=nullcontext,
            now=lambda: self.now,
        )

    def erase(self, number: int | None = None) -> dict[str, Any]:
        """Carry out a request, and give what it came to."""
        number = number or self.ask()
        self.erasure().run(self.request(number))
        found: dict[str, Any] = json.loads(self.request(number).note or "")
        return found

    def request(self, number: int) -> RequestRow:
        found = self.ledger.requests.get(number)
        assert found is not None
        return found

    def _renew_snapshots(self) -> None:
        self.rows_in_snapshots.append(len(self.ledger.versions.of("docs", PATH)))
        self.on_snapshot()


class Broken(MemoryArchive):
    """An archive that says what it has, and gives none of it."""

    def __init__(self, sound: MemoryArchive) -> None:
        super().__init__(keeps_references=True, step=lambda name: None)
        self.update(sound)

    def read(self, version: Ulid) -> Content:
        if version in self:
            raise TemporaryError("the store has trouble with it")
        return super().read(version)


def with_a_past(mirror: Mirror) -> list[Ulid]:
    """Give the path two versions, one of them current, and a trace in every table."""
    old = mirror.displaced(PATH, "1", 2)
    current = mirror.current(PATH, "what it is")
    ledger = mirror.ledger
    mirror.bucket.kept[PATH] = [
        KeptByBucket("v3", "", is_latest=True, is_delete_marker=True),
        KeptByBucket("v2", current.etag or ""),
        KeptByBucket("v1", "a stranger's"),
    ]
    ledger.problems.put(
        "docs", "third", kind="io", message=f"beside {PATH}: it failed", at=NOW, retry_at=None
    )
    ledger.problems.put("docs", PATH, kind="io", message="no", at=NOW, retry_at=None)
    ledger.aliases.add("docs", PATH, PATH)
    ledger.holds.park("docs", [(DeleteRemote(PATH, "e"), current.sha256)])
    ledger.holds.hold("docs", "too many", NOW)
    ledger.requests.add([NewRequest("docs", PATH, RequestKind.REMOVE)], NOW)
    state = FileState("t", sha_of("x"), 1)
    kept = Outcome(KeepBoth("other", PATH, state, state), agreed("other"), conflict_copy=PATH)
    ledger.record("docs", [kept], at=NOW)
    begun = replace(old, id=ulid_of("begun"), created_at=NOW)
    ledger.conflicts.begin(begun, "a copy")
    for side in (mirror.local, mirror.remote):
        side.archive.put(begun.id, BytesContent(b"1"), Attributes(sha256=sha_of("1"), path=PATH))
    return [old.id, current.id, begun.id]


def put_back(storage: MemoryStorage, row: VersionRow) -> None:
    content = BytesContent(b"1")
    storage.archive.put(row.id, content, Attributes(sha256=row.sha256, path=row.path))


def job_of(mirror: Mirror, row: VersionRow, result: Path | None) -> None:
    """Let a conversion of a version have ended with a result; None: it runs."""
    job = replace(new_job(row.path), path=row.path, version=row.id, sha256=row.sha256)
    mirror.ledger.record("docs", [], [job], at=NOW)
    claimed = mirror.ledger.jobs.claim(NOW, LATER, rules=[job.rule])
    assert claimed is not None
    if result is not None:
        mirror.ledger.jobs.finish(claimed.id, NOW, result)


def crash_at(number: int, error: TemporaryError | None = None) -> Callable[..., None]:
    left = [number]

    def crash(name: str = "") -> None:
        if left[0] == 0:
            raise error or TemporaryError("the machine went off")
        left[0] -= 1

    return crash
