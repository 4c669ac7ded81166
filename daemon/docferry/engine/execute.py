"""
Carry out one operation: the imperative shell around the decision.

Each operation changes one thing, checks first that the world is still as the
plan saw it, and is written down last. A crash between the change and the note
leaves two equal sides without a note; the next plan then only has to mark them synced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from docferry.core.results import claim_of
from docferry.engine.absent import require_absent
from docferry.engine.aliased import ToOwnName
from docferry.engine.begun import Begun
from docferry.engine.beside import put_beside
from docferry.engine.brake import Brake
from docferry.engine.describe import Describe
from docferry.engine.held import Held
from docferry.engine.learn import learn_local, learn_remote
from docferry.engine.on_request import OnRequest
from docferry.engine.sides import KnownContents, LocalSide, RemoteSide
from docferry.engine.task import Flush, Learned, Task, timed
from docferry.errors import DocferryError, NameTakenError, StaleError, UnreachableError
from docferry.model import (
    TOKEN_LOST,
    Attributes,
    DeleteLocal,
    DeleteRemote,
    Deletion,
    Download,
    Erase,
    Forget,
    Heal,
    KeepBoth,
    MarkSynced,
    Origin,
    Outcome,
    Path,
    PutBack,
    Read,
    ReadLocal,
    ReadRemote,
    Remove,
    Restore,
    Sha256,
    Side,
    SyncedState,
    Token,
    Ulid,
    Upload,
    VersionRow,
    Written,
)
from docferry.storage.base import Arrival, Content, Storage

#: From this size on, an upload first looks whether the bucket holds the content
#: already (a rename, a copy): below it, asking costs as much as sending.
COPY_FROM_BYTES = 64 * 1024


class Executor:
    """Carries out operations for one mirror. Thread-safe: it keeps no state."""

    def __init__(
        self,
        mirror: str,
        local: LocalSide,
        remote: RemoteSide,
        known: KnownContents,
        *,
        writer: str,
        now: Callable[[], datetime],
        new_ulid: Callable[[], Ulid],
        on_request: OnRequest | None = None,
        brake: Brake | None = None,
    ) -> None:
        """
        Args:
            on_request: Carries out what was asked for; None: nothing ever is.
            brake: Looks at what is about to travel; None: nothing is ever held.
        """
        self.brake = brake or Brake()
        self._mirror = mirror
        self._local = local
        self._remote = remote
        self._known = known
        self._to_own_name = ToOwnName(mirror, local, known, now=now, new_ulid=new_ulid)
        self._held = Held(mirror, known)
        self._begun = Begun(mirror, known, remote)
        self._describe = Describe(mirror, known, writer)
        self._now = now
        self._new_ulid = new_ulid
        self._on_request = on_request

    def execute(self, task: Task) -> Outcome | Learned:
        """
        Raises:
            StaleError: The world moved since the plan; nothing was changed.
            TemporaryError, PermanentError: It could not be done; nothing was changed.
        """
        started = time.monotonic()
        try:
            result = self._execute(task)
        except NameTakenError as error:
            result = self._to_own_name.move(task, error)
        if isinstance(result, Learned):
            return result
        return replace(result, took_s=time.monotonic() - started)

    def download_new(self, tasks: Sequence[Task]) -> list[Outcome | DocferryError]:
        """
        Carry out downloads of small files that are new here, together.

        Args:
            tasks: Each with a Download that expects nothing here. All contents are in
                memory at once.

        Returns:
            For each its outcome, or the error that `execute` would have raised.
        """
        started = time.monotonic()
        with ExitStack() as opened:
            found = self._fetch_all(tasks, opened)
            arrived = [
                Arrival(task.seen.path, one, Attributes(mtime_ns=one.attributes.mtime_ns))
                for task, one in zip(tasks, found, strict=True)
                if isinstance(one, Content)
            ]
            written = iter(self._local.write_all(arrived))
        results = [
            self._arrived(task, one, next(written)) if isinstance(one, Content) else one
            for task, one in zip(tasks, found, strict=True)
        ]
        return timed(results, started)

    def restore(self, tasks: Sequence[Task]) -> list[Outcome | DocferryError]:
        """Carry out restores of small contents together, as `download_new` does downloads."""
        assert self._on_request is not None
        started = time.monotonic()
        return timed(self._on_request.restore(tasks), started)

    def _execute(self, task: Task) -> Outcome | Learned:
        operation = task.operation
        match operation:
            case Upload():
                return self._upload(task, operation)
            case Download():
                return self._download(task, operation)
            case KeepBoth():
                return self._keep_both(task, operation)
            case DeleteLocal() | DeleteRemote():
                return self._delete(task, operation)
            case ReadLocal() | ReadRemote():
                return self._read(task, operation)
            case MarkSynced():
                return self._mark_synced(task, operation)
            case Forget():  # else a deletion that has not travelled yet would come undone
                require_absent(operation.path, self._local, self._remote)
                return Outcome(operation, synced=None)
            case Restore() | Remove() | PutBack() | Heal() | Erase():
                assert self._on_request is not None
                return self._on_request.execute(task, operation)
            case _:
                assert_never(operation)

    # The two transfers.

    def _upload(self, task: Task, operation: Upload) -> Outcome:
        path, source = operation.path, operation.source
        base = task.seen.synced
        with self._local.read(path, source.token) as content:
            self.brake.upload(task, content)
            # Before it is sent, not only before the note: after a power cut the intent and
            # the object alone say that both sides had it, and its loss would be a deletion.
            self._make_last(task, path, content)
            parent, held = base.version if base else None, self._held.to_upload(task, content)
            if held is not None:
                task, source = replace(task, version=held[0]), replace(source, sha256=held[1])
                parent = self._known.parent_of(held[0])
            attributes = self._describe(task, content, source.sha256, parent)
            if held is None:
                task, attributes = self._begun.go_on(task, content, attributes)
            written, moved = self._copy_or_send(operation, content, attributes, base)
        outcome = self._agreed(task, written, source.token, written.token, attributes, task.origin)
        if operation.expect_remote is not None and base is not None:
            outcome = replace(outcome, archived=(base.version, Side.REMOTE))
        return replace(outcome, version=None if held else outcome.version, moved_bytes=moved)

    def _copy_or_send(
        self,
        operation: Upload,
        content: Content,
        attributes: Attributes,
        base: SyncedState | None,
    ) -> tuple[Written, int]:
        path = operation.path
        if operation.expect_remote is None and content.size >= COPY_FROM_BYTES:
            sha256 = attributes.sha256 or content.sha256()
            attributes = replace(attributes, sha256=sha256)
            copied = self._copy_within(path, sha256, content, attributes)
            if copied is not None:
                return copied, 0
        archive = self._archive_of(path, base) if operation.expect_remote is not None else None
        written = self._remote.write(
            path, content, attributes, expect=operation.expect_remote, archive=archive
        )
        return written, content.size - written.had_bytes

    def _copy_within(
        self, path: Path, sha256: Sha256, content: Content, attributes: Attributes
    ) -> Written | None:
        """Let the store copy a content that it holds under another path (a rename)."""
        found = self._known.find_sha256(self._mirror, sha256)
        if found is None:
            return None
        source, state = found
        if source == path or state.size != content.size:
            return None
        content.confirm()
        try:
            return self._remote.copy_within(source, state.remote_token, path, attributes)
        except StaleError:
            return None  # the other path has moved on: send the bytes

    def _download(self, task: Task, operation: Download) -> Outcome:
        path, source = operation.path, operation.source
        base = task.seen.synced
        if operation.expect_local is not None:
            self._make_touched_last(task, operation.expect_local)
        with self._remote.read(path, source.token) as content:
            adopted = self._adopted(task, content, source.token)
            if adopted is not None:
                return adopted
            self.brake.download(task, content)
            attributes = content.attributes
            archive = self._archive_of(path, base) if operation.expect_local is not None else None
            written = self._local.write(
                path,
                content,
                Attributes(mtime_ns=attributes.mtime_ns),
                expect=operation.expect_local,
                archive=archive,
            )
        outcome = self._downloaded(task, attributes, written)
        if operation.expect_local is not None and base is not None and outcome.version is not None:
            outcome = replace(outcome, archived=(base.version, Side.LOCAL))
        return outcome

    def _fetch_all(
        self, tasks: Sequence[Task], opened: ExitStack
    ) -> list[Content | Outcome | DocferryError]:
        """Open the remote contents of new files; what is known for an upload of ours is done."""
        found: list[Content | Outcome | DocferryError] = []
        intended = self._known.intended(self._mirror, [task.seen.path for task in tasks])
        for task in tasks:
            if found and isinstance(found[-1], UnreachableError):
                found.append(found[-1])  # the next ones would wait as long, for nothing
                continue
            assert isinstance(task.operation, Download)
            token = task.operation.source.token
            try:
                content = opened.enter_context(self._remote.read(task.seen.path, token))
                is_ours = task.seen.path in intended
                adopted = self._adopted(task, content, token) if is_ours else None
                if adopted is None:
                    self.brake.download(task, content)
                found.append(adopted or content)
            except DocferryError as error:
                found.append(error)
        return found

    def _arrived(
        self, task: Task, content: Content, written: Written | DocferryError
    ) -> Outcome | DocferryError:
        if isinstance(written, DocferryError):
            return written
        return self._downloaded(task, content.attributes, written)

    def _downloaded(self, task: Task, attributes: Attributes, written: Written) -> Outcome:
        assert isinstance(task.operation, Download)
        etag = task.operation.source.token
        outcome = self._came_down(task, attributes, written, etag)
        return replace(outcome, moved_bytes=written.size - written.had_bytes)

    def _came_down(
        self, task: Task, attributes: Attributes, written: Written, etag: Token
    ) -> Outcome:
        """Agree on what was downloaded: what was agreed on already keeps its version."""
        base = task.seen.synced
        if base is not None and base.sha256 == written.sha256:
            return Outcome(
                task.operation, replace(base, local_token=written.token, remote_token=etag)
            )
        held = self._held.version(task, written.sha256)
        if held is not None:
            synced = SyncedState(written.sha256, written.token, etag, held, written.size)
            return Outcome(task.operation, synced)
        outcome = self._agreed(task, written, written.token, etag, attributes, Origin.STORE)
        return replace(outcome, claimed=claim_of(attributes, written.sha256))

    def _keep_both(self, task: Task, operation: KeepBoth) -> Outcome:
        """Copy first, then download over the path: it is never empty, and a crash repeats it."""
        path, local = operation.path, operation.local
        assert local.sha256 is not None
        copy_path, mtime_ns = self._copy_aside(operation, local.sha256)
        displaced = self._version(
            self._new_ulid(), path, local.sha256, local.size, mtime_ns, task, Origin.LOCAL
        )
        # Once the path has changed, nothing but this tells that it was a conflict.
        self._known.begin_conflict(displaced, copy_path)
        with self._remote.read(path, operation.remote.token) as content:
            self.brake.conflict(task, content, displaced.id, copy_path)
            attributes = content.attributes
            written = self._local.write(
                path,
                content,
                Attributes(mtime_ns=attributes.mtime_ns),
                expect=local.token,
                archive=Attributes(
                    version=displaced.id, sha256=local.sha256, path=path, parent=displaced.parent
                ),
            )
        outcome = self._came_down(task, attributes, written, operation.remote.token)
        return replace(
            outcome,
            archived=(displaced.id, Side.LOCAL),
            displaced=displaced,
            conflict_copy=copy_path,
            moved_bytes=written.size - written.had_bytes,
        )

    def _copy_aside(self, operation: KeepBoth, sha256: Sha256) -> tuple[Path, int | None]:
        """Give the local content its second name."""
        with self._local.read(operation.path, operation.local.token) as content:
            mtime_ns = content.attributes.mtime_ns
            attributes = Attributes(sha256=sha256, mtime_ns=mtime_ns)
            return put_beside(self._local, operation.path, content, attributes), mtime_ns

    # The others.

    def _delete(self, task: Task, operation: Deletion) -> Outcome:
        """Look at the other side once more: what is there after all is not deleted here."""
        path, base = operation.path, task.seen.synced
        archive = self._archive_of(path, base)
        storage: Storage = self._local
        other: Storage = self._remote
        if isinstance(operation, DeleteLocal):
            side, token = Side.LOCAL, operation.expect_local
            self._make_touched_last(task, token)
        else:
            side, token = Side.REMOTE, operation.expect_remote
            storage, other = other, storage
        require_absent(path, other)
        storage.delete(path, expect=token, archive=archive)
        assert archive.version is not None
        return Outcome(operation, synced=None, archived=(archive.version, side))

    def _read(self, task: Task, operation: Read) -> Outcome | Learned:
        path = operation.path
        if isinstance(operation, ReadLocal):
            with self._local.read(path, operation.expect_local) as content:
                return learn_local(task, content)
        token = operation.expect_remote
        with self._remote.read(path, token) as content:
            return self._adopted(task, content, token) or learn_remote(task, content)

    def _adopted(self, task: Task, content: Content, token: Token) -> Outcome | None:
        """
        Recognise an upload of our own whose note was lost (a crash, a lost answer).

        The intent is durable before each PUT and names the version; the object carries
        it. Such a content is what both sides last agreed on: without this, a local edit
        made since would be a conflict in which the older content wins.
        """
        found, path = content.attributes, task.seen.path
        if found.version is None or found.sha256 is None:
            return None
        if not self._known.is_intended(self._mirror, path, found.version):
            return None
        if content.sha256() != found.sha256:
            return None  # somebody edited it since, with a tool that keeps our metadata
        version = self._version(
            found.version,
            path,
            found.sha256,
            content.size,
            found.mtime_ns,
            task,
            Origin.LOCAL,
            token,
        )
        synced = SyncedState(found.sha256, TOKEN_LOST, token, found.version, content.size)
        # Whatever it was opened for, nothing travelled: an agreement was written down late.
        marked = MarkSynced(
            path, found.sha256, content.size, TOKEN_LOST, token, is_new_content=True
        )
        return Outcome(marked, synced, version)

    def _mark_synced(self, task: Task, operation: MarkSynced) -> Outcome:
        base = task.seen.synced
        path, size = operation.path, operation.size
        self._make_touched_last(task, operation.local_token)
        version = None
        version_id = base.version if base is not None else None
        if base is None:
            version_id = self._held.version(task, operation.sha256)
        elif operation.is_new_content:
            version_id = None
        if version_id is None:
            version_id = task.version
            version = self._version(
                version_id,
                path,
                operation.sha256,
                size,
                None,
                task,
                task.origin,
                operation.remote_token,
            )
        synced = SyncedState(
            operation.sha256, operation.local_token, operation.remote_token, version_id, size
        )
        return Outcome(operation, synced, version, claimed=task.seen.claimed)

    def _make_touched_last(self, task: Task, token: Token) -> None:
        """Make a local content last on which an agreement, or an archived version, will rest."""
        path, base = task.operation.path, task.seen.synced
        if base is not None and token == base.local_token:
            return  # it was made to last when that was agreed on
        with self._local.read(path, token) as content:
            self._make_last(task, path, content)

    def _make_last(self, task: Task, path: Path, content: Content) -> None:
        if task.flush is None:
            self._local.make_last(path, content)
        else:
            task.flush.run()  # it was there, as it is, before the flush was set up

    def flush(self) -> Flush | None:
        """Set up a flush for many tasks whose local contents are all there; None: one by one."""
        return Flush(self._local.make_all_last) if self._local.lasts_together() else None

    def _archive_of(self, path: Path, base: SyncedState | None) -> Attributes:
        """Name what is about to be displaced."""
        # Only a content that both sides agreed on is ever displaced by a plan, but for
        # KeepBoth, which names its own.
        assert base is not None
        parent = self._known.parent_of(base.version)
        return Attributes(version=base.version, sha256=base.sha256, path=path, parent=parent)

    def _agreed(
        self,
        task: Task,
        written: Written,
        local_token: Token,
        remote_token: Token,
        attributes: Attributes,
        origin: Origin,
    ) -> Outcome:
        path = task.operation.path
        version = self._version(
            task.version,
            path,
            written.sha256,
            written.size,
            attributes.mtime_ns,
            task,
            origin,
            remote_token,
        )
        synced = SyncedState(written.sha256, local_token, remote_token, task.version, written.size)
        return Outcome(task.operation, synced, version)

    def _version(
        self,
        version: Ulid,
        path: Path,
        sha256: Sha256,
        size: int,
        mtime_ns: int | None,
        task: Task,
        origin: Origin,
        etag: Token | None = None,
    ) -> VersionRow:
        parent = task.seen.synced.version if task.seen.synced is not None else None
        return VersionRow(
            version, self._mirror, path, sha256, size, mtime_ns, origin, parent, etag, self._now()
        )
