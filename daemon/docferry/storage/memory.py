"""
A side in memory: the stand-in for a folder or a bucket in tests and dry runs.

It keeps the promises of the real ones and no more: writes are conditional, a token
changes whenever the content may have changed, a scan is a snapshot.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from docferry.core.paths import is_odd, is_reserved
from docferry.errors import DocferryError, StaleError, TemporaryError
from docferry.model import Attributes, Entry, FileState, Path, Sha256, Token, Ulid, Written
from docferry.storage.base import (
    PART_BYTES,
    Archived,
    Arrival,
    Content,
    WantsDownload,
    WantsUpload,
    check_bytes,
    check_versions,
    is_version,
    write_each,
)


def sha256_of(content: bytes) -> Sha256:
    return hashlib.sha256(content).hexdigest()


def whole_of(content: Content, announced: Sha256 | None) -> bytes:
    """
    Read a content to its end.

    Raises:
        StaleError: It changed meanwhile.
        TemporaryError: It is not of the promised length, or not *announced*.
    """
    whole = b"".join(content.parts())
    content.confirm()
    if len(whole) != content.size:
        raise TemporaryError(f"{len(whole)} bytes came of a content of {content.size}")
    if announced not in (None, sha256_of(whole)):
        raise TemporaryError("the content came damaged: not the SHA-256 that was announced")
    return whole


class BytesContent(Content):
    """Bytes as a content: what a test or docferry itself has at hand."""

    def __init__(self, content: bytes, attributes: Attributes | None = None) -> None:
        self._content = content
        self.size = len(content)
        self.attributes = attributes or Attributes()

    def part(self, offset: int, size: int) -> bytes:
        if offset + size > self.size:
            raise StaleError(f"there are only {self.size} bytes")
        return self._content[offset : offset + size]

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        for offset in range(0, self.size, part_bytes):
            yield self.part(offset, min(part_bytes, self.size - offset))

    def confirm(self) -> None:
        """Do nothing: bytes do not change."""

    def close(self) -> None:
        """Do nothing: bytes need no closing."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a memory storage holds at one path, or archived under one version."""

    content: bytes
    token: Token
    attributes: Attributes


class MemoryArchive(dict[Ulid, Held]):
    """
    What a memory storage has archived. As a dictionary it is for tests to look into.

    Args:
        keeps_references: False: like a folder's, which holds nothing for an equal version.
        step: Called with a name before and after each change.
    """

    def __init__(self, *, keeps_references: bool, step: Callable[[str], None]) -> None:
        super().__init__()
        self._keeps_references = keeps_references
        self._step = step
        self._lock = threading.RLock()

    def scan(self) -> Iterator[Archived]:
        with self._lock:
            found = sorted(self.items())
        for version, held in found:
            if is_version(version):
                yield Archived(version, len(held.content), held.attributes.mtime_ns)

    def describe(self, version: Ulid) -> Attributes | None:
        held = self.get(version)
        if held is None or held.attributes.bytes_of is not None:
            return None if held is None else held.attributes
        return replace(held.attributes, size=len(held.content))

    def read(self, version: Ulid) -> Content:
        with self._lock:
            held = self.get(version)
            if held is None:
                raise StaleError(f"the archive does not hold version {version}")
            attributes = held.attributes
            if attributes.bytes_of is not None:
                held = self._bytes_of(attributes.bytes_of, *check_bytes(attributes))
        return BytesContent(held.content, attributes)

    def put(self, version: Ulid, content: Content, attributes: Attributes) -> None:
        check_versions(version)
        whole = whole_of(content, attributes.sha256)
        own = replace(attributes, version=version, sha256=sha256_of(whole), bytes_of=None)
        self._step("before put")
        with self._lock:
            if not self._holds(version, own.sha256, len(whole)):
                self[version] = Held(whole, "archived", replace(own, size=None))
        self._step("after put")

    def refer(self, version: Ulid, to: Ulid, attributes: Attributes) -> None:
        check_versions(version, to)
        size, sha256 = check_bytes(attributes)
        self._step("before refer")
        with self._lock:
            own = self.get(version)
            if own is not None and not _is_about(own, sha256, size):
                raise StaleError(f"version {version} is another content")
            if self._keeps_references:
                self._bytes_of(to, size, sha256)
                dressed = replace(attributes, version=version, bytes_of=to)
                self[version] = Held(b"", "archived", dressed)
            elif own is not None:
                self.setdefault(to, own)
                self._bytes_of(to, size, sha256)
                del self[version]
        self._step("after refer")

    def remove(self, version: Ulid) -> None:
        check_versions(version)
        self._step("before remove")
        self.pop(version, None)
        self._step("after remove")

    def _holds(self, version: Ulid, sha256: Sha256 | None, size: int) -> bool:
        """Say whether a version is there; False also for a reference whose bytes are gone."""
        held = self.get(version)
        if held is None:
            return False
        if not _is_about(held, sha256, size):
            raise StaleError(f"the archive holds another content as version {version}")
        try:
            self.read(version)
        except StaleError:
            return False
        return True

    def _bytes_of(self, version: Ulid, size: int, sha256: Sha256) -> Held:
        held = self.get(version)
        if held is None or held.attributes.bytes_of is not None:
            raise StaleError(f"the archive does not hold the bytes of version {version}")
        if not _is_about(held, sha256, size):
            raise StaleError(f"version {version} is another content")
        return held


def _is_about(held: Held, sha256: Sha256 | None, size: int) -> bool:
    if held.attributes.bytes_of is not None:
        return (held.attributes.sha256, held.attributes.size) == (sha256, size)
    return (sha256_of(held.content), len(held.content)) == (sha256, size)


class MemoryStorage:
    """
    A folder or a bucket. Thread-safe.

    Args:
        knows_sha256: False: `scan` and `stat` tell no hash, like a folder, or a bucket
            whose objects carry no checksum of ours.
        keeps_references: False: the archive holds bytes alone, like a folder's.
        step: Called with a name before and after each change; tests crash there, or
            let a person act in the middle.
    """

    def __init__(
        self,
        *,
        knows_sha256: bool = True,
        keeps_references: bool = True,
        step: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.knows_sha256 = knows_sha256
        self.step = step
        self.files: dict[Path, Held] = {}
        self.cut_off: list[tuple[Path, int, datetime]] = []  # uploads, as `WantsUpload` is asked
        self.begun: list[tuple[Path, int, datetime]] = []  # downloads, as `WantsDownload` is
        self.archive = MemoryArchive(
            keeps_references=keeps_references, step=lambda name: self.step(name)
        )
        self.marker: bytes | None = None
        self.open_for_writing: set[Path] = set()
        self.made_to_last: set[tuple[Path, Token]] = set()
        self._changes = 0
        self._odd: list[Entry] = []
        self._lock = threading.RLock()

    @property
    def contents(self) -> dict[Path, bytes]:
        """Give all that is held, by path: for tests to compare."""
        return {path: held.content for path, held in self.files.items()}

    def scan(self) -> Iterator[Entry]:
        with self._lock:
            entries = [(path, self._state(held)) for path, held in sorted(self.files.items())]
        yield from (entry for entry in entries if not is_odd(entry[0]))
        self._odd = [entry for entry in entries if is_odd(entry[0])]

    def scan_odd(self) -> list[Entry]:
        return self._odd

    def scan_after(self, path: Path) -> Iterator[Entry]:
        with self._lock:
            later = [
                (each, self._state(held))
                for each, held in sorted(self.files.items())
                if each > path and not is_odd(each)
            ]
        yield from later

    def sweep_uploads(self, is_wanted: WantsUpload) -> list[DocferryError]:
        self.cut_off = [upload for upload in self.cut_off if is_wanted(*upload)]
        return []

    def drop_begun(self, is_wanted: WantsDownload) -> None:
        self.begun = [download for download in self.begun if is_wanted(*download)]

    def begun_as(self, path: Path, attributes: Attributes) -> Ulid | None:
        return None

    def is_as_scanned(self) -> bool:
        return False  # nothing is saved by asking

    def paths_below(self, folder: Path) -> Iterator[Path]:
        yield from [path for path in self.files if path.startswith(f"{folder}/")]

    def blocker(self, path: Path) -> Path | None:
        return None  # as in a bucket, `a` can be beside `a/b`

    def stat(self, path: Path) -> FileState | None:
        held = self.files.get(path)
        return None if held is None else self._state(held)

    def describe(self, path: Path) -> tuple[FileState, Attributes] | None:
        """Look at one path, with what the content says about itself, as a bucket's does."""
        held = self.files.get(path)
        return None if held is None else (self._state(held), held.attributes)

    def is_being_written(self, path: Path) -> bool:
        return path in self.open_for_writing

    def read(self, path: Path, expect: Token) -> Content:
        with self._lock:
            self._check(path, expect)
            if path in self.open_for_writing:
                raise StaleError(f"{path} is open for writing")
            return _HeldContent(self.files[path], lambda: self._check(path, expect))

    def make_last(self, path: Path, content: Content) -> None:
        """Only note it: what is in memory lasts through nothing."""
        assert isinstance(content, _HeldContent)
        self.made_to_last.add((path, content.token))

    def lasts_together(self) -> bool:
        return True

    def make_all_last(self) -> None:
        self.made_to_last.update((path, held.token) for path, held in self.files.items())

    def read_archived(self, version: Ulid) -> Content:
        return self.archive.read(version)

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        if is_reserved(path):
            raise ValueError(f"{path!r} belongs to docferry itself")
        whole = whole_of(content, attributes.sha256)
        self.step("before write")
        with self._lock:
            self._check(path, expect)
            if expect is not None:
                self._archive(path, archive)
            token = self.user_write(path, whole, replace(attributes, sha256=sha256_of(whole)))
        self.step("after write")
        return Written(token, sha256_of(whole), len(whole))

    def overwrite_unreadable(
        self, path: Path, content: Content, attributes: Attributes, *, expect: Token
    ) -> Written:
        """Do as a bucket does: nothing is archived."""
        whole = whole_of(content, attributes.sha256)
        with self._lock:
            self._check(path, expect)
            token = self.user_write(path, whole, replace(attributes, sha256=sha256_of(whole)))
        return Written(token, sha256_of(whole), len(whole))

    def copy_within(
        self, source: Path, source_token: Token, path: Path, attributes: Attributes
    ) -> Written:
        """Copy inside the storage, as a bucket can: *path* must be free."""
        with self.read(source, source_token) as content:
            return self.write(path, content, attributes, expect=None)

    def write_all(self, arrivals: Sequence[Arrival]) -> list[Written | DocferryError]:
        return write_each(self, arrivals)

    def delete(self, path: Path, *, expect: Token, archive: Attributes) -> None:
        self.step("before delete")
        with self._lock:
            self._check(path, expect)
            self._archive(path, archive)
            del self.files[path]
        self.step("after delete")

    def drop_staged(self, versions: Collection[Ulid]) -> None:
        """Do nothing: what is displaced is in the archive at once."""

    def traces(self, path: Path, versions: Collection[Ulid]) -> Iterator[str]:
        yield from [path for each in self.files if each == path]
        yield from [version for version in self.archive if version in versions]

    def read_marker(self) -> bytes | None:
        return self.marker

    def write_marker(self, content: bytes) -> None:
        self.marker = content

    # What a person or another program does, without asking anybody:

    def user_write(self, path: Path, content: bytes, attributes: Attributes | None = None) -> Token:
        with self._lock:
            self._changes += 1
            token = f"t{self._changes}"
            self.files[path] = Held(content, token, attributes or Attributes())
        return token

    def user_delete(self, path: Path) -> None:
        with self._lock:
            del self.files[path]

    def _check(self, path: Path, expect: Token | None) -> None:
        held = self.files.get(path)
        if (None if held is None else held.token) != expect:
            raise StaleError(f"{path} is not as expected")

    def _archive(self, path: Path, archive: Attributes | None) -> None:
        if archive is None or archive.version is None:
            raise ValueError(f"{path}: what is displaced needs a version to be archived under")
        held = self.files[path]
        dressed = replace(
            archive,
            mtime_ns=archive.mtime_ns or held.attributes.mtime_ns,
            parent=archive.parent or held.attributes.parent,
        )
        self.archive[archive.version] = replace(held, attributes=dressed)

    def _state(self, held: Held) -> FileState:
        sha256 = sha256_of(held.content) if self.knows_sha256 else None
        return FileState(held.token, sha256, len(held.content))


class _HeldContent(BytesContent):
    def __init__(self, held: Held, check: Callable[[], None]) -> None:
        super().__init__(held.content, held.attributes)
        self.token = held.token
        self._check = check

    def confirm(self) -> None:
        self._check()
