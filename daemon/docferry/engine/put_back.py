"""Archive what a person has refused: one side alone holds it, and no version tells of it yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from docferry.core.asked import CHANGED_SINCE
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.engine.task import Task
from docferry.model import (
    Answer,
    Attributes,
    Origin,
    Outcome,
    PutBack,
    RequestState,
    Side,
    SyncedState,
    Token,
    Ulid,
    VersionRow,
    Written,
)
from docferry.storage.base import Content

_ORIGINS = {Side.LOCAL: Origin.LOCAL, Side.REMOTE: Origin.STORE}
_Side: TypeAlias = LocalSide | RemoteSide


@dataclass(frozen=True, slots=True)
class PutsBack:
    """Carries out refusals for one mirror. Thread-safe: it keeps no state."""

    mirror: str
    local: LocalSide
    remote: RemoteSide
    now: Callable[[], datetime]

    def execute(self, task: Task, operation: PutBack) -> Outcome:
        """
        Raises:
            StaleError: The world moved since the plan; nothing was changed.
            TemporaryError, PermanentError: It could not be done; nothing was changed.
        """
        base, expect = task.seen.synced, operation.expect
        if expect is None:
            return self._ended(task, operation)
        path = operation.path
        with self._mine(operation.side).read(path, expect) as content:
            sha256 = content.sha256()
            if base is not None and sha256 == base.sha256:  # an earlier try, or somebody else's
                put_back = _with_token(base, operation.side, expect)
                return self._done(operation, put_back, self.archived_before(task, operation))
            if not operation.is_held:
                return _skipped(operation, base)
            if operation.side is Side.LOCAL:
                self.local.make_last(path, content)
            else:
                content.confirm()
            row = self.version(operation.displaces, task, operation.side, content, sha256)
        written = self._displace(task, operation, expect, archive_of(row))
        agreed = None
        if base is not None and written is not None:
            agreed = _with_token(base, operation.side, written.token)
        return self._done(operation, agreed, row)

    def _ended(self, task: Task, operation: PutBack) -> Outcome:
        outcome = Outcome(operation, synced=None, answers=operation.ends)
        for side in Side:
            row = self.archived_as(operation.displaces, task, side)
            if row is not None:
                return replace(outcome, displaced=row, archived=(row.id, side))
        return outcome

    def _displace(
        self, task: Task, operation: PutBack, expect: Token, archive: Attributes
    ) -> Written | None:
        """Put what was agreed on in its place, if there is such a thing; else nothing."""
        path, base = operation.path, task.seen.synced
        mine, other = self._mine(operation.side), self._other(operation.side)
        if base is None:
            mine.delete(path, expect=expect, archive=archive)
            return None
        is_local = operation.side is Side.LOCAL
        with other.read(path, base.remote_token if is_local else base.local_token) as content:
            mtime_ns = content.attributes.mtime_ns
            attributes = Attributes(base.version, base.sha256, mtime_ns)
            return mine.write(path, content, attributes, expect=expect, archive=archive)

    def version(
        self, version: Ulid, task: Task, side: Side, content: Content, sha256: str
    ) -> VersionRow:
        """Describe what one side alone held, and is about to be displaced."""
        base = task.seen.synced
        return VersionRow(
            version,
            self.mirror,
            task.operation.path,
            sha256,
            content.size,
            content.attributes.mtime_ns,
            _ORIGINS[side],
            None if base is None else base.version,
            None,
            self.now(),
        )

    def archived_before(self, task: Task, operation: PutBack) -> VersionRow | None:
        """Give what an earlier try has archived, whose note was lost; None: there is none."""
        return self.archived_as(operation.displaces, task, operation.side)

    def archived_as(self, version: Ulid, task: Task, side: Side) -> VersionRow | None:
        """Give what the archive of *side* holds as *version*, where no row tells of it."""
        archive = self._mine(side).archive
        if archive.describe(version) is None:
            return None
        with archive.read(version) as content:
            return self.version(version, task, side, content, content.sha256())

    def _done(
        self, operation: PutBack, agreed: SyncedState | None, row: VersionRow | None
    ) -> Outcome:
        # Where something was agreed on, the request goes on until that is what it asks for.
        answers = None if agreed is not None else Answer(operation.request, RequestState.DONE)
        outcome = Outcome(operation, synced=agreed, answers=answers)
        if row is None:
            return outcome
        return replace(outcome, displaced=row, archived=(row.id, operation.side))

    def _mine(self, side: Side) -> _Side:
        return self.local if side is Side.LOCAL else self.remote

    def _other(self, side: Side) -> _Side:
        return self.remote if side is Side.LOCAL else self.local


def archive_of(row: VersionRow) -> Attributes:
    """Name what is about to be displaced."""
    return Attributes(version=row.id, sha256=row.sha256, path=row.path, parent=row.parent)


def _skipped(operation: PutBack, base: SyncedState | None) -> Outcome:
    answer = Answer(operation.request, RequestState.SKIPPED, CHANGED_SINCE)
    return Outcome(operation, synced=base, answers=answer)


def _with_token(base: SyncedState, side: Side, token: Token) -> SyncedState:
    if side is Side.LOCAL:
        return replace(base, local_token=token)
    return replace(base, remote_token=token)
