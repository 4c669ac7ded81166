"""
Where a mirror keeps snapshots of its part of the ledger: in its own prefix.

`<prefix>.docferry/ledger/<ULID>.sqlite3.gz`, beside the documents it is about, so that the
bucket is enough to have the ledger back.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Protocol

from docferry.errors import StaleError, TemporaryError
from docferry.model import RESERVED, Attributes, Sha256, Ulid
from docferry.storage.base import Content, check_versions, is_version
from docferry.storage.listing import Listed
from docferry.storage.local_content import LocalContent, token_of
from docferry.storage.memory import BytesContent
from docferry.storage.probe import StoreProfile
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_content import S3Content
from docferry.storage.s3_metadata import ABSENT, headers_of
from docferry.storage.s3_multipart import MultipartUpload
from docferry.storage.s3_versions import remove_versions_of_key

SNAPSHOT_PREFIX = f"{RESERVED}/ledger/"
_END = ".sqlite3.gz"
_SCHEMA, _RELEASE = "docferry-schema", "docferry-release"
#: As small as a part may be, and one at a time: nobody waits for a snapshot, and that of a million
#: files, sent as a document is, took more memory than all else.
_PART_BYTES = 5 * 1024 * 1024
_IS_WORD = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What a snapshot says about itself. Read from a store these are claims."""

    instance: str  #: of the ledger that it was taken of; "": it does not say
    sha256: Sha256 | None  #: of the file as it is stored; None: it does not say
    schema: str = ""
    release: str = ""  #: of docferry


class SnapshotStore(Protocol):
    """
    The snapshots of one mirror.

    Every method may raise UnreachableError, TemporaryError and PermanentError.
    """

    def all(self) -> list[Ulid]:
        """Name all that are there, the newest first."""
        ...

    def describe(self, snapshot: Ulid) -> SnapshotFacts | None:
        """Give what a snapshot says about itself. None: it is not there."""
        ...

    def read(self, snapshot: Ulid) -> Content:
        """
        Open a snapshot.

        Raises:
            StaleError: It is not there.
        """
        ...

    def write(self, snapshot: Ulid, file: FilePath, facts: SnapshotFacts) -> None:
        """
        Store a snapshot, whole or not at all.

        Raises:
            TemporaryError: The file is not `facts.sha256`.
        """
        ...

    def remove(self, snapshot: Ulid) -> None:
        """Remove it for good, from the bucket's own versions too. Not there: nothing to do."""
        ...


@dataclass(frozen=True, slots=True)
class S3Snapshots:
    """
    The snapshots below one prefix. Thread-safe.

    Args:
        list_objects: Lists what is below a prefix, some at a time.
    """

    client: S3Client
    prefix: str
    profile: StoreProfile
    list_objects: Callable[[str], Iterator[list[Listed]]]

    def all(self) -> list[Ulid]:
        folder = self.prefix + SNAPSHOT_PREFIX
        names = [
            key.removeprefix(folder).removesuffix(_END)
            for batch in self.list_objects(folder)
            for key, _, _ in batch
            if key.endswith(_END)
        ]
        return sorted(filter(is_version, names), reverse=True)

    def describe(self, snapshot: Ulid) -> SnapshotFacts | None:
        head = self.client.head(self._key(snapshot))
        if head is None:
            return None
        claims = head.attributes
        schema, release = (_word(head.headers.get(name)) for name in (_SCHEMA, _RELEASE))
        return SnapshotFacts(claims.writer or "", claims.sha256, schema, release)

    def read(self, snapshot: Ulid) -> Content:
        key = self._key(snapshot)
        fetched = self.client.get(key, None)
        is_md5 = self.profile.etag_is_md5
        return S3Content(self.client, key, fetched, etag_is_md5=is_md5)

    def write(self, snapshot: Ulid, file: FilePath, facts: SnapshotFacts) -> None:
        key = self._key(snapshot)
        attributes = Attributes(
            version=snapshot,
            sha256=facts.sha256,
            writer=facts.instance,
            content_type="application/gzip",
        )
        headers = headers_of(attributes) | {_SCHEMA: facts.schema, _RELEASE: facts.release}
        with _opened(file) as content:
            if content.size > _PART_BYTES:
                with MultipartUpload(self.client, key, headers) as upload:
                    sha256 = upload.send(content, part_bytes=_PART_BYTES, at_once=1)
                    _refuse_damage(facts, sha256)
                    content.confirm()
                    upload.complete(None)
                return
            body = content.part(0, content.size)
            _refuse_damage(facts, content.sha256())
        condition = ABSENT if self.profile.conditional_create else None
        self.client.put(key, body, headers, condition)

    def remove(self, snapshot: Ulid) -> None:
        key = self._key(snapshot)
        # A bucket whose versioning was suspended goes on keeping, and says so only here.
        if self.profile.versioning or self.client.delete(key):
            remove_versions_of_key(self.client, key, self.profile)

    def _key(self, snapshot: Ulid) -> str:
        check_versions(snapshot)
        return f"{self.prefix}{SNAPSHOT_PREFIX}{snapshot}{_END}"


class MemorySnapshots:
    """Snapshots in memory: for tests, and with a storage in memory. Thread-safe."""

    def __init__(self) -> None:
        self.held: dict[Ulid, tuple[bytes, SnapshotFacts]] = {}
        self._lock = threading.Lock()

    def all(self) -> list[Ulid]:
        return sorted(self.held, reverse=True)

    def describe(self, snapshot: Ulid) -> SnapshotFacts | None:
        found = self.held.get(snapshot)
        return None if found is None else found[1]

    def read(self, snapshot: Ulid) -> Content:
        if snapshot not in self.held:
            raise StaleError(f"there is no snapshot {snapshot}")
        return BytesContent(self.held[snapshot][0])

    def write(self, snapshot: Ulid, file: FilePath, facts: SnapshotFacts) -> None:
        check_versions(snapshot)
        with _opened(file) as content:
            _refuse_damage(facts, content.sha256())
            body = content.part(0, content.size)
        with self._lock:
            self.held[snapshot] = (body, facts)

    def remove(self, snapshot: Ulid) -> None:
        self.held.pop(snapshot, None)


def _opened(file: FilePath) -> LocalContent:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise TemporaryError(f"cannot read {file}: {error.strerror}") from error
    token = token_of(os.fstat(fd))
    assert token is not None  # we have just written it: a regular file
    return LocalContent(fd, str(file), token, file.stat)


def _refuse_damage(facts: SnapshotFacts, found: Sha256) -> None:
    if facts.sha256 not in (None, found):
        raise TemporaryError(f"the snapshot came damaged: its SHA-256 is {found}")


def _word(claim: str | None) -> str:
    return claim if claim is not None and _IS_WORD.fullmatch(claim) else ""
