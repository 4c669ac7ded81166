"""Carry out what was asked for: put a version back, take a path away, heal, erase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar, assert_never

from docferry.core.asked import left_as_it_is
from docferry.engine.beside import put_beside
from docferry.engine.put_back import PutsBack, archive_of
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.engine.task import Task
from docferry.errors import DocferryError, TemporaryError, UnreachableError
from docferry.model import (
    Answer,
    Asked,
    Attributes,
    Erase,
    Heal,
    Outcome,
    PutBack,
    Remove,
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
from docferry.storage.base import Arrival, Content

T = TypeVar("T")


class OpensVersions(Protocol):
    """What knows where the content of a version is (`engine.contents.Contents`)."""

    def open(self, version: VersionRow) -> Content: ...

    def open_sound(self, version: VersionRow) -> Content: ...


@dataclass(frozen=True, slots=True)
class _Placement:
    """A version that is to go to its path."""

    operation: Restore
    base: SyncedState | None  #: what is there, and both sides agreed on; None: nothing is there
    displaced: VersionRow | None = None  #: what is there, and was refused

    def arrival(self, content: Content) -> Arrival:
        operation = self.operation
        return Arrival(
            operation.path,
            content,
            _attributes_of(operation.version),
            expect=operation.expect_local,
            archive=self._archive,
        )

    @property
    def _archive(self) -> Attributes | None:
        if self.displaced is not None:
            return archive_of(self.displaced)
        return None if self.base is None else _archive_of(self.operation, self.base, parent=None)

    def placed(self, written: Written) -> Outcome:
        displaced = None if self._archive is None else self._archive.version
        return Outcome(
            self.operation,
            synced=None,
            archived=None if displaced is None else (displaced, Side.LOCAL),
            displaced=self.displaced,
            placed=written.token,
            moved_bytes=self.operation.version.size,
        )


class OnRequest:
    """
    Carries out requests for one mirror. Thread-safe: it keeps no state.

    Args:
        version_of: Gives a version's row; None: there is none.
        heal: Heals what both sides agreed on.
        puts_back: Archives what one side alone holds.
    """

    def __init__(
        self,
        local: LocalSide,
        remote: RemoteSide,
        contents: OpensVersions,
        version_of: Callable[[Ulid], VersionRow | None],
        heal: Callable[[Heal, SyncedState], Outcome],
        puts_back: PutsBack | None = None,
    ) -> None:
        self._local = local
        self._remote = remote
        self._contents = contents
        self._version_of = version_of
        self._heal = heal
        self._puts_back = puts_back
        self._erase: Callable[[Erase], None] | None = None

    def use(self, erase: Callable[[Erase], None]) -> None:
        """Let *erase* carry out requests to erase."""
        self._erase = erase

    def execute(self, task: Task, operation: Asked) -> Outcome:
        """
        Raises:
            StaleError: The world moved since the plan; what was done stays, and the rest is asked
                for anew.
            TemporaryError, PermanentError: It could not be done.
        """
        match operation:
            case Restore():
                [result] = self.restore([task])
                if isinstance(result, DocferryError):
                    raise result
                return result
            case Remove():
                return self._remove(task, operation)
            case PutBack():
                assert self._puts_back is not None
                return self._puts_back.execute(task, operation)
            case Erase():
                assert self._erase is not None
                self._erase(operation)
                return Outcome(operation, synced=None)
            case Heal():
                assert task.seen.synced is not None
                return self._heal(operation, task.seen.synced)
            case _:
                assert_never(operation)

    def restore(self, tasks: Sequence[Task]) -> list[Outcome | DocferryError]:
        """
        Put versions back, together.

        Args:
            tasks: Each with a Restore. All contents are open at once, small ones in memory.

        Returns:
            For each its outcome, or the error that `execute` would have raised.
        """
        found = [_attempt(partial(self._considered, task)) for task in tasks]
        placed = iter(self._place([one for one in found if isinstance(one, _Placement)]))
        return [next(placed) if isinstance(one, _Placement) else one for one in found]

    def _considered(self, task: Task) -> _Placement | Outcome:
        """Say what is to go to the path, unless what is there now has to stay."""
        operation = task.operation
        assert isinstance(operation, Restore)
        base, expect = task.seen.synced, operation.expect_local
        if expect is None or (base is not None and base.local_token == expect):
            return _Placement(operation, base if expect is not None else None)
        sha256 = self._sha256_of_local(operation, expect)
        if sha256 == operation.version.sha256:  # an earlier try whose note was lost, or a person's
            return self._placed_before(task, operation, expect)
        if base is not None and sha256 == base.sha256:  # touched, not edited
            return _Placement(operation, base)
        if operation.displaces is not None:
            return self._considered_refused(task, operation, operation.displaces, sha256)
        return self._place_beside(operation, operation.version)

    def _considered_refused(
        self, task: Task, operation: Restore, displaces: Ulid, sha256: Sha256
    ) -> _Placement | Outcome:
        """Let what was refused be displaced, unless it is another content by now."""
        assert self._puts_back is not None
        expect = operation.expect_local
        if expect is None or expect != operation.refused:
            left = left_as_it_is(operation.request)
            return self._puts_back.ended(task, operation, displaces, left)
        with self._local.read(operation.path, expect) as content:
            row = self._puts_back.version(displaces, task, Side.LOCAL, content, sha256)
        return _Placement(operation, task.seen.synced, row)

    def _placed_before(self, task: Task, operation: Restore, placed: Token) -> Outcome:
        """It holds the content already; the note of what that displaced may be lost."""
        outcome, displaces = Outcome(operation, synced=None, placed=placed), operation.displaces
        row = None
        if displaces is not None:
            assert self._puts_back is not None
            row = self._puts_back.archived_as(displaces, task, Side.LOCAL)
        if row is None:
            return outcome
        return replace(outcome, displaced=row, archived=(row.id, Side.LOCAL))

    def _sha256_of_local(self, operation: Restore, token: Token) -> Sha256:
        with self._local.read(operation.path, token) as content:
            sha256 = content.sha256()
            # What is displaced, or left where it is, must be there after a power cut.
            self._local.make_last(operation.path, content)
            return sha256

    def _place(self, placements: Sequence[_Placement]) -> list[Outcome | DocferryError]:
        """Put contents to their paths; what both sides agreed on goes to the archive."""
        found = self._write(placements, self._contents.open)
        refused: UnreachableError | None = None
        for number, placement in enumerate(placements):
            if refused is None and isinstance(found[number], TemporaryError):
                # Damaged, perhaps: it may be sound elsewhere.
                [found[number]] = self._write([placement], self._contents.open_sound)
                again = found[number]
                refused = again if isinstance(again, UnreachableError) else None
        return [
            one if isinstance(one, DocferryError) else placement.placed(one)
            for placement, one in zip(placements, found, strict=True)
        ]

    def _write(
        self, placements: Sequence[_Placement], open_content: Callable[[VersionRow], Content]
    ) -> list[Written | DocferryError]:
        with ExitStack() as opened:
            found: list[Content | DocferryError] = []
            for placement in placements:
                if found and isinstance(found[-1], UnreachableError):
                    found.append(found[-1])  # the next ones would wait as long, for nothing
                    continue
                content = _attempt(partial(open_content, placement.operation.version))
                if isinstance(content, Content):
                    opened.enter_context(content)
                found.append(content)
            arrivals = [
                placement.arrival(content)
                for placement, content in zip(placements, found, strict=True)
                if isinstance(content, Content)
            ]
            written = iter(self._local.write_all(arrivals) if arrivals else ())
        return [next(written) if isinstance(one, Content) else one for one in found]

    def _place_beside(self, operation: Restore, wanted: VersionRow) -> Outcome:
        with self._contents.open_sound(wanted) as content:
            copy = put_beside(self._local, operation.path, content, _attributes_of(wanted))
        note = f"it was edited, and stays as it is; version {wanted.id} is beside it as {copy}"
        return Outcome(
            operation,
            synced=None,
            conflict_copy=copy,
            answers=Answer(operation.request, RequestState.CONFLICT, note),
            moved_bytes=wanted.size,
        )

    def _remove(self, task: Task, operation: Remove) -> Outcome:
        """The bucket first: a file that is left alone is found, and asked for again."""
        base = task.seen.synced
        assert base is not None  # only what both sides agreed on is ever taken away
        row, path = self._version_of(base.version), operation.path
        archive = _archive_of(operation, base, parent=None if row is None else row.parent)
        if operation.expect_remote is not None:
            self._remote.delete(path, expect=operation.expect_remote, archive=archive)
        if operation.expect_local is not None:
            self._local.delete(path, expect=operation.expect_local, archive=archive)
        side = Side.LOCAL if operation.expect_remote is None else Side.REMOTE
        answer = Answer(operation.request, RequestState.DONE)
        return Outcome(operation, synced=None, archived=(base.version, side), answers=answer)


def _attempt(action: Callable[[], T]) -> T | DocferryError:
    try:
        return action()
    except DocferryError as error:
        return error


def _archive_of(operation: Restore | Remove, base: SyncedState, parent: Ulid | None) -> Attributes:
    return Attributes(version=base.version, sha256=base.sha256, path=operation.path, parent=parent)


def _attributes_of(version: VersionRow) -> Attributes:
    return Attributes(sha256=version.sha256, mtime_ns=version.mtime_ns)
