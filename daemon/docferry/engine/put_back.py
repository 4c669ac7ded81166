"""Archive what a person has refused: one side alone holds it, and no version tells of it yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from docferry.core.asked import left_as_it_is
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.engine.task import Task
from docferry.model import (
    TOKEN_LOST,
    Answer,
    Attributes,
    Origin,
    Outcome,
    Path,
    PutBack,
    RequestState,
    Restore,
    Sha256,
    Side,
    SyncedState,
    Token,
    Ulid,
    VersionRow,
    Written,
)
from docferry.storage.base import Content

_ORIGINS = {Side.LOCAL: Origin.LOCAL, Side.REMOTE: Origin.STORE}
_OTHER = {Side.LOCAL: Side.REMOTE, Side.REMOTE: Side.LOCAL}
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
            assert operation.ends is not None
            return self.ended(task, operation, operation.displaces, operation.ends)
        path = operation.path
        with self._mine(operation.side).read(path, expect) as content:
            sha256 = content.sha256()
            if base is not None and sha256 == base.sha256:  # an earlier try, or somebody else's
                put_back = _with_token(base, operation.side, expect)
                return self._done(operation, put_back, self.archived_before(task, operation))
            if expect != operation.refused:
                return self._left(task, operation, sha256)
            if operation.side is Side.LOCAL:
                self.local.make_last(path, content)
            else:
                content.confirm()
            row = self.version(operation.displaces, task, operation.side, content, sha256)
        there = self._elsewhere(task, operation.side)
        if there is not None and there[1] == sha256:
            return _came(operation, row, {operation.side: expect, _OTHER[operation.side]: there[0]})
        if there is not None and base is None:
            return self.ended(task, operation, row.id, left_as_it_is(operation.request))
        if base is None or operation.side is Side.LOCAL:  # a newcomer
            mine = self._mine(operation.side)
            mine.delete(path, expect=expect, archive=archive_of(row))
            return self._done(operation, base, row)
        agreed = self._agreed_here(task, base)
        if agreed is None:
            is_edited = task.seen.local is not None
            return _gives_way(operation, row, {Side.REMOTE: expect}, is_edited=is_edited)
        written = self._replace(path, agreed, expect, archive_of(row))
        return self._done(operation, _with_token(agreed, Side.REMOTE, written.token), row)

    def _elsewhere(self, task: Task, side: Side) -> tuple[Token, Sha256] | None:
        """Give what is not *side* holds, if it is another file than what was agreed on."""
        path, base = task.operation.path, task.seen.synced
        state = task.seen.remote if side is Side.LOCAL else task.seen.local
        agreed = () if base is None else (base.local_token, base.remote_token)
        if state is None or state.token in agreed:
            return None
        with self._mine(_OTHER[side]).read(path, state.token) as content:
            sha256 = content.sha256()
            if side is Side.REMOTE:
                self.local.make_last(path, content)
        return state.token, sha256

    def _left(self, task: Task, operation: PutBack, sha256: Sha256) -> Outcome:
        """
        Leave what came on one side; what was refused on the other is displaced by it.

        Args:
            sha256: Of what came. It may be what was refused, on its way as that was refused.
        """
        state, expect = task.seen.local, operation.expect
        is_here = operation.side is Side.REMOTE and state is not None
        if not is_here or state is None or state.token != operation.refused or expect is None:
            left = left_as_it_is(operation.request)
            return self.ended(task, operation, operation.displaces, left)
        with self.local.read(operation.path, state.token) as content:
            self.local.make_last(operation.path, content)
            found = content.sha256()
            row = self.version(operation.displaces, task, Side.LOCAL, content, found)
        if found == sha256:
            return _came(operation, row, {Side.LOCAL: state.token, Side.REMOTE: expect})
        return _gives_way(operation, row, {Side.LOCAL: state.token}, is_edited=True)

    def ended(
        self, task: Task, operation: PutBack | Restore, displaces: Ulid, answer: Answer
    ) -> Outcome:
        """Change nothing more, and note what an earlier try may have archived."""
        outcome = Outcome(operation, synced=None, answers=answer)
        for side in Side:
            row = self.archived_as(displaces, task, side)
            if row is not None:
                return replace(outcome, displaced=row, archived=(row.id, side))
        return outcome

    def _agreed_here(self, task: Task, base: SyncedState) -> SyncedState | None:
        """Give what was agreed on, as the folder has it, touched perhaps; None: it has not."""
        path, state = task.operation.path, task.seen.local
        if state is None or state.token == base.local_token:
            return None if state is None else base
        with self.local.read(path, state.token) as content:
            if content.sha256() != base.sha256:
                return None
            self.local.make_last(path, content)
        return _with_token(base, Side.LOCAL, state.token)

    def _replace(
        self, path: Path, agreed: SyncedState, expect: Token, archive: Attributes
    ) -> Written:
        """Put to the bucket what the folder has."""
        with self.local.read(path, agreed.local_token) as content:
            mtime_ns = content.attributes.mtime_ns
            attributes = Attributes(agreed.version, agreed.sha256, mtime_ns)
            return self.remote.write(path, content, attributes, expect=expect, archive=archive)

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


def archive_of(row: VersionRow) -> Attributes:
    """Name what is about to be displaced."""
    return Attributes(version=row.id, sha256=row.sha256, path=row.path, parent=row.parent)


def _came(operation: PutBack, row: VersionRow, tokens: Mapping[Side, Token]) -> Outcome:
    """Call agreed on what was refused, as both sides have it: the note of that was lost."""
    agreed = SyncedState(row.sha256, tokens[Side.LOCAL], tokens[Side.REMOTE], row.id, row.size)
    return Outcome(operation, synced=agreed, version=row)


def _gives_way(
    operation: PutBack, row: VersionRow, tokens: Mapping[Side, Token], *, is_edited: bool
) -> Outcome:
    """
    Call agreed on what was refused: the other side's file was edited, or deleted, since.

    So it is displaced like any other content: by that edit, and then nothing is asked any more,
    or by what is restored.
    """
    local, remote = (tokens.get(side, TOKEN_LOST) for side in (Side.LOCAL, Side.REMOTE))
    agreed = SyncedState(row.sha256, local, remote, row.id, row.size)
    answers = left_as_it_is(operation.request) if is_edited else None
    return Outcome(operation, synced=agreed, displaced=row, answers=answers)


def _with_token(base: SyncedState, side: Side, token: Token) -> SyncedState:
    if side is Side.LOCAL:
        return replace(base, local_token=token)
    return replace(base, remote_token=token)
