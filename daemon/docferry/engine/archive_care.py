"""
Look after archived bytes: what has rotted or is lost in one archive is put there again.

Unlike a document's path, nobody else writes there: it needs no operation of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from docferry.core.patrol import is_rotten, is_sound, may_mend
from docferry.core.verify import ABSENT, Held, Sight
from docferry.engine.archived import about
from docferry.engine.identity import Places
from docferry.engine.rot import RotProblems, archived_path
from docferry.engine.sight import Take, see_archived
from docferry.engine.sound import SoundCopies
from docferry.errors import StaleError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import ROT_HEALED
from docferry.model import Attributes, Mode, Origin, Side, Ulid, VersionRow
from docferry.storage.base import PART_BYTES, Content, Storage

log = get_logger(__name__)


class _AsItIs(Content):
    """A rotten content to be kept: nothing that it claims to be is believed, or checked."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.size = content.size
        self.attributes = Attributes(content_type=content.attributes.content_type)

    def part(self, offset: int, size: int) -> bytes:
        return self._content.part(offset, size)

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        return self._content.parts(part_bytes)

    def confirm(self) -> None:
        """Do nothing: it is known not to be what it claims."""

    def close(self) -> None:
        """Do nothing: who has opened it closes it."""


@dataclass(frozen=True, slots=True)
class ArchiveCare:
    """
    Checks displaced versions of one mirror, one by one.

    prove: raises UnreachableError where a side is not itself, or in trouble.
    """

    mirror: str
    mode: Mode
    places: Places
    ledger: Ledger
    problems: RotProblems
    copies: SoundCopies
    prove: Callable[[Side], None]
    take: Take
    new_ulid: Callable[[], Ulid]
    now: Callable[[], datetime]

    def check(self, row: VersionRow) -> int:
        """Check the bytes of a version in both archives; give how many have lost them."""
        owner = self._owner(row)
        sights = {side: self._sight(self.places.side(side), row, owner) for side in Side}
        self._note_where_it_is(row, sights)
        found = self._refer_again(row, owner, sights)
        found += self._clear_own(row, owner, sights[Side.LOCAL])
        claims = {Side.LOCAL: row.archived_local, Side.REMOTE: row.archived_remote}
        bad = [
            side
            for side in Side
            if is_rotten(sights[side], row.sha256) or (claims[side] and sights[side] == ABSENT)
        ]
        if not bad:
            for one in {owner.id, row.id}:
                self.problems.mended(archived_path(one))
            return found
        if not self._is_still_wanted(row):
            return found
        for side in bad:
            self.prove(side)
            self.problems.found(row.path, side, sights[side], of="archive", version=owner.id)
        self._mend(row, owner, {side: sights[side] for side in bad})
        return found + len(bad)

    def _owner(self, row: VersionRow) -> VersionRow:
        """Give the version under which the bytes are."""
        if row.bytes_of is None:
            return row
        return self.ledger.versions.get(row.bytes_of) or row

    def _sight(self, storage: Storage, row: VersionRow, owner: VersionRow) -> Sight:
        if owner.id == row.id or owner.gone_at is not None or owner.is_current:
            return see_archived(storage, owner.id, row.sha256, self.take)
        # They are read when it is their own version's turn.
        found = storage.archive.describe(owner.id)
        is_there = found is not None and found.bytes_of is None
        return Held("", row.size, row.sha256) if is_there else ABSENT

    def _note_where_it_is(self, row: VersionRow, sights: dict[Side, Sight]) -> None:
        """Let the ledger know what an archive has all the same: a crash may have lost the note."""
        for side, claimed in (
            (Side.LOCAL, row.archived_local),
            (Side.REMOTE, row.archived_remote),
        ):
            if not claimed and row.bytes_of is None and is_sound(sights[side], row.sha256):
                self.ledger.versions.note_archived([row.id], side)

    def _refer_again(self, row: VersionRow, owner: VersionRow, sights: dict[Side, Sight]) -> int:
        """
        Put a reference again that a bucket has lost, or that leads elsewhere; give 1 if so it was.

        Where what it is to refer to is damaged, that is seen now: it is mended first.
        """
        archive = self.places.remote.archive
        is_there = isinstance(sights[Side.REMOTE], Held)
        if owner.id == row.id or not row.archived_remote or not is_there:
            return 0
        there = archive.describe(row.id)
        if there is not None and there.bytes_of in (None, owner.id):
            return 0
        if not may_mend(self.mode, Side.REMOTE):
            return 0
        self.prove(Side.REMOTE)
        self.problems.found(row.path, Side.REMOTE, ABSENT, of="archive", version=row.id)
        if not self._refer(row, owner):
            remote = self.places.remote
            sights[Side.REMOTE] = see_archived(remote, owner.id, row.sha256, self.take)
        return 1

    def _refer(self, row: VersionRow, owner: VersionRow) -> bool:
        try:
            self.places.remote.archive.refer(row.id, owner.id, about(row))
        except StaleError as error:
            log.debug("version.unshared", mirror=self.mirror, version=row.id, reason=str(error))
            return False
        return True

    def _clear_own(self, row: VersionRow, owner: VersionRow, sight: Sight) -> int:
        """
        Put a rotten file aside that a folder has beside the bytes of its equal.

        It could not be given up for them, because it is not equal any more.
        """
        archive = self.places.local.archive
        if owner.id == row.id or not isinstance(sight, Held) or archive.describe(row.id) is None:
            return 0
        own = see_archived(self.places.local, row.id, row.sha256, self.take)
        if not is_rotten(own, row.sha256) or not may_mend(self.mode, Side.LOCAL):
            return 0
        self.problems.found(row.path, Side.LOCAL, own, of="archive", version=row.id)
        self._keep_evidence(Side.LOCAL, row, row, own)
        archive.remove(row.id)
        return 1

    def _is_still_wanted(self, row: VersionRow) -> bool:
        now = self.ledger.versions.get(row.id)
        return now is not None and not now.is_current and now.gone_at is None

    def _mend(self, row: VersionRow, owner: VersionRow, bad: dict[Side, Sight]) -> None:
        problem = archived_path(owner.id)
        with self.copies.found(row) as content:
            if content is None:
                where = " and ".join(bad)
                self.problems.show(
                    problem,
                    f"version {owner.id} of {row.path} has rotted or is lost in the archive "
                    f"({where}), and no sound copy is left",
                )
                return
            left = [side for side in bad if not may_mend(self.mode, side)]
            for side, sight in bad.items():
                if side not in left:
                    self._put_again(side, row, owner, sight, content)
        if owner.id == row.id and row.bytes_of is not None:
            self.ledger.versions.note_bytes_of(row.id, None)  # what it shared is erased
        if left:
            self.problems.show(
                problem,
                f"version {owner.id} of {row.path} has rotted or is lost in the archive "
                f"({' and '.join(left)}), and mode {self.mode} leaves it so",
            )
        else:
            self.problems.mended(problem)

    def _put_again(
        self, side: Side, row: VersionRow, owner: VersionRow, sight: Sight, content: Content
    ) -> None:
        archive = self.places.side(side).archive
        evidence = self._keep_evidence(side, row, owner, sight)
        if sight != ABSENT:
            archive.remove(owner.id)  # a sound copy is open: a crash here is mended the next time
        archive.put(
            owner.id,
            content,
            Attributes(
                version=owner.id,
                sha256=row.sha256,
                mtime_ns=owner.mtime_ns,
                parent=owner.parent,
                path=owner.path,
            ),
        )
        self.ledger.versions.note_archived([owner.id], side)
        ROT_HEALED.labels(self.mirror, "archive", side).inc()
        log.warning(
            "rot.healed",
            mirror=self.mirror,
            path=row.path,
            side=side,
            version=owner.id,
            evidence=evidence,
        )

    def _keep_evidence(
        self, side: Side, row: VersionRow, owner: VersionRow, sight: Sight
    ) -> Ulid | None:
        """Put rotten bytes aside, as a version of their own. None: there are none to be had."""
        if not isinstance(sight, Held) or sight.sha256 is None:
            return None
        archive, now = self.places.side(side).archive, self.now()
        evidence = VersionRow(
            id=self.new_ulid(),
            mirror=self.mirror,
            path=row.path,
            sha256=sight.sha256,
            size=sight.size,
            mtime_ns=None,
            origin=Origin.EVIDENCE,
            parent=owner.id,
            etag=None,
            created_at=now,
            left_at=now,
            archived_local=side is Side.LOCAL,
            archived_remote=side is Side.REMOTE,
            agreed=False,
        )
        attributes = Attributes(
            version=evidence.id, sha256=sight.sha256, parent=owner.id, path=row.path
        )
        with archive.read(owner.id) as rotten:
            archive.put(evidence.id, _AsItIs(rotten), attributes)
        self.ledger.versions.add([evidence])
        return evidence.id
