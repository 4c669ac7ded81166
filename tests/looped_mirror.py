"""A mirror with its loop at work: a real folder, a real ledger, a bucket in memory."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

from docferry.config import MirrorConfig
from docferry.core.ulids import first_of
from docferry.engine.brake import MassChangeBrake
from docferry.engine.consider import Tools
from docferry.engine.contents import Contents
from docferry.engine.execute import Executor
from docferry.engine.gate import Gate
from docferry.engine.heal import Healer
from docferry.engine.identity import Places
from docferry.engine.look import Looks
from docferry.engine.loop import MirrorLoop
from docferry.engine.on_request import OnRequest
from docferry.engine.put_back import PutsBack
from docferry.engine.runs import Run
from docferry.ledger import Ledger
from docferry.model import MirrorHealth, Mode, Path, SyncedState, VersionRow
from docferry.storage.local import LocalStorage
from ledger_rows import fresh_ledger
from processes import wait_for
from whole_mirror import Bucket


class Known:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find_sha256(self, mirror: str, sha256: str) -> tuple[Path, SyncedState] | None:
        return self._ledger.synced.find_sha256(mirror, sha256)

    def is_intended(self, mirror: str, path: Path, version: str) -> bool:
        return self._ledger.intents.is_intended(mirror, path, version)

    def intended(self, mirror: str, paths: Sequence[Path]) -> frozenset[Path]:
        return self._ledger.intents.paths_among(mirror, paths)

    def unagreed(self, mirror: str, path: Path) -> tuple[str, str] | None:
        return self._ledger.unagreed.at(mirror, path)

    def intend(self, mirror: str, path: Path, version: str) -> None:
        self._ledger.intents.add(mirror, [(path, version)])

    def newest(self, mirror: str, path: Path) -> str | None:
        return max((row.id for row in self._ledger.versions.of(mirror, path)), default=None)

    def parent_of(self, version: str) -> str | None:
        return self._ledger.versions.parent_of(version)

    def made_at(self, mirror: str, path: Path, sha256: object) -> None:
        return None

    def begin_conflict(self, displaced: VersionRow, copy_path: Path) -> None:
        self._ledger.conflicts.begin(displaced, copy_path)


class Mirror:
    """A mirror under test: a person's hands on both sides, and its loop."""

    def __init__(self, folder: pathlib.Path, delete_limit: int, mode: Mode) -> None:
        self.root = folder / "docs"
        self.root.mkdir()
        self.state = folder / "ledger.sqlite3"
        self.aliases: dict[str, Path] = {}
        self.remote = Bucket(self.aliases)
        self.limit = delete_limit
        self.suspicious_limit = 20
        self.change_limit = 0
        self.mode = mode
        self.relist_s = 0.0
        self.ledger = fresh_ledger(self.state)
        self.ledger.mirrors.put(
            "docs", store="s", bucket="b", prefix="", local=str(self.root), mode=Mode.TWO_WAY
        )
        self.pool = ThreadPoolExecutor(4)
        self.look_gate = Gate(4)
        self.numbers = itertools.count(1)
        self.proofs = 0  #: how often the sides were asked who they are
        self.loop = self.new_loop()

    def new_loop(self) -> MirrorLoop:
        local = LocalStorage(self.root, needs_marker=True)
        options = MirrorConfig(
            name="docs",
            store="s",
            bucket="b",
            local=self.root,
            settle_s=0.0,
            delete_limit=self.limit,
            relist_s=self.relist_s,
            suspicious_limit=self.suspicious_limit,
            change_limit=self.change_limit,
            mode=self.mode,
        )
        places = Places(local, self.remote, "the folder", "the bucket")
        contents = Contents("docs", places, self.ledger.versions, self.ledger.synced)
        healer = Healer("docs", local, self.remote, contents, "this")
        executor = Executor(
            "docs",
            local,
            self.remote,
            Known(self.ledger),
            writer="this",
            now=lambda: datetime.now(UTC),
            new_ulid=self.new_ulid,
            on_request=OnRequest(
                local,
                self.remote,
                contents,
                self.ledger.versions.get,
                heal=lambda operation, synced: healer.heal(
                    operation, synced, self.new_ulid(), datetime.now(UTC)
                ),
                puts_back=PutsBack("docs", local, self.remote, lambda: datetime.now(UTC)),
            ),
            brake=MassChangeBrake(
                "docs",
                self.ledger,
                local,
                self.remote,
                options.limits,
                new_ulid=self.new_ulid,
                now=lambda: datetime.now(UTC),
            ),
        )
        tools = Tools(
            options=options,
            ledger=self.ledger,
            local=local,
            pool=self.pool,
            looks=Looks(self.pool, self.look_gate),
            gate=Gate(4),
            aliases=self.aliases,
            jobs_for=lambda version: (),
            new_ulid=self.new_ulid,
            prepare=self.note_proof,
            on_jobs=lambda: None,
        )
        return MirrorLoop(tools, executor, Places(local, self.remote, str(self.root), "s3://b"))

    def new_ulid(self) -> str:
        return first_of(datetime.now(UTC))[:10] + f"{next(self.numbers):016d}"

    def note_proof(self) -> None:
        self.proofs += 1

    def start(self) -> None:
        self.loop.start()
        self.settle()

    def restart(self) -> None:
        self.stop()
        self.loop = self.new_loop()

    def stop(self) -> None:
        self.loop.stop()
        assert self.loop.join(10)

    def settle(self) -> None:
        wait_for(lambda: self.loop.is_quiet() or self.health is MirrorHealth.BLOCKED)
        wait_for(lambda: self.health is not MirrorHealth.WORKING)

    def run(self, run: Run = Run.FULL) -> None:
        self.loop.request(run)
        self.settle()

    @property
    def health(self) -> MirrorHealth:
        return self.loop.facts.health

    @property
    def files(self) -> dict[str, bytes]:
        found = {}
        for path in self.root.rglob("*"):
            with suppress(FileNotFoundError, IsADirectoryError):  # it may go while we look
                if ".docferry" not in path.parts:
                    found[str(path.relative_to(self.root))] = path.read_bytes()
        return found

    def close(self) -> None:
        if self.loop.is_alive:
            self.stop()
        self.pool.shutdown()
        self.ledger.close()
