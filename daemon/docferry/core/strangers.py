"""Tell, of what a bucket itself keeps of one key, what the ledger knows and what it has missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from docferry.model import (
    DeleteLocal,
    Download,
    Forget,
    KeepBoth,
    MarkSynced,
    Operation,
    Path,
    Sha256,
    Token,
    Ulid,
    VersionRow,
)

#: Clocks may differ by this much: S3 refuses requests where they differ by more.
CLOCKS_DIFFER = timedelta(minutes=15)
_WITHOUT_VERSIONING = "null"  # what is put while versioning is off, each over the one before
_A_MOMENT = timedelta(microseconds=1)  # the ledger's smallest


class Kept(Protocol):
    """One content that was at a path, or (a delete marker) that it was deleted there."""

    @property
    def path(self) -> Path: ...
    @property
    def version_id(self) -> str: ...
    @property
    def token(self) -> Token: ...
    @property
    def size(self) -> int: ...
    @property
    def modified_at(self) -> datetime: ...
    @property
    def is_latest(self) -> bool: ...
    @property
    def is_delete_marker(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Known:
    """A content that is not there any more, and the version that the ledger has of it."""

    kept: Kept
    row: VersionRow


@dataclass(frozen=True, slots=True)
class Missed:
    """A content that was there between two looks: the ledger has no version of it."""

    kept: Kept
    created_at: datetime
    left_at: datetime
    follows: str | None  #: the bucket's name for the content before it; None: there was none


Finding: TypeAlias = Known | Missed


def sort_out(
    kept: Sequence[Kept], rows: Sequence[VersionRow], *, since: datetime, now: datetime
) -> list[Finding]:
    """
    Sort what a bucket keeps of one path's object, but for what is there now and deletions.

    The times of what was missed fit in between those of the ledger: one after the other,
    whatever the store's clock says, none later than *now* and none before *since*.

    Args:
        kept: Of one path, the newest first.
        rows: The ledger's versions of this path.
        since: What had left before is no business of the mirror's: it did not look yet.

    Returns:
        The oldest first.
    """
    since = since.replace(microsecond=0)  # stores tell whole seconds
    of_ledger = [_row_of(each, rows) for each in kept]
    began_at = _times(kept, of_ledger, since, now)
    found: list[Finding] = []
    for place, (each, row) in enumerate(zip(kept, of_ledger, strict=True)):
        if each.is_latest or each.is_delete_marker:
            continue
        if row is not None:
            found.append(Known(each, row))
        elif _left_at(kept, place, now) >= since:
            left_at = began_at[place - 1] if place else now
            found.append(Missed(each, began_at[place], left_at, _follows(kept, place)))
    return found[::-1]


def unnamed(found: Iterable[Finding]) -> Iterator[tuple[Ulid, str]]:
    """Yield the versions of which it was not known what the bucket calls them, with that."""
    named: set[Ulid] = set()
    for each in found:
        if isinstance(each, Known) and each.row.store_version is None:
            if each.row.id not in named:
                yield each.row.id, each.kept.version_id
            named.add(each.row.id)


def row_with(kept: Kept, rows: Iterable[VersionRow], sha256: Sha256) -> VersionRow | None:
    """
    Give the version that *kept* is, by its content; None: it is none of *rows*.

    For what ETags do not tell: of an encrypted object sent twice, or of rows that were
    read from an archive.
    """
    equal = [
        row
        for row in rows
        if (row.sha256, row.store_version) == (sha256, None) and _may_be(kept, row)
    ]
    return _nearest(kept, equal)


def is_lost(row: VersionRow) -> bool:
    """Say whether no archive is known to have what *row* needs, and it is not let go."""
    is_displaced = row.left_at is not None and row.gone_at is None
    return is_displaced and not (row.archived_local or row.archived_remote or row.bytes_of)


def is_lent(rows: Iterable[VersionRow]) -> bool:
    """Say whether the bucket's archive has the bytes that all of *rows* are versions of."""
    return any(
        row.archived_remote and row.bytes_of is None and row.gone_at is None and row.left_at
        for row in rows
    )


def tells_of_others(operation: Operation) -> bool:
    """Say whether *operation* follows from what others did in the bucket."""
    match operation:
        case Download() | KeepBoth() | DeleteLocal() | Forget():
            return True
        case MarkSynced(is_new_content=is_new):
            return is_new
        case _:
            return False


def _row_of(kept: Kept, rows: Sequence[VersionRow]) -> VersionRow | None:
    if kept.is_delete_marker:
        return None
    by_name = next((row for row in rows if _is_called(kept, row)), None)
    return by_name or _nearest(kept, [row for row in rows if _is_same(kept, row)])


def _is_called(kept: Kept, row: VersionRow) -> bool:
    """Go by the bucket's name, but for the one that another content may have by now."""
    is_certain = kept.version_id != _WITHOUT_VERSIONING or row.etag == kept.token
    return row.store_version == kept.version_id and is_certain


def _is_same(kept: Kept, row: VersionRow) -> bool:
    return (row.etag, row.size) == (kept.token, kept.size) and _may_be(kept, row)


def _may_be(kept: Kept, row: VersionRow) -> bool:
    """
    Say whether *row* lasted until *kept* came.

    What had left before was put there once more: its bytes may be let go long before this
    one's turn comes.
    """
    return row.left_at is None or kept.modified_at <= row.left_at + CLOCKS_DIFFER


def _nearest(kept: Kept, rows: Sequence[VersionRow]) -> VersionRow | None:
    return min(rows, key=lambda row: _apart(kept, row), default=None)


def _left_at(kept: Sequence[Kept], place: int, now: datetime) -> datetime:
    return kept[place - 1].modified_at if place else now


def _follows(kept: Sequence[Kept], place: int) -> str | None:
    before = kept[place + 1 : place + 2]
    return next((each.version_id for each in before if not each.is_delete_marker), None)


def _times(
    kept: Sequence[Kept], of_ledger: Sequence[VersionRow | None], since: datetime, now: datetime
) -> list[datetime]:
    """
    Say when each came, so that it fits in between what the ledger saw.

    A store's clock may be ahead or behind, and tells whole seconds: what came after a
    content that docferry has seen may seem to have come before it.
    """
    seen_at = _seen_at(kept, of_ledger)
    found: list[datetime] = []
    for place, each in enumerate(kept):
        came_at = min(each.modified_at, (found[-1] if found else now) - _A_MOMENT)
        seen = seen_at.get(place)
        if seen is not None and each.modified_at - seen <= CLOCKS_DIFFER:
            came_at = min(came_at, seen)
        found.append(came_at)
    after: datetime | None = None
    for place in reversed(range(len(kept))):
        if after is not None and after - kept[place].modified_at <= CLOCKS_DIFFER:
            found[place] = max(found[place], after + _A_MOMENT)
        if _left_at(kept, place, now) >= since:
            found[place] = max(found[place], since)
        after = max(found[place], seen_at.get(place, found[place]))
    return found


def _seen_at(kept: Sequence[Kept], of_ledger: Sequence[VersionRow | None]) -> dict[int, datetime]:
    """Give, by place, when docferry saw what came; of a version put again the nearest time."""
    nearest: dict[Ulid, int] = {}
    for place, row in enumerate(of_ledger):
        if row is None:
            continue
        rival = nearest.setdefault(row.id, place)
        if _apart(kept[place], row) < _apart(kept[rival], row):
            nearest[row.id] = place
    rows = {row.id: row for row in of_ledger if row is not None}
    return {place: rows[one].created_at for one, place in nearest.items()}


def _apart(kept: Kept, row: VersionRow) -> timedelta:
    return abs(row.created_at - kept.modified_at)
