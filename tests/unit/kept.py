"""A mirror whose contents rot: two sides in memory, a real ledger, and what was displaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from docferry.config import MirrorConfig
from docferry.core.asked import Request, answer
from docferry.core.guards import marker
from docferry.core.merge import Difference
from docferry.engine.contents import Contents
from docferry.engine.heal import Healer
from docferry.engine.identity import Places
from docferry.engine.patrol import Patrol
from docferry.errors import StaleError, TemporaryError
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest, RequestRow
from docferry.model import (
    Answer,
    Attributes,
    FileState,
    Heal,
    Mode,
    Origin,
    Outcome,
    Path,
    RequestKind,
    Side,
    SyncedState,
    Token,
    Ulid,
    Upload,
    VersionRow,
    Written,
)
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent, MemoryStorage, sha256_of
from ledger_rows import NOW

MTIME_NS = 1_700_000_000_000_000_001
_SIDE_OF = {RequestKind.HEAL_LOCAL: Side.LOCAL, RequestKind.HEAL_REMOTE: Side.REMOTE}


class Frail(MemoryStorage):
    """A side that can neither give nor copy what is at some of its paths."""

    def __init__(self, *, keeps_references: bool) -> None:
        super().__init__(knows_sha256=False, keeps_references=keeps_references)
        self.broken: set[Path] = set()

    def read(self, path: Path, expect: Token) -> Content:
        if path in self.broken:
            self._check(path, expect)
            raise TemporaryError(f"the store has trouble with {path}")
        return super().read(path, expect)

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        if path in self.broken:
            raise TemporaryError(f"the store cannot copy {path}")
        return super().write(path, content, attributes, expect=expect, archive=archive)

    def overwrite_unreadable(
        self, path: Path, content: Content, attributes: Attributes, *, expect: Token
    ) -> Written:
        written = super().overwrite_unreadable(path, content, attributes, expect=expect)
        self.broken.discard(path)
        return written


class Kept:
    """One mirror, "docs", that was in step before anything rotted."""

    def __init__(self, ledger: Ledger, options: MirrorConfig) -> None:
        self.ledger = ledger
        self.options = options
        self.local = Frail(keeps_references=False)
        self.remote = Frail(keeps_references=True)
        self.now = NOW
        self._numbers = iter(range(1, 10**6))
        ledger.mirrors.put(
            "docs", store="s", bucket="b", prefix="", local="/docs", mode=Mode.TWO_WAY
        )
        ledger.mirrors.put("docs", marker_id="M")
        for side in Side:
            self.side(side).write_marker(marker("M"))

    def side(self, side: Side) -> Frail:
        return self.local if side is Side.LOCAL else self.remote

    @property
    def places(self) -> Places:
        return Places(self.local, self.remote, "the folder", "the bucket")

    @property
    def contents(self) -> Contents:
        return Contents("docs", self.places, self.ledger.versions, self.ledger.synced)

    def new_ulid(self) -> Ulid:
        return f"{next(self._numbers):026d}"

    def clock(self) -> datetime:
        return self.now

    def patrol(self, **more: float) -> Patrol:
        return Patrol(
            self.options,
            self.places,
            self.ledger,
            self.contents,
            self.new_ulid,
            self.clock,
            **more,
        )

    # What was before.

    def agree(self, path: Path, content: bytes) -> SyncedState:
        """Let both sides hold *content* at *path*, and the ledger know it."""
        row = self._row(path, content, self.new_ulid())
        attributes = Attributes(version=row.id, sha256=row.sha256, mtime_ns=MTIME_NS)
        local = self.local.user_write(path, content, Attributes(mtime_ns=MTIME_NS))
        remote = self.remote.user_write(path, content, attributes)
        state = SyncedState(row.sha256, local, remote, row.id, row.size)
        upload = Upload(path, FileState(local, row.sha256, row.size), expect_remote=None)
        self.ledger.record("docs", [Outcome(upload, state, row)], at=NOW)
        return state

    def agree_anew(self, path: Path, content: bytes, local: Token) -> SyncedState:
        """Bring what the folder has by now to the bucket, as the daemon does."""
        version, sha256 = self.new_ulid(), sha256_of(content)
        remote = self.remote.user_write(path, content, Attributes(version=version, sha256=sha256))
        return SyncedState(sha256, local, remote, version, len(content))

    def displace(
        self, path: Path, content: bytes, *sides: Side, bytes_of: Ulid | None = None
    ) -> VersionRow:
        """Let *content* have been at *path* once, and be in the archives of *sides*."""
        row = replace(
            self._row(path, content, self.new_ulid()),
            left_at=NOW,
            archived_local=Side.LOCAL in sides,
            archived_remote=Side.REMOTE in sides,
            bytes_of=bytes_of,
        )
        self.ledger.versions.add([row])
        for side in sides:
            archive = self.side(side).archive
            about = Attributes(sha256=row.sha256, size=row.size, path=path)
            if bytes_of is None:
                archive.put(row.id, BytesContent(content), about)
            else:
                archive.refer(row.id, bytes_of, about)
        return row

    # Rot: other bytes under the same token.

    def rot(self, side: Side, path: Path, content: bytes) -> None:
        files = self.side(side).files
        files[path] = replace(files[path], content=content)

    def rot_archived(self, side: Side, version: Ulid, content: bytes) -> None:
        archive = self.side(side).archive
        archive[version] = replace(archive[version], content=content)

    # What comes of it.

    def asked(self) -> list[tuple[RequestKind, Path]]:
        return [(request.kind, request.path) for request in self.requests()]

    def requests(self) -> list[RequestRow]:
        return self.ledger.requests.open("docs", 1000)

    def heal(self, side: Side, path: Path) -> Outcome:
        """Do as the loop does that is asked to."""
        kind = next(kind for kind, one in _SIDE_OF.items() if one is side)
        state = self.ledger.synced.get("docs", [path])[path]
        new = NewRequest("docs", path, kind, state.version, expect=state.version)
        [request] = self.ledger.requests.add([new], NOW)
        found = self.ledger.requests.get(request)
        assert found is not None
        return self.carry_out(found)

    def carry_out(self, row: RequestRow) -> Outcome:
        seen = Difference(
            row.path,
            self.local.stat(row.path),
            self.remote.stat(row.path),
            self.ledger.synced.get("docs", [row.path]).get(row.path),
        )
        operation = answer(Request(row.id, row.kind, expect=row.expect), seen)
        if isinstance(operation, Answer):
            raise StaleError(operation.note or "")
        assert isinstance(operation, Heal)
        assert seen.synced is not None
        healer = Healer("docs", self.local, self.remote, self.contents, "this")
        outcome = healer.heal(operation, seen.synced, self.new_ulid(), NOW)
        self.ledger.record("docs", [outcome], at=NOW)
        return outcome

    def heal_all(self) -> None:
        for request in self.requests():
            self.carry_out(request)

    def problems(self) -> dict[Path, str]:
        return {row.path: row.kind for row in self.ledger.problems.all("docs")}

    def evidence(self) -> list[VersionRow]:
        rows = self.ledger.versions.displaced("docs")
        return [row for row in rows if row.origin is Origin.EVIDENCE]

    def _row(self, path: Path, content: bytes, version: Ulid) -> VersionRow:
        sha256, size = sha256_of(content), len(content)
        return VersionRow(
            version, "docs", path, sha256, size, MTIME_NS, Origin.LOCAL, None, None, NOW
        )


def never() -> bool:
    """Nobody stops the patrol."""
    return False


#: Makes one; the options of its configuration by name.
KeptWith = Callable[..., Kept]
