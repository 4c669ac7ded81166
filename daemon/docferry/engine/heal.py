"""
Replace the rotten bytes of a current content by sound ones.

The world is looked at anew first: between the finding and the healing somebody may have
edited the file, or the side may have come to itself. What is displaced is kept as
evidence, as a version of its own: perhaps it was not rot, and a person wants it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from docferry.core.asked import CHANGED_SINCE
from docferry.core.verify import Held, Moving, Unreadable
from docferry.engine.contents import Contents
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.engine.sight import see
from docferry.engine.sound import SoundCopies, version_agreed_on
from docferry.errors import (
    DocferryError,
    PermanentError,
    StaleError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)
from docferry.logs import get_logger
from docferry.metrics import ROT_HEALED
from docferry.model import (
    Answer,
    Attributes,
    FileState,
    Heal,
    Origin,
    Outcome,
    Path,
    RequestState,
    Side,
    SyncedState,
    Token,
    Ulid,
    VersionRow,
    Written,
)
from docferry.storage.base import Content, Storage

log = get_logger(__name__)


class HealedRemote(RemoteSide, Protocol):
    """A bucket whose objects can be healed."""

    def describe(self, path: Path) -> tuple[FileState, Attributes] | None: ...

    def overwrite_unreadable(
        self, path: Path, content: Content, attributes: Attributes, *, expect: Token
    ) -> Written:
        """Put a content in the place of an object that the store can neither give nor copy."""
        ...


@dataclass(frozen=True, slots=True)
class Healer:
    """
    Heals the contents of one mirror. Thread-safe: it keeps no state.

    writer: the id of this docferry, for what it writes to the bucket.
    """

    mirror: str
    local: LocalSide
    remote: HealedRemote
    contents: Contents
    writer: str

    def heal(self, operation: Heal, synced: SyncedState, evidence: Ulid, now: datetime) -> Outcome:
        """
        Make a side hold at its path again what both sides agreed on.

        Args:
            synced: The agreement, as the ledger has it now; it is kept, with a new token.
            evidence: A new version, for the rotten bytes.

        Raises:
            StaleError: It is another content by now; nothing was changed.
            PermanentError: No sound copy is left anywhere, or it may not be read.
            TemporaryError: A side does not answer; nothing was changed.
        """
        path, side, token = operation.path, operation.side, operation.expect
        storage = self._storage(side)
        seen = see(storage, path, token, synced.sha256)
        agreed = synced.local_token if side is Side.LOCAL else synced.remote_token
        if isinstance(seen, Held) and seen.sha256 == synced.sha256:
            return _was_sound(operation, synced, is_healed=token != agreed)
        _refuse_what_is_no_rot(seen)
        if token != agreed:
            answers = Answer(operation.request, RequestState.SKIPPED, CHANGED_SINCE)
            return Outcome(operation, synced, answers=answers)
        version = version_agreed_on(self.mirror, path, synced)
        with SoundCopies(self.contents).found(version) as content:
            if content is None:
                raise PermanentError(
                    f"{path} has rotted on the {side} side, and no sound copy is left: "
                    "put the file back from a backup"
                )
            attributes = self._attributes(operation, synced, content)
            written, is_kept = self._replace(operation, content, attributes, evidence, seen)
        row = self._evidence(operation, seen, synced, evidence, now) if is_kept else None
        self._tell(operation, synced, row)
        return _healed(operation, synced, written, row)

    def _storage(self, side: Side) -> Storage:
        return self.local if side is Side.LOCAL else self.remote

    def _attributes(self, operation: Heal, synced: SyncedState, content: Content) -> Attributes:
        """Give what the healed content says about itself: what the rotten one said."""
        if operation.side is Side.LOCAL:
            mtime_ns = self._mtime_ns(operation) or content.attributes.mtime_ns
            return Attributes(sha256=synced.sha256, mtime_ns=mtime_ns)
        described = self.remote.describe(operation.path)
        claims = Attributes() if described is None else described[1]
        return replace(
            claims,
            version=synced.version,
            sha256=synced.sha256,
            writer=self.writer,
            path=None,
            bytes_of=None,
            size=None,
        )

    def _mtime_ns(self, operation: Heal) -> int | None:
        try:
            with self.local.read(operation.path, operation.expect) as rotten:
                return rotten.attributes.mtime_ns
        except (TemporaryError, PermanentError):
            return None

    def _replace(
        self,
        operation: Heal,
        content: Content,
        attributes: Attributes,
        evidence: Ulid,
        seen: Held | Moving | Unreadable,
    ) -> tuple[Written, bool]:
        """Give what is there now, and whether the archive has what was there before."""
        path, token = operation.path, operation.expect
        archive = Attributes(
            version=evidence,
            sha256=seen.sha256 if isinstance(seen, Held) else None,
            parent=attributes.version,
            path=path,
        )
        storage = self._storage(operation.side)
        try:
            written = storage.write(path, content, attributes, expect=token, archive=archive)
        except (UnreachableError, ThrottledError):
            raise
        except TemporaryError:
            if operation.side is Side.LOCAL or not isinstance(seen, Unreadable):
                raise
            # SeaweedFS, for one, sees that a chunk is not what it was, and gives it no more.
            written = self.remote.overwrite_unreadable(path, content, attributes, expect=token)
            return written, False
        return written, True

    def _evidence(
        self,
        operation: Heal,
        seen: Held | Moving | Unreadable,
        synced: SyncedState,
        evidence: Ulid,
        now: datetime,
    ) -> VersionRow | None:
        """Give the row of the rotten bytes; None: there are none, or nobody can read them."""
        archive = self._storage(operation.side).archive
        sha256, size = (seen.sha256, seen.size) if isinstance(seen, Held) else (None, 0)
        with suppress(DocferryError):  # the healing itself is done, and must be written down
            with archive.read(evidence) as content:
                sha256, size = content.sha256(), content.size
            if sha256 == synced.sha256:
                # The store had them all the time: something on the way here changes them.
                archive.remove(evidence)
                return None
        if sha256 is None:
            return None
        return VersionRow(
            id=evidence,
            mirror=self.mirror,
            path=operation.path,
            sha256=sha256,
            size=size,
            mtime_ns=None,
            origin=Origin.EVIDENCE,
            parent=synced.version,
            etag=None,
            created_at=now,
        )

    def _tell(self, operation: Heal, synced: SyncedState, row: VersionRow | None) -> None:
        ROT_HEALED.labels(self.mirror, "content", operation.side).inc()
        log.warning(
            "rot.healed",
            mirror=self.mirror,
            path=operation.path,
            side=operation.side,
            version=synced.version,
            evidence=row.id if row is not None else "none that can be read, or none at all",
        )


def _refuse_what_is_no_rot(seen: Held | Moving | Unreadable) -> None:
    match seen:
        case Moving(why):
            raise StaleError(why)
        case Unreadable(why, is_rot=False):
            raise PermanentError(why)
        case _:
            return


def _was_sound(operation: Heal, synced: SyncedState, *, is_healed: bool) -> Outcome:
    """
    Args:
        is_healed: It was written since: by an earlier try, most likely, whose note was lost.
            That it has another token now the loop sees, and notes.
    """
    why = f"it is sound on the {operation.side} side"
    state = RequestState.DONE if is_healed else RequestState.SKIPPED
    answers = Answer(operation.request, state, why)
    return Outcome(operation, synced, answers=answers)


def _healed(
    operation: Heal, synced: SyncedState, written: Written, row: VersionRow | None
) -> Outcome:
    if operation.side is Side.LOCAL:
        healed = replace(synced, local_token=written.token)
    else:
        healed = replace(synced, remote_token=written.token)
    note = None if row is None else f"the rotten bytes are kept as version {row.id}"
    return Outcome(
        operation,
        healed,
        archived=None if row is None else (row.id, operation.side),
        displaced=row,
        answers=Answer(operation.request, RequestState.DONE, note),
        moved_bytes=written.size,
    )
