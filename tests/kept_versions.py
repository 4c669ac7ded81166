"""A bucket in memory that keeps versions of its own, and the strangers who write to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from docferry.errors import StaleError
from docferry.model import Attributes, Path, Ulid
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent, Held, MemoryStorage, sha256_of
from docferry.storage.probe import StoreProfile
from docferry.storage.s3_versions import BucketVersion
from ledger_rows import NOW


@dataclass(frozen=True, slots=True)
class Put:
    """A content that was at a path, or None: that it was deleted."""

    version: BucketVersion
    content: bytes | None
    claims: Attributes = field(default_factory=Attributes)


class KeepingBucket:
    """
    What a stranger writes follows *now* by a second each; `storage` has the archive.

    before_archiving, after_archiving: called around each copy into the archive.
    before_reading: called with the path, before a version is opened.
    """

    def __init__(self) -> None:
        self.profile = StoreProfile(versioning=True)
        self.storage = MemoryStorage(knows_sha256=False)
        self.now = NOW
        self.puts: list[Put] = []  # the oldest first
        self.asked: list[str] = []  # what was asked of it: scan, of and read, with the path
        self.before_archiving: Callable[[], None] = lambda: None
        self.after_archiving: Callable[[], None] = lambda: None
        self.before_reading: Callable[[Path], None] = lambda path: None
        self._numbers = itertools.count(1)

    @property
    def bucket_versions(self) -> KeepingBucket:
        return self

    # Strangers.

    def put(self, path: Path, content: bytes, claims: Attributes | None = None) -> str:
        """Give the bucket's name for it."""
        return self._add(path, content, claims or Attributes(mtime_ns=5))

    def delete(self, path: Path) -> None:
        self._add(path, None, Attributes())

    def forget(self, name: str) -> None:
        """Let the bucket's own rules have removed a version."""
        self.puts = [put for put in self.puts if put.version.version_id != name]

    def _add(self, path: Path, content: bytes | None, claims: Attributes) -> str:
        self.now += timedelta(seconds=1)
        version = BucketVersion(
            path=path,
            version_id=f"bucket-{next(self._numbers)}",
            token="" if content is None else f"md5-{sha256_of(content)[:8]}",
            size=len(content or b""),
            modified_at=self.now,
            is_latest=True,
            is_delete_marker=content is None,
        )
        self.puts = [
            replace(put, version=replace(put.version, is_latest=False))
            if put.version.path == path
            else put
            for put in self.puts
        ]
        self.puts.append(Put(version, content, claims))
        return version.version_id

    # What docferry asks.

    def of(self, path: Path) -> Sequence[BucketVersion]:
        self.asked.append(f"of {path}")
        return [put.version for put in self.puts[::-1] if put.version.path == path]

    def scan(self) -> Iterator[BucketVersion]:
        self.asked.append("scan")
        for path in sorted({put.version.path for put in self.puts}):
            yield from [put.version for put in self.puts[::-1] if put.version.path == path]

    def read(self, path: Path, version_id: str) -> Content:
        self.asked.append(f"read {path}")
        self.before_reading(path)
        put = self._look_for(path, version_id)
        return BytesContent(put.content or b"", put.claims)

    def archive(self, path: Path, version_id: str, archive: Attributes) -> None:
        put = self._look_for(path, version_id)
        self.before_archiving()
        assert archive.version is not None
        held = Held(put.content or b"", put.version.token, archive)  # unread, as a store copies
        self.storage.archive.setdefault(archive.version, held)
        self.after_archiving()

    def archived(self, version: Ulid) -> bytes:
        with self.storage.archive.read(version) as content:
            return b"".join(content.parts())

    def at(self, name: str) -> datetime:
        """Say when a version came."""
        return next(put.version.modified_at for put in self.puts if put.version.version_id == name)

    def _look_for(self, path: Path, version_id: str) -> Put:
        for put in self.puts:
            is_it = (put.version.path, put.version.version_id) == (path, version_id)
            if is_it and put.content is not None:
                return put
        raise StaleError(f"the bucket keeps no content of {path} as version {version_id}")
