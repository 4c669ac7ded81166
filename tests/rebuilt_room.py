"""A prefix with something in it, of which a ledger is made anew."""

from __future__ import annotations

import itertools
import pathlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ulid import ULID

import servers
from docferry.core.rules import Rule
from docferry.engine.claims import Claims
from docferry.engine.rebuild import Bucket, Rebuild
from docferry.ledger import Ledger
from docferry.ledger.rebuilt import Rebuilt
from docferry.ledger.snapshots import make
from docferry.model import Attributes, SyncedState, Ulid
from docferry.storage.memory import BytesContent, MemoryStorage, sha256_of
from docferry.storage.s3 import S3Options, S3Storage
from docferry.storage.snapshots import SnapshotFacts

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
#: So many more versions of those that nobody told of yet.
_numbers = itertools.count()


class Room:
    """A prefix with something in it, and an empty ledger."""

    def __init__(self, server: servers.S3Server, folder: pathlib.Path, ledger: Rebuilt) -> None:
        self.folder = folder
        self.ledger = ledger
        self.remote = S3Storage(
            S3Options(
                endpoint_url=server.endpoint_url,
                access_key_id=servers.ACCESS_KEY_ID,
                secret_access_key=servers.SECRET_ACCESS_KEY,
            ),
            servers.BUCKET,
            f"{ULID()}/",
        )
        self.client = server.client()
        self.here: MemoryStorage | None = None
        self.sizes_here: dict[str, int] = {}
        self.rules: list[Rule] = []

    def put(self, path: str, content: bytes, claims: Attributes | None = None) -> str:
        """Put an object there, with whatever claims; give its token."""
        claims = claims or Attributes()
        return self.remote.write(path, BytesContent(content), claims, expect=None).token

    def put_plainly(self, path: str, content: bytes, **metadata: str) -> None:
        """Put one as a stranger does: it says nothing but this."""
        key = self.remote.prefix + path
        self.client.put_object(Bucket=servers.BUCKET, Key=key, Body=content, Metadata=metadata)

    def archive(self, version: Ulid, content: bytes, **claims: object) -> None:
        attributes = replace(Attributes(version=version, writer="lost"), **claims)  # type: ignore[arg-type]
        self.remote.archive.put(version, BytesContent(content), attributes)

    def leave_snapshot(self, ledger: Ledger, mirror: str = "docs") -> Ulid:
        folder = self.folder / f"snapshot-{next(_numbers)}"
        folder.mkdir()
        packed, made = make(ledger, mirror, folder)
        snapshot = str(ULID())
        facts = SnapshotFacts(ledger.instance, made.sha256)
        self.remote.snapshots.write(snapshot, packed, facts)
        return snapshot

    def rebuild(self, bucket: Bucket | None = None) -> Rebuild:
        with ThreadPoolExecutor(4) as pool:
            rebuild = Rebuild(
                "docs",
                self.ledger,
                bucket or self.remote,
                None if self.here is None else self.here.archive,
                pool,
                self.folder / "rebuilding",
                targets={"to-markdown": "processed"},
                believe=Claims(self.ledger, self.rules).believe,
                takes=lambda path: not path.endswith(".tmp"),
                size_here=self.sizes_here.get,
                new_ulid=lambda: str(ULID()),
                now=lambda: datetime.now(UTC),
            )
            rebuild.take_snapshots()
            rebuild.take_objects()
            rebuild.take_archive()
            rebuild.take_folder()
            rebuild.count()
        return rebuild

    def synced(self) -> dict[str, SyncedState]:
        return dict([*self.ledger.synced.scan("docs"), *self.ledger.synced.scan_odd("docs")])


def ulid(minute: int) -> Ulid:
    return str(ULID.from_datetime(BEGAN + timedelta(minutes=minute)))


def just_now() -> Ulid:
    return str(ULID())


def ours(version: Ulid, content: bytes, parent: Ulid | None = None) -> Attributes:
    return Attributes(version=version, sha256=sha256_of(content), parent=parent, writer="lost")
