"""A mirror in memory: two sides, what the ledger would know, and a pool that runs on demand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from docferry.core.merge import Difference
from docferry.core.plan import decide
from docferry.engine.execute import Executor
from docferry.engine.on_request import OnRequest
from docferry.engine.task import Learned, Task
from docferry.model import (
    Operation,
    Origin,
    Outcome,
    Path,
    Provenance,
    ReadLocal,
    ReadRemote,
    Sha256,
    SyncedState,
    Token,
    Ulid,
    VersionRow,
)
from docferry.storage.base import Content
from docferry.storage.memory import MemoryStorage, sha256_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

P = ParamSpec("P")
T = TypeVar("T")


class MemoryMirror:
    """One mirror without a loop: each test says which path is looked at and carried out."""

    def __init__(
        self, local: MemoryStorage | None = None, remote: MemoryStorage | None = None
    ) -> None:
        self.local = local or MemoryStorage(knows_sha256=False)
        self.remote = remote or MemoryStorage(knows_sha256=False)
        self.synced: dict[Path, SyncedState] = {}
        self.parents: dict[Ulid, Ulid] = {}
        self.newest_of: dict[Path, Ulid] = {}
        self.intents: set[tuple[Path, Ulid]] = set()
        self.held: dict[Path, tuple[Ulid, Sha256]] = {}
        self.results: dict[tuple[Path, Sha256], Provenance] = {}
        self.begun_conflicts: list[tuple[VersionRow, Path]] = []
        self.on_begun_conflict: Callable[[], None] = lambda: None
        self._numbers = itertools.count(1)
        self.executor = self.new_executor()

    def new_executor(self, on_request: OnRequest | None = None) -> Executor:
        return Executor(
            "docs",
            self.local,
            self.remote,
            self,
            writer="this",
            now=lambda: NOW,
            new_ulid=self.new_ulid,
            on_request=on_request,
        )

    # What the executor asks the ledger (execute.KnownContents).

    def find_sha256(self, mirror: str, sha256: Sha256) -> tuple[Path, SyncedState] | None:
        return next(((p, s) for p, s in self.synced.items() if s.sha256 == sha256), None)

    def is_intended(self, mirror: str, path: Path, version: Ulid) -> bool:
        return (path, version) in self.intents

    def intended(self, mirror: str, paths: Sequence[Path]) -> set[Path]:
        return {path for path, _ in self.intents}.intersection(paths)

    def unagreed(self, mirror: str, path: Path) -> tuple[Ulid, Sha256] | None:
        return self.held.get(path)

    def intend(self, mirror: str, path: Path, version: Ulid) -> None:
        self.intents.add((path, version))

    def newest(self, mirror: str, path: Path) -> Ulid | None:
        return self.newest_of.get(path)

    def parent_of(self, version: Ulid) -> Ulid | None:
        return self.parents.get(version)

    def made_at(self, mirror: str, path: Path, sha256: Callable[[], Sha256]) -> Provenance | None:
        has_any = any(of == path for of, _ in self.results)
        return self.results.get((path, sha256())) if has_any else None

    def begin_conflict(self, displaced: VersionRow, copy_path: Path) -> None:
        self.on_begun_conflict()
        self.begun_conflicts.append((displaced, copy_path))

    # What a test does.

    def agree(self, path: Path, content: bytes) -> SyncedState:
        """Put *content* on both sides, and into the ledger."""
        self.synced[path] = SyncedState(
            sha256_of(content),
            self.local.user_write(path, content),
            self.remote.user_write(path, content),
            self.new_ulid(),
            len(content),
        )
        return self.synced[path]

    def look(self, path: Path) -> Difference:
        local, remote = self.local.stat(path), self.remote.stat(path)
        return Difference(path, local, remote, self.synced.get(path))

    def task(self, path: Path) -> Task:
        """Plan what *path* calls for, contents it depends on read already."""
        seen = self.look(path)
        while (operation := self._decided(seen)) is not None:
            task = self.task_of(operation, seen)
            if not isinstance(operation, ReadLocal | ReadRemote):
                return task
            learned = self.executor.execute(task)
            assert isinstance(learned, Learned)
            seen = learned.seen
        raise AssertionError(f"{path} is as agreed")

    def task_of(self, operation: Operation, seen: Difference | None = None) -> Task:
        seen = seen or self.look(operation.path)
        return Task(operation, seen, self.new_ulid(), Origin.LOCAL)

    def do(self, task: Task) -> Outcome:
        result = self.executor.execute(task)
        assert not isinstance(result, Learned)
        return result

    def new_ulid(self) -> Ulid:
        return f"{next(self._numbers):026d}"

    def snapshot(self) -> object:
        """Give all that is on both sides and in the archives, to compare."""
        return [
            (dict(side.files), dict(side.archive), side.marker)
            for side in (self.local, self.remote)
        ]

    def _decided(self, seen: Difference) -> Operation | None:
        return decide(seen.path, seen.local, seen.remote, seen.synced)


class EditedWhileRead(MemoryStorage):
    """A side on which somebody always saves a file again while it is being read."""

    def read(self, path: Path, expect: Token) -> Content:
        content = super().read(path, expect)
        self.user_write(path, b"saved again")
        return content


class HeldPool(Pool):
    """Runs nothing by itself: `run` runs what was submitted."""

    def __init__(self) -> None:
        self.submitted: list[Callable[[], object]] = []

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.submitted.append(lambda: function(*args, **kwargs))
        return Future()

    def run(self, count: int | None = None) -> None:
        """Run the first *count* in the order in which they came; None: all."""
        now, self.submitted = self.submitted[:count], self.submitted[len(self.submitted[:count]) :]
        for call in now:
            call()
