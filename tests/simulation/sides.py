"""
A folder and a bucket in memory, as awkward as real ones: others come in between each step,
a listing is a walk and no snapshot, and answers are lost.

Nothing here forgives: what docferry overwrites without archiving it is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from docferry.core.merge import place_of
from docferry.core.paths import (
    is_odd,
    is_reserved,
    key_of,
    name_instead_of,
    path_of,
    require_own_name,
)
from docferry.errors import BlockedPathError, PermanentError, StaleError, UnreachableError
from docferry.model import (
    Attributes,
    Entry,
    FileState,
    Key,
    Path,
    Side,
    Token,
    Unknown,
    Written,
)
from docferry.storage.base import PART_BYTES, Content
from docferry.storage.memory import Held, MemoryStorage, sha256_of, whole_of

#: Bytes of the parts in which a content is read: others come in between.
_PART = 6


class Watcher(Protocol):
    """Who is told of each step, and of each change, of a side."""

    def step(self, side: Side, what: str, path: Path) -> None:
        """A step; where the side is in trouble this raises what it answers."""
        ...

    def changed(self, side: Side, path: Path, before: Held | None, after: Held | None) -> None: ...

    def now_ns(self) -> int: ...


@dataclass
class Trouble:
    """What is wrong with the listings of a side."""

    breaks_after: int | None = None  #: entries; then an error
    lacks: set[Path] = field(default_factory=set)  #: not listed, though they are there
    stale: dict[Path, Held] | None = None  #: what is listed instead of what is there


class WatchedSide(MemoryStorage):
    """What folder and bucket have in common."""

    side: Side

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(knows_sha256=False, keeps_references=self.side is Side.REMOTE)
        self.watcher = watcher
        self.step = lambda name: self._step(name, self._at)
        self.trouble = Trouble()
        self._at: Path = ""
        self._token_numbers = 0

    def read(self, path: Path, expect: Token) -> Content:
        self._step("open", path)
        super().read(path, expect)  # it refuses what is not to be read
        held = self.files[path]
        return _Walked(held, lambda: self._check(path, expect), lambda: self._step("read", path))

    def describe(self, path: Path) -> tuple[FileState, Attributes] | None:
        self._step("describe", path)
        return super().describe(path)

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
        self._step("before write", path)
        self._refuse_blocked(path)
        self._check(path, expect)
        if expect is not None and archive is not None:
            self._archive(path, archive)
        token = self.put(path, whole, replace(attributes, sha256=sha256_of(whole)))
        self._step("after write", path)
        return Written(token, sha256_of(whole), len(whole))

    def delete(self, path: Path, *, expect: Token, archive: Attributes | None) -> None:
        self._step("before delete", path)
        self._check(path, expect)
        if archive is not None:
            self._archive(path, archive)
        self.take_away(path)
        self._step("after delete", path)

    def read_archived(self, version: str) -> Content:
        self._step("open archived", version)
        return super().read_archived(version)

    def read_marker(self) -> bytes | None:
        self._step("marker", "")
        return super().read_marker()

    def put(self, path: Path, content: bytes, attributes: Attributes) -> Token:
        """Change what is at *path*, whoever does so."""
        before = self.files.get(path)
        token = self._token_of(content)
        self.files[path] = after = Held(content, token, attributes)
        self.watcher.changed(self.side, path, before, after)
        return token

    def take_away(self, path: Path) -> Held:
        before = self.files.pop(path)
        self.watcher.changed(self.side, path, before, None)
        return before

    def user_write(self, path: Path, content: bytes, attributes: Attributes | None = None) -> Token:
        return self.put(path, content, attributes or Attributes())

    def user_delete(self, path: Path) -> None:
        self.take_away(path)

    def _token_of(self, content: bytes) -> Token:
        self._token_numbers += 1
        return f"{len(content)}-{self._token_numbers}"

    def _refuse_blocked(self, path: Path) -> None:
        """Say what stands in the way of a file at *path*."""

    def _step(self, what: str, path: Path) -> None:
        self._at = path
        self.watcher.step(self.side, what, path)

    def _walk(self) -> Iterator[tuple[Path, Held]]:
        """Give what is there while it is looked through: others come in between."""
        found, last, after = 0, "", self.trouble.breaks_after
        while True:
            files = self.files if self.trouble.stale is None else self.trouble.stale
            path = min((each for each in files if each > last), default=None)
            if path is None:
                break
            last, found = path, found + 1
            if path not in self.trouble.lacks:
                yield path, files[path]
            if after is not None and found >= after:
                raise UnreachableError("the listing breaks off")
            self._step("list", path)


class _Walked(Content):
    """A content of which the parts come one by one."""

    def __init__(self, held: Held, check: Callable[[], None], step: Callable[[], None]) -> None:
        self.size = len(held.content)
        self.attributes = held.attributes
        self._content = held.content
        self._check = check
        self._step = step

    def part(self, offset: int, size: int) -> bytes:
        self._step()
        self._check()
        return self._content[offset : offset + size]

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        for offset in range(0, self.size, _PART):
            yield self.part(offset, min(_PART, self.size - offset))

    def confirm(self) -> None:
        self._check()

    def close(self) -> None:
        """Do nothing: it is in memory."""


class SimulatedFolder(WatchedSide):
    """A folder: with times, programs that have files open, and a mount that comes and goes."""

    side = Side.LOCAL

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(watcher)
        self.changed_ns: dict[Path, int] = {}
        self.is_mounted = True
        self.unreadable: set[Path] = set()

    def scan(self) -> Iterator[Entry]:
        self._step("scan", "")
        if not self.is_mounted:
            self._odd = []
            return
        odd: list[Entry] = []
        for path, held in self._walk():
            entry: Entry = (path, self._state_at(path, held))
            if path in self.unreadable:
                entry = Unknown(path, "not readable")
            if is_odd(path):
                odd.append(entry)
            else:
                yield entry
        if not self.is_mounted:
            raise UnreachableError("the folder was replaced while it was listed")
        self._odd = odd

    def stat(self, path: Path) -> FileState | Unknown | None:  # type: ignore[override]
        self._step("stat", path)
        self._require_mount()
        if path in self.unreadable:
            return Unknown(path, "not readable")
        held = self.files.get(path)
        return None if held is None else self._state_at(path, held)

    def read(self, path: Path, expect: Token) -> Content:
        self._require_mount()
        if path in self.unreadable:
            raise PermanentError(f"{path} is not readable")
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
        self._require_mount()
        return super().write(path, content, attributes, expect=expect, archive=archive)

    def delete(self, path: Path, *, expect: Token, archive: Attributes | None) -> None:
        self._require_mount()
        super().delete(path, expect=expect, archive=archive)

    def make_last(self, path: Path, content: Content) -> None:
        self._step("make last", path)
        content.confirm()

    def read_archived(self, version: str) -> Content:
        self._require_mount()
        return super().read_archived(version)

    def read_marker(self) -> bytes | None:
        return super().read_marker() if self.is_mounted else None

    def put(self, path: Path, content: bytes, attributes: Attributes) -> Token:
        self.changed_ns[path] = self.watcher.now_ns()
        return super().put(path, content, attributes)

    def rename(self, old: Path, new: Path) -> None:
        """Do as a person does: the file keeps its token."""
        held = self.take_away(old)
        before = self.files.get(new)
        self.files[new] = held
        self.changed_ns[new] = self.watcher.now_ns()
        self.watcher.changed(self.side, new, before, held)

    def blocker(self, path: Path) -> Path | None:
        parts = path.split("/")
        if any(other.startswith(f"{path}/") for other in self.files):
            return path
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        return next((folder for folder in above if folder in self.files), None)

    def _refuse_blocked(self, path: Path) -> None:
        blocker = self.blocker(path)
        if blocker is not None:
            raise BlockedPathError(f"{blocker} is in the way", blocked_by=blocker)

    def _state_at(self, path: Path, held: Held) -> FileState:
        return FileState(held.token, None, len(held.content), self.changed_ns[path])

    def _require_mount(self) -> None:
        if not self.is_mounted:
            raise UnreachableError("the folder has no marker: it is not mounted")


class SimulatedBucket(WatchedSide):
    """A prefix: by key, with ETags that tell equal contents, and aliases as the daemon knows."""

    side = Side.REMOTE

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(watcher)
        self.aliases: dict[Key, Path] = {}
        self.are_etags_of_content = True
        self.modified_s: dict[Path, int] = {}  #: `LastModified`: a store tells whole seconds
        self._scanned: list[tuple[Path, Token]] | None = None

    def scan(self) -> Iterator[Entry]:
        self._step("scan", "")
        odd: list[Entry] = []
        seen = []
        for plain, held in self._walk():
            seen.append((plain, held.token))
            name = self.aliases.get(key_of(plain), plain)
            modified_ns = self.modified_s[plain] * 10**9
            entry = (name, FileState(held.token, None, len(held.content), modified_ns))
            if is_odd(name):
                odd.append(entry)
            else:
                yield entry
        self._odd = sorted(odd, key=place_of)
        self._scanned = seen

    def put(self, path: Path, content: bytes, attributes: Attributes) -> Token:
        self.modified_s[path] = self.watcher.now_ns() // 10**9
        return super().put(path, content, attributes)

    def is_as_scanned(self) -> bool:
        self._step("glance", "")
        now = [(path, held.token) for path, held in sorted(self.files.items())]
        return self._scanned == now

    def stat(self, path: Path) -> FileState | None:
        self._step("stat", path)
        if name_instead_of(path, self.aliases) is not None:
            return None
        return super().stat(_plain(path))

    def read(self, path: Path, expect: Token) -> Content:
        return super().read(_plain(path), expect)

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        require_own_name(path, self.aliases)
        return super().write(_plain(path), content, attributes, expect=expect, archive=archive)

    def delete(self, path: Path, *, expect: Token, archive: Attributes | None) -> None:
        if name_instead_of(path, self.aliases) is not None:
            raise StaleError(path)
        super().delete(_plain(path), expect=expect, archive=archive)

    def copy_within(
        self, source: Path, source_token: Token, path: Path, attributes: Attributes
    ) -> Written:
        self._step("copy", path)
        return super().copy_within(source, source_token, path, attributes)

    def _token_of(self, content: bytes) -> Token:
        if self.are_etags_of_content:
            return hashlib.md5(content, usedforsecurity=False).hexdigest()
        # Else that of one side could be what the other calls something else: real ones never are.
        return f"etag-{super()._token_of(content)}"


def _plain(path: Path) -> Path:
    return path_of(key_of(path))
