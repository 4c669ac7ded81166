"""Before the bytes of a version go: let those who share them have them under one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from docferry.core.patrol import is_sound
from docferry.core.verify import Held, Sight, Unreadable
from docferry.engine.archived import about
from docferry.engine.identity import Places
from docferry.engine.sight import see_archived
from docferry.engine.sound import SoundCopies
from docferry.errors import PermanentError, StaleError, TemporaryError
from docferry.ledger import Ledger
from docferry.model import Side, VersionRow
from docferry.storage.base import Archive, Content, Storage


@dataclass(frozen=True, slots=True)
class Lost:
    """A version of which sound bytes are nowhere, and how many others share them."""

    version: VersionRow
    more: int


@dataclass(frozen=True, slots=True)
class Rehoming:
    """
    Finds new homes for the shared bytes of one mirror.

    copies: where else a content may be: rotten bytes are replaced by those.
    """

    places: Places
    ledger: Ledger
    copies: SoundCopies

    def run(self, version: VersionRow, others: Iterator[VersionRow]) -> Lost | None:
        """
        Bring the archived bytes of *version* to those who need them: to one, for all of them.

        A crash in the middle is made good by doing it again, while *version* is still there.
        Where both archives have rotten bytes, or none, some file may still have sound ones.

        Args:
            others: Those who need them. They are read one by one: there may be thousands.

        Returns:
            Who has lost them, as sound ones are nowhere. None: they have them, or nobody does.

        Raises:
            TemporaryError: None are found sound, and some cannot be read: they may be.
        """
        first = next(others, None)
        if first is None:
            return None
        # Before anything goes: no try can put rotten bytes in the place of a reference.
        seen = {side: _see_bytes(self.places.side(side), version, first) for side in Side}
        brought = [side for side in Side if is_sound(seen[side], version.sha256)]
        for side in brought:
            self._bring(side, version, first)
        if Side.REMOTE not in brought and self._bring_from_elsewhere(first):
            brought.append(Side.REMOTE)
        unreadable = [
            f"{side}: {one.why}" for side, one in seen.items() if isinstance(one, Unreadable)
        ]
        if unreadable and not brought:
            raise TemporaryError(
                f"others share the bytes of version {version.id}, which cannot be read: "
                + ", ".join(unreadable)
            )
        for side in brought:  # retention may have let it go, and be done with it, meanwhile
            self.ledger.versions.note_archived([first.id], side)
        more = self._share(first, others)
        return None if brought else Lost(first, more)

    def _bring(self, side: Side, version: VersionRow, to: VersionRow) -> None:
        storage = self.places.side(side)
        if not _has_brought(storage, to):
            with storage.archive.read(version.id) as content:
                _put(storage.archive, to, content)

    def _bring_from_elsewhere(self, to: VersionRow) -> bool:
        """Bring sound bytes to the bucket: else references there would point to nothing."""
        with self.copies.found(to) as content:
            if content is not None:
                _put(self.places.remote.archive, to, content)
            return content is not None

    def _share(self, first: VersionRow, rest: Iterator[VersionRow]) -> int:
        """
        Let the others refer to the first one, and count them.

        Also where nobody has bytes: what mends that one mends all.
        """
        self.ledger.versions.note_bytes_of(first.id, None)
        number = 0
        for row in rest:
            if row.id == first.id or row.bytes_of == first.id:
                continue  # still without bytes, it is found a second time
            for side in Side:
                _refer(self.places.side(side).archive, row, first)
            self.ledger.versions.note_bytes_of(row.id, first.id)
            number += 1
        return number


def _see_bytes(storage: Storage, version: VersionRow, to: VersionRow) -> Sight:
    """
    Read what a side has of the bytes that *to* is to have.

    Raises:
        PermanentError: They are there, and docferry may not read them.
    """
    if _has_brought(storage, to):
        return Held("", to.size, to.sha256)
    seen = see_archived(storage, version.id, version.sha256)
    if isinstance(seen, Unreadable) and not seen.is_rot:
        raise PermanentError(seen.why)
    return seen


def _has_brought(storage: Storage, to: VersionRow) -> bool:
    """Say whether an earlier try has brought sound bytes."""
    found = storage.archive.describe(to.id)
    has_its_own = found is not None and found.bytes_of is None
    return has_its_own and is_sound(see_archived(storage, to.id, to.sha256), to.sha256)


def _put(archive: Archive, to: VersionRow, content: Content) -> None:
    if archive.describe(to.id) is not None:
        archive.remove(to.id)  # a reference is not replaced while what it refers to is there
    archive.put(to.id, content, about(to))


def _refer(archive: Archive, version: VersionRow, to: VersionRow) -> None:
    try:
        archive.refer(version.id, to.id, about(version))
    except StaleError:
        return  # this side has not got the bytes
