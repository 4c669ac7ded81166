"""
Both sides of a mirror as they would be: changed in the mind only, for a rehearsal.

What is there is asked of the real sides, what would be there is kept here, and nothing
is ever written. A content that would have travelled is read only if somebody asks.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from docferry.core.merge import place_of
from docferry.core.paths import is_odd
from docferry.engine.sides import LocalSide
from docferry.errors import DocferryError, StaleError
from docferry.model import (
    Attributes,
    Entry,
    FileState,
    Path,
    Sha256,
    Token,
    Ulid,
    Unknown,
    Written,
)
from docferry.storage.base import (
    PART_BYTES,
    Archive,
    Archived,
    Arrival,
    Content,
    Storage,
    WantsDownload,
    WantsUpload,
    write_each,
)

_LONG_AGO_NS = 1  # in a run it would settle first, and then be taken


@dataclass(frozen=True, slots=True)
class _Imagined:
    """A file that would be there, and the real content that it would have."""

    state: FileState
    open: Callable[[], Content]


class _ImaginedArchive:
    """A real archive, to look into: what would be changed in it is not remembered."""

    def __init__(self, real: Archive) -> None:
        self._real = real

    def scan(self) -> Iterator[Archived]:
        return self._real.scan()

    def describe(self, version: Ulid) -> Attributes | None:
        return self._real.describe(version)

    def read(self, version: Ulid) -> Content:
        return self._real.read(version)

    def put(self, version: Ulid, content: Content, attributes: Attributes) -> None:
        """Change nothing."""

    def refer(self, version: Ulid, to: Ulid, attributes: Attributes) -> None:
        """Change nothing."""

    def remove(self, version: Ulid) -> None:
        """Change nothing."""


class ImaginedSide:
    """A side that keeps to itself what is written to it. Thread-safe."""

    def __init__(self, real: Storage) -> None:
        self._real = real
        self._changed: dict[Path, _Imagined | None] = {}  # None: it would be gone
        self._marker: bytes | None = None
        self._writes = 0
        self._lock = threading.Lock()
        self.archive: Archive = _ImaginedArchive(real.archive)

    # As any Storage.

    def scan(self) -> Iterator[Entry]:
        yield from self._overlaid(self._real.scan(), is_of_scan=lambda path: not is_odd(path))

    def scan_odd(self) -> list[Entry]:
        return [*self._overlaid(self._real.scan_odd(), is_of_scan=is_odd)]

    def stat(self, path: Path) -> FileState | Unknown | None:
        if path not in self._changed:
            return self._real.stat(path)
        imagined = self._changed[path]
        return None if imagined is None else imagined.state

    def read(self, path: Path, expect: Token) -> Content:
        if path not in self._changed:
            return self._real.read(path, expect)
        self._check(path, expect)
        imagined = self._changed[path]
        assert imagined is not None  # it has the token
        return imagined.open()

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        self._check(path, expect)
        sha256 = attributes.sha256 or content.sha256()
        known = _Hashed(content.size, sha256)
        return self.put(path, FileState("", sha256, content.size), lambda: known, expect=expect)

    def delete(self, path: Path, *, expect: Token, archive: Attributes) -> None:
        self._check(path, expect)
        with self._lock:
            self._changed[path] = None

    def read_archived(self, version: str) -> Content:
        return self._real.read_archived(version)

    def read_marker(self) -> bytes | None:
        return self._marker or self._real.read_marker()

    def write_marker(self, content: bytes) -> None:
        self._marker = content

    # Only here.

    def put(
        self,
        path: Path,
        source: FileState,
        open_content: Callable[[], Content],
        *,
        expect: Token | None,
    ) -> Written:
        """
        Imagine what *source* holds, and *open_content* opens, at *path*.

        The SHA-256 given is no real one where *source* does not know it: a different one
        for each content.

        Raises:
            StaleError: As imagined, *path* does not hold *expect*. The real side is not
                asked: it was, for the plan.
        """
        if path in self._changed:
            self._check(path, expect)
        with self._lock:
            self._writes += 1
            token = f"imagined-{self._writes}"
            state = replace(source, token=token, changed_ns=_LONG_AGO_NS)
            self._changed[path] = _Imagined(state, open_content)
        return Written(token, source.sha256 or f"unread-{id(self)}-{token}", source.size)

    def unread(self, sizes: set[int]) -> Iterator[tuple[Path, Callable[[], Content]]]:
        """Yield the files of one of *sizes* that would be new here and were not read."""
        for path, imagined in self._so_far().items():
            if imagined is None or imagined.state.sha256 is not None:
                continue
            if imagined.state.size in sizes:
                yield path, imagined.open

    def _so_far(self) -> dict[Path, _Imagined | None]:
        with self._lock:  # others go on meanwhile
            return dict(self._changed)

    def _check(self, path: Path, expect: Token | None) -> None:
        state = self.stat(path)
        if (state.token if isinstance(state, FileState) else None) != expect:
            raise StaleError(f"{path} would be another content than expected, or gone")

    def _overlaid(
        self, entries: Iterable[Entry], *, is_of_scan: Callable[[Path], bool]
    ) -> Iterator[Entry]:
        changed = {path: found for path, found in self._so_far().items() if is_of_scan(path)}
        if not changed:
            yield from entries
            return
        kept = (one for one in entries if isinstance(one, Unknown) or one[0] not in changed)
        added: list[Entry] = [
            (path, found.state) for path, found in sorted(changed.items()) if found is not None
        ]
        yield from heapq.merge(kept, added, key=place_of)


class ImaginedFolder(ImaginedSide):
    """The local side."""

    def __init__(self, real: LocalSide) -> None:
        super().__init__(real)
        self._folder = real
        self._folders: set[Path] = set()  # that what is imagined would be in

    def is_being_written(self, path: Path) -> bool:
        return path not in self._changed and self._folder.is_being_written(path)

    def drop_begun(self, is_wanted: WantsDownload) -> None:
        """Do nothing: what was begun is begun in earnest."""

    def make_last(self, path: Path, content: Content) -> None:
        """Do nothing: nothing is written down in earnest."""

    def lasts_together(self) -> bool:
        return True

    def make_all_last(self) -> None:
        """Do nothing, likewise."""

    def paths_below(self, folder: Path) -> Iterator[Path | Unknown]:
        yield from (p for p in self._folder.paths_below(folder) if p not in self._changed)
        for path, imagined in self._so_far().items():
            if imagined is not None and path.startswith(f"{folder}/"):
                yield path

    def write_all(self, arrivals: Sequence[Arrival]) -> list[Written | DocferryError]:
        return write_each(self, arrivals)

    def put(
        self,
        path: Path,
        source: FileState,
        open_content: Callable[[], Content],
        *,
        expect: Token | None,
    ) -> Written:
        written = super().put(path, source, open_content, expect=expect)
        with self._lock:
            self._folders.update(_folders_of(path))
        return written

    def blocker(self, path: Path) -> Path | None:
        for folder in _folders_of(path):
            if self._changed.get(folder) is not None:
                return folder
        if path in self._folders:
            return path
        found = self._folder.blocker(path)
        if found is None or found in self._changed:  # the file in the way would be gone
            return None
        return None if found == path and self._would_be_emptied(path) else found

    def _would_be_emptied(self, folder: Path) -> bool:
        """Say whether the last files in *folder* would go, and it with them."""
        gone = (path for path, imagined in self._so_far().items() if imagined is None)
        return (
            any(path.startswith(f"{folder}/") for path in gone)
            and next(self.paths_below(folder), None) is None
        )


class ImaginedBucket(ImaginedSide):
    """The remote side."""

    def sweep_uploads(self, is_wanted: WantsUpload) -> list[DocferryError]:
        return []

    def begun_as(self, path: Path, attributes: Attributes) -> Ulid | None:
        return None

    def scan_after(self, path: Path) -> Iterator[Entry]:
        """Give them of a whole scan: a rehearsal lists everything anyway."""
        yield from (entry for entry in self.scan() if place_of(entry) > path)

    def is_as_scanned(self) -> bool:
        return False

    def copy_within(
        self, source: Path, source_token: Token, path: Path, attributes: Attributes
    ) -> Written:
        raise StaleError("nothing is copied in the mind: it is sent")


class _Hashed(Content):
    """A content that was read once and of which the SHA-256 was kept."""

    def __init__(self, size: int, sha256: Sha256) -> None:
        self.size = size
        self.attributes = Attributes()
        self._sha256 = sha256

    def sha256(self) -> Sha256:
        return self._sha256

    def part(self, offset: int, size: int) -> bytes:
        raise StaleError("its bytes were only imagined")

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        yield self.part(0, self.size)

    def confirm(self) -> None:
        """Do nothing: it does not change."""

    def close(self) -> None:
        """Do nothing: nothing was opened."""


def _folders_of(path: Path) -> Iterator[Path]:
    names = path.split("/")
    return ("/".join(names[:depth]) for depth in range(1, len(names)))
