"""A planner at its desk: a mirror in memory, a real ledger, and work that is done on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from docferry.config import MirrorConfig
from docferry.core.merge import Difference
from docferry.engine.asked import AskedFor
from docferry.engine.consider import Planner, Tools
from docferry.engine.deletions import Deletions
from docferry.engine.dirty import DirtyPaths
from docferry.engine.gate import Gate
from docferry.engine.look import Looks
from docferry.engine.timing import MACHINE, Timing
from docferry.ledger import Ledger
from docferry.model import Deletion, Path, Side
from unit.memory_mirror import HeldPool, MemoryMirror

LONG_AGO_NS = 1
LONG_S = 1000.0


class Desk:
    """A planner over a mirror in memory, with a real ledger and a pool that runs on demand."""

    def __init__(self, ledger: Ledger, options: MirrorConfig, timing: Timing = MACHINE) -> None:
        self.ledger = ledger
        self.timing = timing
        self.mirror = MemoryMirror()
        self.pool = HeldPool()
        self.dirty = DirtyPaths(threading.Event(), timing)
        self.deletions = Deletions("docs", ledger, options.delete_limit)
        self.options = options
        self.by_others: list[Path] = []  #: paths at which others did something in the bucket
        self.asked = AskedFor("docs", ledger, lambda: datetime.now(UTC), lambda kind: None)
        self.wakes = 0  #: how often the loop was to go round at once
        self.planner = self.new_planner()

    def new_planner(self) -> Planner:
        tools = Tools(
            options=self.options,
            ledger=self.ledger,
            local=self.mirror.local,
            pool=self.pool,
            looks=Looks(self.pool, Gate(4)),
            gate=Gate(4),
            aliases={},
            jobs_for=lambda version: (),
            new_ulid=self.mirror.new_ulid,
            prepare=lambda: None,
            on_jobs=lambda: None,
            on_remote_change=self.by_others.extend,
            timing=self.timing,
        )
        return Planner(
            tools,
            self.mirror.executor,
            self.dirty,
            self.deletions,
            self._wake,
            lambda: None,
            self.asked,
        )

    def _wake(self) -> None:
        self.wakes += 1

    def look(self, path: Path, *, changed_ns: int = LONG_AGO_NS) -> Difference:
        seen = self.mirror.look(path)
        if seen.local is None:
            return seen
        return replace(seen, local=replace(seen.local, changed_ns=changed_ns))

    def consider(self, *paths: Path, is_snapshot: bool = True) -> None:
        for path in paths:
            self.planner.consider(self.look(path), is_snapshot=is_snapshot)

    def work(self) -> None:
        """Carry out all that was begun, with what follows from it."""
        carrier = self.planner.carrier
        while carrier.under_way:
            carrier.collect()
            self.pool.run()
        synced = self.ledger.synced
        self.mirror.synced = {**dict(synced.scan("docs")), **dict(synced.scan_odd("docs"))}

    def judge(self, *, is_complete: bool = True) -> list[Deletion]:
        """Give the deletions that may travel."""
        return [deletion for group in self.judged(is_complete=is_complete) for deletion in group]

    def judged(self, *, is_complete: bool = True) -> Iterator[list[Deletion]]:
        """Give them as they come, in groups."""
        sides = {Side.LOCAL: self.mirror.local, Side.REMOTE: self.mirror.remote}
        if is_complete:
            self.deletions.saw_all()
        return self.deletions.judge(datetime.now(UTC), lambda side: not sides[side].files)

    def agree(self, *paths: Path) -> None:
        """Let both sides hold *paths*, and the ledger know it."""
        for path in paths:
            self.mirror.local.user_write(path, path.encode())
        self.consider(*paths)
        self.work()
        assert set(paths) <= set(self.mirror.synced)
