"""Carry out what was asked for: put a version back, take a path away, heal, erase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, assert_never

from docferry.engine.beside import put_beside
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.engine.task import Task
from docferry.errors import TemporaryError
from docferry.model import (
    Answer,
    Asked,
    Attributes,
    Erase,
    Heal,
    Outcome,
    Remove,
    RequestState,
    Restore,
    Sha256,
    Side,
    SyncedState,
    Token,
    Ulid,
    VersionRow,
)
from docferry.storage.base import Content


class OpensVersions(Protocol):
    """What knows where the content of a version is (`engine.contents.Contents`)."""

    def open(self, version: VersionRow) -> Content: ...

    def open_sound(self, version: VersionRow) -> Content: ...


class OnRequest:
    """
    Carries out requests for one mirror. Thread-safe: it keeps no state.

    Args:
        version_of: Gives a version's row; None: there is none.
        heal: Heals what both sides agreed on.
    """

    def __init__(
        self,
        local: LocalSide,
        remote: RemoteSide,
        contents: OpensVersions,
        version_of: Callable[[Ulid], VersionRow | None],
        heal: Callable[[Heal, SyncedState], Outcome],
    ) -> None:
        self._local = local
        self._remote = remote
        self._contents = contents
        self._version_of = version_of
        self._heal = heal
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
                return self._restore(task, operation)
            case Remove():
                return self._remove(task, operation)
            case Erase():
                assert self._erase is not None
                self._erase(operation)
                return Outcome(operation, synced=None)
            case Heal():
                assert task.seen.synced is not None
                return self._heal(operation, task.seen.synced)
            case _:
                assert_never(operation)

    def _restore(self, task: Task, operation: Restore) -> Outcome:
        wanted = operation.version
        base, expect = task.seen.synced, operation.expect_local
        if expect is None or (base is not None and base.local_token == expect):
            return self._place(operation, wanted, base if expect is not None else None)
        sha256 = self._sha256_of_local(operation, expect)
        if sha256 == wanted.sha256:  # an earlier try whose note was lost, or a person's own
            return Outcome(operation, synced=None, placed=expect)
        if base is not None and sha256 == base.sha256:  # touched, not edited
            return self._place(operation, wanted, base)
        return self._place_beside(operation, wanted)

    def _sha256_of_local(self, operation: Restore, token: Token) -> Sha256:
        with self._local.read(operation.path, token) as content:
            sha256 = content.sha256()
            # What is displaced, or left where it is, must be there after a power cut.
            self._local.make_last(operation.path, content)
            return sha256

    def _place(self, operation: Restore, wanted: VersionRow, base: SyncedState | None) -> Outcome:
        """Put the content to its path; what both sides agreed on goes to the archive."""
        try:
            with self._contents.open(wanted) as content:
                token = self._write(operation, wanted, content, base)
        except TemporaryError:  # damaged, perhaps: it may be sound elsewhere
            with self._contents.open_sound(wanted) as content:
                token = self._write(operation, wanted, content, base)
        archived = None if base is None else (base.version, Side.LOCAL)
        return Outcome(
            operation, synced=None, archived=archived, placed=token, moved_bytes=wanted.size
        )

    def _write(
        self, operation: Restore, wanted: VersionRow, content: Content, base: SyncedState | None
    ) -> Token:
        return self._local.write(
            operation.path,
            content,
            _attributes_of(wanted),
            expect=operation.expect_local,
            archive=None if base is None else _archive_of(operation, base, parent=None),
        ).token

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


def _archive_of(operation: Restore | Remove, base: SyncedState, parent: Ulid | None) -> Attributes:
    return Attributes(version=base.version, sha256=base.sha256, path=operation.path, parent=parent)


def _attributes_of(version: VersionRow) -> Attributes:
    return Attributes(sha256=version.sha256, mtime_ns=version.mtime_ns)
