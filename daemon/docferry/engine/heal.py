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

from docferry.core.verify import Held, Moving, Unreadable
from docferry.engine.identity import Places
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.engine.sight import see
from docferry.engine.sound import AtPath, SoundCopies
from docferry.errors import (
    DocferryError,
    PermanentError,
    StaleError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import ROT_HEALED
from docferry.model import (
    Attributes,
    FileState,
    MarkSynced,
    Origin,
    Outcome,
    Path,
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
    """Heals the contents of one mirror. Thread-safe: it keeps no state."""

    mirror: str
    local: LocalSide
    remote: HealedRemote
    ledger: Ledger

    def heal(
        self, path: Path, synced: SyncedState, side: Side, evidence: Ulid, now: datetime
    ) -> Outcome:
        """
        Make *side* hold at *path* again what both sides agreed on.

        Args:
            synced: The agreement, as the ledger has it now.
            evidence: A new version, for the rotten bytes.

        Raises:
            StaleError: There is nothing to heal: it is sound, or another content by now.
            PermanentError: No sound copy is left anywhere.
            TemporaryError: A side does not answer; nothing was changed.
        """
        storage: Storage = self.local if side is Side.LOCAL else self.remote
        token = synced.local_token if side is Side.LOCAL else synced.remote_token
        seen = self._require_rot(storage, path, synced, side, token)
        places = Places(self.local, self.remote, "", "")
        copies = SoundCopies(self.mirror, places, self.ledger)
        with copies.found(synced.sha256, AtPath(side, path)) as content:
            if content is None:
                raise PermanentError(
                    f"{path} has rotted on the {side} side, and no sound copy is left: "
                    "put the file back from a backup"
                )
            attributes = self._attributes(path, synced, side, content, token)
            written, is_kept = self._replace(path, seen, side, content, attributes, token, evidence)
        row = self._evidence(storage, path, seen, synced, evidence, now) if is_kept else None
        ROT_HEALED.labels(self.mirror, "content", side).inc()
        log.warning(
            "rot.healed",
            mirror=self.mirror,
            path=path,
            side=side,
            version=synced.version,
            evidence=row.id if row is not None else "none that can be read, or none at all",
        )
        return self._outcome(path, synced, side, written, row)

    def _require_rot(
        self, storage: Storage, path: Path, synced: SyncedState, side: Side, token: Token
    ) -> Held | Unreadable:
        """Look at the content itself, and refuse to touch what is sound or not the agreed one."""
        match see(storage, path, token, synced.sha256):
            case Moving(why):
                raise StaleError(why)
            case Unreadable(why, is_rot=False):
                raise PermanentError(why)
            case Held(sha256=synced.sha256):
                raise StaleError(f"{path} is sound on the {side} side")
            case seen:
                return seen

    def _attributes(
        self, path: Path, synced: SyncedState, side: Side, content: Content, token: Token
    ) -> Attributes:
        """Give what the healed content says about itself: what the rotten one said."""
        if side is Side.LOCAL:
            return Attributes(sha256=synced.sha256, mtime_ns=self._mtime_ns(path, token, content))
        described = self.remote.describe(path)
        claims = Attributes() if described is None else described[1]
        return replace(
            claims,
            version=synced.version,
            sha256=synced.sha256,
            writer=self.ledger.instance,
            path=None,
            bytes_of=None,
            size=None,
        )

    def _mtime_ns(self, path: Path, token: Token, content: Content) -> int | None:
        try:
            with self.local.read(path, token) as rotten:
                return rotten.attributes.mtime_ns
        except (TemporaryError, PermanentError):
            return content.attributes.mtime_ns

    def _replace(
        self,
        path: Path,
        seen: Held | Unreadable,
        side: Side,
        content: Content,
        attributes: Attributes,
        token: Token,
        evidence: Ulid,
    ) -> tuple[Written, bool]:
        """Give what is there now, and whether the archive has what was there before."""
        storage: Storage = self.local if side is Side.LOCAL else self.remote
        archive = Attributes(
            version=evidence,
            sha256=seen.sha256 if isinstance(seen, Held) else None,
            parent=attributes.version,
            path=path,
        )
        try:
            written = storage.write(path, content, attributes, expect=token, archive=archive)
        except (UnreachableError, ThrottledError):
            raise
        except TemporaryError:
            if side is Side.LOCAL or isinstance(seen, Held):
                raise
            # SeaweedFS, for one, sees that a chunk is not what it was, and gives it no more.
            written = self.remote.overwrite_unreadable(path, content, attributes, expect=token)
            return written, False
        return written, True

    def _evidence(
        self,
        storage: Storage,
        path: Path,
        seen: Held | Unreadable,
        synced: SyncedState,
        evidence: Ulid,
        now: datetime,
    ) -> VersionRow | None:
        """Give the row of the rotten bytes; None: there are none, or nobody can read them."""
        sha256 = seen.sha256 if isinstance(seen, Held) else None
        size = seen.size if isinstance(seen, Held) else 0
        with suppress(DocferryError):  # the healing itself is done, and must be written down
            with storage.archive.read(evidence) as content:
                sha256, size = content.sha256(), content.size
            if sha256 == synced.sha256:
                # The store had them all the time: something on the way here changes them.
                storage.archive.remove(evidence)
                return None
        if sha256 is None:
            return None
        return VersionRow(
            id=evidence,
            mirror=self.mirror,
            path=path,
            sha256=sha256,
            size=size,
            mtime_ns=None,
            origin=Origin.EVIDENCE,
            parent=synced.version,
            etag=None,
            created_at=now,
        )

    def _outcome(
        self,
        path: Path,
        synced: SyncedState,
        side: Side,
        written: Written,
        row: VersionRow | None,
    ) -> Outcome:
        if side is Side.LOCAL:
            healed = replace(synced, local_token=written.token)
        else:
            healed = replace(synced, remote_token=written.token)
        tokens = healed.local_token, healed.remote_token
        return Outcome(
            MarkSynced(path, synced.sha256, synced.size, *tokens, is_new_content=False),
            healed,
            archived=None if row is None else (row.id, side),
            displaced=row,
            moved_bytes=written.size,
        )
