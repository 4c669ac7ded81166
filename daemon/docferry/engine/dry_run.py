"""
What a run would do, without doing it.

Nothing is decided here a second time: the loop itself goes to work, on two sides that
are changed in the mind only and with a scratch ledger. What a plan says and a run does
therefore comes from the same lines of code.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from concurrent.futures import Executor as Pool
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from docferry.config import MirrorConfig
from docferry.core.guards import counts_since
from docferry.engine.brake import Brake, MassChangeBrake
from docferry.engine.consider import Tools
from docferry.engine.execute import Executor
from docferry.engine.gate import Gate
from docferry.engine.identity import Places
from docferry.engine.imagined import ImaginedBucket, ImaginedFolder
from docferry.engine.look import Looks
from docferry.engine.loop import MirrorLoop
from docferry.engine.patience import Patience
from docferry.engine.sides import KnownContents
from docferry.engine.task import Task
from docferry.errors import BlockedPathError, DocferryError, StaleError
from docferry.ledger.scratch import Scratch
from docferry.model import (
    Attributes,
    Deletion,
    Download,
    HoldState,
    Key,
    Origin,
    Outcome,
    Path,
    Sha256,
    Side,
    Ulid,
    Upload,
)
from docferry.storage.base import Content

#: Nobody waits for a plan as long as for a run: what is not at rest is said to wait.
_PATIENCE = Patience(absence_s=0.0, renames_s=2.0, blocked_s=0.05)
_NOT_AT_REST = "not yet at rest"
_AT_ONCE = 16
_TRAVELS = {Side.LOCAL: "upload", Side.REMOTE: "download"}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, as the history would tell of it."""

    kind: str
    path: Path


@dataclass(frozen=True, slots=True)
class DryRun:
    """
    The plan of one mirror.

    refused: why nothing would travel at all; None: the sides are themselves.
    held_back: deletions that wait for a person, or would, for *hold_reason*.
    held_changes: changes that do, likewise.
    waiting: paths that are not at rest, or that could not be looked at, and why.
    left_alone: paths at which the sides differ and may, because of the mode.
    """

    operations: tuple[Step, ...] = ()
    refused: str | None = None
    held_back: tuple[Deletion, ...] = ()
    held_changes: tuple[Step, ...] = ()
    hold_reason: str | None = None
    waiting: tuple[tuple[Path, str], ...] = ()
    left_alone: tuple[tuple[Path, str], ...] = ()


class Rehearsal:
    """
    Makes the plan of one mirror, once.

    Args:
        places: The real sides. They are only asked.
        scratch: Has taken over what the ledger knows of the mirror. It is written to.
        known: Asks *scratch*.
        aliases: Shared with the remote side.
    """

    def __init__(
        self,
        options: MirrorConfig,
        places: Places,
        scratch: Scratch,
        known: KnownContents,
        *,
        aliases: dict[Key, Path],
        pool: Pool,
        new_ulid: Callable[[], Ulid],
    ) -> None:
        self._mirror = options.name
        self._limit = options.delete_limit
        self._ledger = scratch
        self._read: dict[Path, Sha256] = {}
        self._folder = ImaginedFolder(places.local)
        self._bucket = ImaginedBucket(places.remote)
        executor = Imagining(
            self._mirror,
            self._folder,
            self._bucket,
            known,
            announced=scratch.intents.paths(self._mirror),
            new_ulid=new_ulid,
            brake=MassChangeBrake(
                self._mirror,
                scratch,
                self._folder,
                self._bucket,
                options.limits,
                new_ulid=new_ulid,
                now=lambda: datetime.now(UTC),
            ),
        )
        tools = Tools(
            options=options,
            ledger=scratch,
            local=self._folder,
            pool=pool,
            looks=Looks(pool, Gate(_AT_ONCE)),
            gate=Gate(_AT_ONCE),
            aliases=aliases,
            jobs_for=lambda version: (),
            new_ulid=new_ulid,
            prepare=lambda: None,
            on_jobs=lambda: None,
            patience=_PATIENCE,
            before_judging=self._read_what_may_be_renamed,
        )
        imagined = replace(places, local=self._folder, remote=self._bucket)
        self._loop = MirrorLoop(tools, executor, imagined)

    def plan(self) -> DryRun:
        """
        Raises:
            UnreachableError: A side does not answer: there is no plan.
        """
        self._loop.work_off()
        refused = self._ledger.holds.all(self._mirror, (HoldState.OPEN,), kind="identity")
        held = self._ledger.holds.all(self._mirror, (HoldState.OPEN,), kind="deletions")
        problems = self._ledger.problems.all(self._mirror)
        waiting = dict.fromkeys(self._loop.dirty.paths(), _NOT_AT_REST)
        waiting |= {row.path: row.message for row in problems if row.kind != "mode"}
        return DryRun(
            operations=tuple(Step(*each) for each in self._ledger.rehearsed(self._mirror)),
            refused=refused[0].reason if refused else None,
            held_back=tuple(
                deletion
                for hold in held
                for deletion in self._ledger.holds.items(hold.id, limit=hold.count)
            ),
            held_changes=tuple(
                Step(_TRAVELS[change.side], change.path)
                for hold in held
                for change in self._ledger.changes.items(hold.id, limit=10**9)
                if not change.travelled
            ),
            hold_reason=held[0].reason if held else None,
            waiting=tuple(sorted(waiting.items())),
            left_alone=tuple((row.path, row.message) for row in problems if row.kind == "mode"),
        )

    def _read_what_may_be_renamed(self) -> None:
        """
        Read the new contents that may be those of deleted files, if anything hangs on it.

        A run knows them by then, because it moved them.
        """
        holds = self._ledger.holds.all(self._mirror, (HoldState.OPEN,), kind="deletions")
        since = counts_since(datetime.now(UTC), holds[0].created_at if holds else None)
        recent = self._ledger.history.deletions_since(self._mirror, since)
        parked = self._ledger.holds.parked(self._mirror)
        if not holds and parked + recent <= self._limit:
            return
        sizes = self._ledger.sizes_of_deleted(self._mirror, since)
        for side in (self._folder, self._bucket):
            for path, open_content in side.unread(sizes):
                if path in self._read:
                    continue
                # A content that moves just now counts as another one, as it would in a run.
                with suppress(StaleError), open_content() as content:
                    self._read[path] = content.sha256()
        self._ledger.learn(self._mirror, self._read)


class Imagining(Executor):
    """
    Carries out operations on two imagined sides.

    Only the two transfers, which would move bytes, are imagined; everything else is done
    as ever, with what the two sides say.

    Args:
        announced: Paths for which uploads of ours were begun and not written down.
    """

    def __init__(
        self,
        mirror: str,
        local: ImaginedFolder,
        remote: ImaginedBucket,
        known: KnownContents,
        *,
        announced: Container[Path],
        new_ulid: Callable[[], Ulid],
        brake: Brake,
    ) -> None:
        super().__init__(
            mirror,
            local,
            remote,
            known,
            writer="",
            now=lambda: datetime.now(UTC),
            new_ulid=new_ulid,
            brake=brake,
        )
        self._folder = local
        self._bucket = remote
        self._announced = announced

    def download_new(self, tasks: Sequence[Task]) -> list[Outcome | DocferryError]:
        return [self._download_one(task) for task in tasks]

    def _download_one(self, task: Task) -> Outcome | DocferryError:
        assert isinstance(task.operation, Download)
        try:
            return self._download(task, task.operation)
        except DocferryError as error:
            return error

    def _upload(self, task: Task, operation: Upload) -> Outcome:
        path, source = operation.path, operation.source

        def open_content() -> Content:
            return self._folder.read(path, source.token)

        with open_content() as content:  # it is at rest, and ours to read
            self.brake.upload(task, content)
        written = self._bucket.put(path, source, open_content, expect=operation.expect_remote)
        return self._agreed(task, written, source.token, written.token, Attributes(), Origin.LOCAL)

    def _delete(self, task: Task, operation: Deletion) -> Outcome:
        # Whether it was a loss is asked of its version, which the scratch ledger does not have.
        outcome, base = super()._delete(task, operation), task.seen.synced
        assert base is not None  # only what was agreed on is deleted
        known = self._version(
            base.version, operation.path, base.sha256, base.size, None, task, Origin.LOCAL
        )
        return replace(outcome, displaced=known)

    def _download(self, task: Task, operation: Download) -> Outcome:
        path, source = operation.path, operation.source

        def open_content() -> Content:
            return self._bucket.read(path, source.token)

        if path in self._announced:
            with open_content() as content:
                adopted = self._adopted(task, content, source.token)
                if adopted is not None:
                    return adopted
        if self.brake.looks_at(task):
            with open_content() as content:
                self.brake.download(task, content)
        blocker = self._folder.blocker(path) if operation.expect_local is None else None
        if blocker is not None:
            raise BlockedPathError(f"{blocker} is in the way of {path}", blocked_by=blocker)
        written = self._folder.put(path, source, open_content, expect=operation.expect_local)
        return self._agreed(task, written, written.token, source.token, Attributes(), Origin.STORE)
