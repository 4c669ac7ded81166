"""A mirror in memory with versions in its archives, and a ledger that knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from docferry.core.guards import marker
from docferry.engine.identity import Places
from docferry.ledger import Ledger
from docferry.model import Attributes, Mode, Path, Ulid, VersionRow
from docferry.storage.memory import BytesContent, MemoryStorage
from ledger_rows import NOW, sha_of, ulid_of, version

DAY = timedelta(days=1)
MARKER = ulid_of("marker")


@dataclass(frozen=True)
class KeptByBucket:
    version_id: str
    token: str
    is_latest: bool = False
    is_delete_marker: bool = False


@dataclass
class Bucket:
    """What a bucket keeps of its own, and what was removed of that."""

    kept: dict[Path, list[KeptByBucket]] = field(default_factory=dict)

    def of(self, path: Path) -> Sequence[KeptByBucket]:
        return [*self.kept.get(path, [])]

    def remove(self, path: Path, version_id: str) -> None:
        self.kept[path] = [one for one in self.kept[path] if one.version_id != version_id]


class ArchivedMirror:
    """Both archives in memory, and a ledger that knows what is in them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.local = MemoryStorage(keeps_references=False)
        self.remote = MemoryStorage()
        self.bucket = Bucket()
        for side in (self.local, self.remote):
            side.write_marker(marker(MARKER))
        ledger.mirrors.put(
            "docs", store="main", bucket="b", prefix="", local="/d", mode=Mode.TWO_WAY
        )
        ledger.mirrors.put("docs", marker_id=MARKER)

    @property
    def places(self) -> Places:
        return Places(self.local, self.remote, "the folder", "the bucket")

    def displaced(
        self, path: Path, name: str, days: int, *, content: str = "", bytes_of: Ulid | None = None
    ) -> VersionRow:
        """Let *path* have held a content until so many days ago."""
        row = replace(
            version(path, name),
            sha256=sha_of(content or name),
            size=len(content or name),
            created_at=NOW - 100 * DAY,
            left_at=NOW - days * DAY,
            archived_local=True,
            archived_remote=True,
            bytes_of=bytes_of,
        )
        self.ledger.versions.add([row])
        about = Attributes(sha256=row.sha256, size=len(content or name), path=path)
        if bytes_of is None:
            for side in (self.local, self.remote):
                side.archive.put(row.id, BytesContent((content or name).encode()), about)
        else:
            self.remote.archive.refer(row.id, bytes_of, about)
        return row

    def row(self, version_id: Ulid) -> VersionRow:
        found = self.ledger.versions.get(version_id)
        assert found is not None
        return found

    @property
    def archived(self) -> tuple[set[Ulid], set[Ulid]]:
        return set(self.local.archive), set(self.remote.archive)
