"""A whole mirror in memory: two sides that behave like a folder and a bucket, and the real loop."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor as Pool
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias

from docferry.app.sides import Known
from docferry.config import MirrorConfig
from docferry.core.guards import DELETION_WINDOW, marker
from docferry.core.merge import place_of
from docferry.core.paths import is_odd, key_of, name_instead_of, path_of, require_own_name
from docferry.engine.consider import Tools
from docferry.engine.dry_run import DryRun, Rehearsal
from docferry.engine.execute import Executor
from docferry.engine.gate import Gate
from docferry.engine.identity import Places
from docferry.engine.look import Looks
from docferry.engine.loop import MirrorLoop
from docferry.engine.patience import Patience
from docferry.engine.tell import kind_of
from docferry.errors import BlockedPathError, StaleError
from docferry.ledger import HoldRow, Ledger
from docferry.ledger.scratch import Scratch
from docferry.model import (
    Attributes,
    Deletion,
    Entry,
    FileState,
    HoldState,
    Key,
    MirrorHealth,
    Operation,
    Path,
    Token,
    Ulid,
    Written,
)
from docferry.storage.base import Content
from docferry.storage.memory import MemoryStorage
from processes import wait_for

Done: TypeAlias = Counter[tuple[str, Path]]  #: how often which kind of operation, and where

LONG_AGO_NS = 1
IN_A_HURRY = Patience(absence_s=0.0, renames_s=10.0, blocked_s=0.05)


class Folder(MemoryStorage):
    """Like a folder: a file is in the way of what should come below it, and the other way round."""

    def __init__(self) -> None:
        super().__init__(knows_sha256=False)

    def blocker(self, path: Path) -> Path | None:
        """Name what stands in the way of a file at *path*."""
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if any(other.startswith(f"{path}/") for other in self.files):
            return path
        return next((folder for folder in above if folder in self.files), None)

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        blocker = self.blocker(path)
        if blocker is not None:
            raise BlockedPathError(f"{blocker} is in the way", blocked_by=blocker)
        return super().write(path, content, attributes, expect=expect, archive=archive)

    def scan(self) -> Iterator[Entry]:
        for entry in super().scan():
            yield _at_rest(entry)

    def scan_odd(self) -> list[Entry]:
        return [_at_rest(entry) for entry in super().scan_odd()]

    def stat(self, path: Path) -> FileState | None:
        found = super().stat(path)
        return found and _rested(found)


class Bucket(MemoryStorage):
    """Like a prefix: holds what it is given, by key; some keys have another local name."""

    def __init__(self, aliases: dict[Key, Path]) -> None:
        super().__init__(knows_sha256=False)
        self._aliases = aliases
        self._odd_ones: list[Entry] = []
        self._scanned: list[Entry] | None = None  # what the last finished scan saw
        self.scans = 0
        self.lacks: set[Path] = set()  #: what no listing has, though it is there

    def seen_with(self, aliases: dict[Key, Path]) -> Bucket:
        """Give the same bucket as somebody sees it who knows other aliases."""
        other = Bucket(aliases)
        other.files, other.archive, other.marker = self.files, self.archive, self.marker
        return other

    def scan(self) -> Iterator[Entry]:
        self.scans += 1
        plain = self._listing()
        named = [(self._name(entry[0]), entry[1]) for entry in plain if isinstance(entry, tuple)]
        named.sort(key=lambda entry: entry[0])
        yield from (entry for entry in named if not is_odd(entry[0]))
        self._odd_ones = [entry for entry in named if is_odd(entry[0])]
        self._scanned = plain

    def scan_after(self, path: Path) -> Iterator[Entry]:
        return (entry for entry in super().scan() if place_of(entry) > path)

    def is_as_scanned(self) -> bool:
        return self._scanned == self._listing()

    def _listing(self) -> list[Entry]:
        listed = (*super().scan(), *super().scan_odd())
        return [entry for entry in listed if place_of(entry) not in self.lacks]

    def scan_odd(self) -> list[Entry]:
        return self._odd_ones

    def stat(self, path: Path) -> FileState | None:
        is_elsewhere = name_instead_of(path, self._aliases) is not None
        return None if is_elsewhere else super().stat(_plain(path))

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
        require_own_name(path, self._aliases)
        return super().write(_plain(path), content, attributes, expect=expect, archive=archive)

    def delete(self, path: Path, *, expect: Token, archive: Attributes) -> None:
        if name_instead_of(path, self._aliases) is not None:
            raise StaleError(path)
        super().delete(_plain(path), expect=expect, archive=archive)

    def _name(self, plain: Path) -> Path:
        return self._aliases.get(key_of(plain), plain)


class WholeMirror:
    """A folder, a bucket and a ledger, and what people find when docferry has worked on them."""

    _numbers = itertools.count(1)

    def __init__(
        self, options: MirrorConfig, ledger: Ledger, rows: sqlite3.Connection, pool: Pool
    ) -> None:
        self.options = options
        self.name = options.name
        self.ledger = ledger
        self._rows = rows  # of the same ledger: for what it tells nobody as a whole
        self._pool = pool
        self.aliases = ledger.aliases.all(self.name)
        self.local = Folder()
        self.remote = Bucket(self.aliases)
        ledger.mirrors.put(
            self.name,
            store=options.store,
            bucket=options.bucket,
            prefix=options.prefix,
            local=str(options.local),
            mode=options.mode,
        )

    def mark(self, marker_id: Ulid) -> None:
        """Let both sides be known as this mirror's."""
        self.local.write_marker(marker(marker_id))
        self.remote.write_marker(marker(marker_id))
        self.ledger.mirrors.put(self.name, marker_id=marker_id)

    @property
    def places(self) -> Places:
        return Places(self.local, self.remote, "the folder", "the bucket")

    def new_ulid(self) -> Ulid:
        return f"{next(self._numbers):026d}"

    def executor(self) -> Executor:
        return Executor(
            self.name,
            self.local,
            self.remote,
            Known(self.ledger),
            writer="this",
            now=lambda: datetime.now(UTC),
            new_ulid=self.new_ulid,
        )

    def plan(self, scratch: Scratch) -> DryRun:
        since = datetime.now(UTC) - DELETION_WINDOW
        scratch.take_over(self.ledger, [self.name], deletions_since=since)
        aliases = dict(self.aliases)
        return Rehearsal(
            self.options,
            replace(self.places, remote=self.remote.seen_with(aliases)),
            scratch,
            Known(scratch),
            aliases=aliases,
            pool=self._pool,
            new_ulid=self.new_ulid,
        ).plan()

    def run(self) -> Done:
        """Let docferry do what there is to do; give what it did."""
        before = self._happened()
        loop = self._loop()
        loop.start()
        try:
            wait_for(lambda: loop.has_given_up or loop.is_quiet(), every_s=0.001)
        finally:
            loop.stop()
            assert loop.join(10)
        return self._happened() - before

    def open_hold(self, kind: str) -> HoldRow | None:
        held = [hold for hold in self.ledger.holds.all(self.name) if hold.kind == kind]
        return next((hold for hold in held if hold.state is HoldState.OPEN), None)

    def held_back(self) -> tuple[Done, str | None]:
        """Give the deletions that wait for a person, and why."""
        hold = self.open_hold("deletions")
        if hold is None:
            return Counter(), None
        return counted(self.ledger.holds.items(hold.id, limit=hold.count)), hold.reason

    def refused(self) -> str | None:
        """Give the reason for which nothing travels; None: both sides are themselves."""
        hold = self.open_hold("identity")
        return None if hold is None else hold.reason

    def problems(self, kind: str) -> set[Path]:
        return {row.path for row in self.ledger.problems.all(self.name) if row.kind == kind}

    def health(self) -> MirrorHealth:
        row = self.ledger.mirrors.get(self.name)
        assert row is not None
        return row.health

    def snapshot(self) -> object:
        """Give all that both sides hold, to compare."""
        return [
            (dict(side.files), dict(side.archive), side.marker)
            for side in (self.local, self.remote)
        ]

    def _happened(self) -> Done:
        return Counter(
            self._rows.execute("select kind, path from history where mirror = ?", [self.name])
        )

    def _loop(self) -> MirrorLoop:
        tools = Tools(
            options=self.options,
            ledger=self.ledger,
            local=self.local,
            pool=self._pool,
            looks=Looks(self._pool, Gate(4)),
            gate=Gate(4),
            aliases=self.aliases,
            jobs_for=lambda version: (),
            new_ulid=self.new_ulid,
            prepare=lambda: None,
            on_jobs=lambda: None,
            patience=IN_A_HURRY,
        )
        return MirrorLoop(tools, self.executor(), self.places)


def counted(operations: Sequence[Operation | Deletion]) -> Done:
    return Counter((kind_of(operation), operation.path) for operation in operations)


def _plain(path: Path) -> Path:
    return path_of(key_of(path))


def _rested(state: FileState) -> FileState:
    return FileState(state.token, state.sha256, state.size, LONG_AGO_NS)


def _at_rest(entry: Entry) -> Entry:
    return (entry[0], _rested(entry[1])) if isinstance(entry, tuple) else entry
