"""Before archived bytes are removed: are these the mirror's sides, and does nobody need them?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Protocol

from docferry.core.guards import Proven, marker_id, prove
from docferry.engine.identity import Places
from docferry.errors import TemporaryError, UnreachableError
from docferry.ledger import Ledger
from docferry.model import Attributes, Path, Side, Token, Ulid, Unknown, VersionRow
from docferry.storage.base import Storage


class Kept(Protocol):
    """A version that a bucket itself keeps."""

    @property
    def version_id(self) -> str: ...
    @property
    def token(self) -> Token: ...
    @property
    def is_latest(self) -> bool: ...
    @property
    def is_delete_marker(self) -> bool: ...


class BucketVersions(Protocol):
    """What a bucket keeps of its own."""

    def of(self, path: Path) -> Sequence[Kept]: ...
    def remove(self, path: Path, version_id: str) -> None: ...


def require_proven(mirror: str, places: Places, ledger: Ledger) -> None:
    """
    Make sure that both sides are those of the mirror before bytes are removed there.

    A store refuses to answer where the clocks differ by more than 15 minutes: so this
    proves the clock as well, by which versions are let go.

    Raises:
        UnreachableError: A side does not answer, or is not itself.
    """
    row = ledger.mirrors.get(mirror)
    known = None if row is None else row.marker_id
    found = prove(
        marker_id(places.local.read_marker()),
        marker_id(places.remote.read_marker()),
        known,
        where=(places.local_name, places.remote_name),
    )
    if known is None or not isinstance(found, Proven):
        reason = getattr(found, "reason", "it has never run")
        raise UnreachableError(f"nothing of {mirror} is removed: {reason}")


def on_bytes_of(
    version: VersionRow, places: Places, ledger: Ledger, but_for: Collection[Ulid] = ()
) -> Iterator[VersionRow]:
    """
    Yield the versions that would lose their last bytes with those of *version*, one by one.

    The archives are asked, not the ledger alone: a crash may have come between a
    reference and its note. Thousands may be equal: few of them are asked about.

    Args:
        but_for: Versions that are to go as well.
    """
    # The ledger first: what it knows to be shared is asked about in each round of retention.
    noted = ledger.sharing.borrowers_of(version.id)
    found = chain(noted, _on_bytes_unnoted(version, places, ledger))
    return (row for row in found if row.id != version.id and row.id not in but_for)


def _on_bytes_unnoted(version: VersionRow, places: Places, ledger: Ledger) -> Iterator[VersionRow]:
    if not _are_bytes_at(places, version.id):
        return  # a reference itself, most likely: nobody loses anything with it
    sharing, content = ledger.sharing, (version.mirror, version.sha256)
    has_bytes = set[Ulid]()
    for home in sharing.homes_named(*content):
        if home != version.id and _are_bytes_at(places, home):
            has_bytes.add(home)
        elif home != version.id:
            yield from (
                row for row in sharing.borrowers_of(home) if not _are_bytes_at(places, row.id)
            )
    # Of an empty content docferry makes no reference: what is said to have its own has it.
    rows = sharing.unshared if version.size else sharing.not_brought_up
    for row in rows(*content):
        if row.id not in has_bytes and not _are_bytes_at(places, row.id):
            yield row


def _are_bytes_at(places: Places, version: Ulid) -> bool:
    """Say whether an archive has bytes under a version, and no reference."""
    for side in Side:
        found = places.side(side).archive.describe(version)
        if found is not None and found.bytes_of is None:
            return True
    return False


def about(version: VersionRow) -> Attributes:
    """Say what an archived version says about itself."""
    return Attributes(
        version=version.id,
        sha256=version.sha256,
        mtime_ns=version.mtime_ns,
        parent=version.parent,
        path=version.path,
        size=version.size,
    )


def look(storage: Storage, path: Path) -> Token | None:
    """
    Say what a side holds at *path*; None: nothing.

    Raises:
        TemporaryError: It cannot be told.
    """
    found = storage.stat(path)
    if isinstance(found, Unknown):
        raise TemporaryError(f"nobody can tell what is at {path}: it is {found.reason}")
    return None if found is None else found.token
