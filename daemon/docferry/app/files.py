"""Files for people and programs: listed, and told of whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from docferry.app.renditions import RenditionEntry, renditions_beside
from docferry.app.since import since_of
from docferry.app.versions import looks_like_version, version_named
from docferry.config import Config
from docferry.core.cursors import cursor_of, key_in
from docferry.core.standing import LISTED, Order, Standing
from docferry.errors import NotFoundError, UserError
from docferry.ledger import Ledger
from docferry.ledger.file_keys import Place, Span
from docferry.ledger.files import FileRow
from docferry.model import Origin, Path, Sha256, Side, Ulid, VersionRow

MOST = 1000  #: entries of a page
_ROUNDS = 10  # so much is read for a page of which a filter leaves little


@dataclass(frozen=True, slots=True)
class FilesWanted:
    """
    Which files are to be listed.

    mirrors: in which they are.
    prefix: with which the paths begin.
    contains: what is in the paths, wherever, in upper or lower case.
    side: only what this side has, as far as is known.
    since: a version or a time: only what came later; of what was deleted, what was so since.
        A version is as old as the beginning of its transfer: a large file may come to be
        listed after smaller ones that are younger.
    cursor: `Page.next` of the page before.
    """

    mirrors: tuple[str, ...]
    prefix: str = ""
    contains: str = ""
    standing: Standing = Standing.AGREED
    side: Side | None = None
    since: str | None = None
    order: Order = Order.PATH
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """
    A file, or a content that one had.

    id: of the version; None: nothing has ever come to rest at the path, so that what follows
        is not known either.
    is_present: both sides agreed on this very content for the path, or will.
    sides: that have it, as far as is known.
    problem: why it fails, where it does; retry_at: None then: only a person can mend it.
    is_kept: no retention takes it.
    let_go_at: when retention let its bytes go.
    """

    mirror: str
    path: Path
    id: Ulid | None
    sha256: Sha256 | None
    size: int | None  #: bytes
    modified_at: datetime | None
    created_at: datetime | None
    left_at: datetime | None  #: when its path ceased to hold it
    origin: Origin | None
    is_present: bool
    standings: tuple[Standing, ...]
    sides: tuple[Side, ...]
    problem: str | None
    retry_at: datetime | None
    hold: int | None
    conflict: int | None
    request: int | None
    is_kept: bool
    let_go_at: datetime | None
    parent: Ulid | None
    renditions: tuple[RenditionEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class FilePage:
    """A page may be short although there is more: only without a *next* it was the last."""

    items: tuple[FileEntry, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class FileDetail:
    """A version, and what its path holds now."""

    file: FileEntry
    present: Ulid | None  #: None: nothing


# Lists.


def list_files(
    config: Config, ledger: Ledger, wanted: FilesWanted, visible: Collection[str], now: datetime
) -> FilePage:
    """
    Give a page of files, with their conversions.

    Args:
        visible: The mirrors of which whoever asks may know.

    Raises:
        UserError: The cursor is none of this list, `since` is no time, files are not listed by
            that standing, or too many are so to be sorted by time.
    """
    if wanted.standing not in LISTED:
        raise UserError(f"files are not listed by {wanted.standing}: {', '.join(LISTED)}")
    after = _place_in(wanted, 2 if wanted.order is Order.PATH else 3)
    span = _span_of(wanted, now)
    found: list[tuple[Place, FileRow]] = []
    is_end = not wanted.mirrors
    for _ in range(_ROUNDS):
        if is_end or len(found) >= wanted.limit:
            break
        rows = ledger.files.page(wanted.standing, span, wanted.order, after, wanted.limit)
        is_end = len(rows) < wanted.limit and not (rows and rows[-1][1] is None)
        after = rows[-1][0] if rows else after
        found += [
            (place, row)
            for place, row in rows
            if row is not None and wanted.side in (None, *_sides_of(row))
        ]
    shown = found[: wanted.limit]
    if len(found) > wanted.limit:
        after, is_end = shown[-1][0], False
    told = entries(config, ledger, [row for _, row in shown], visible)
    return FilePage(told, None if is_end else cursor_of(_listed(wanted), after or ()))


# One.


def file(config: Config, ledger: Ledger, version: Ulid, visible: Collection[str]) -> FileDetail:
    """
    Tell of one version.

    Args:
        visible: The mirrors of which whoever asks may know.

    Raises:
        NotFoundError: There is no such version, or none that may be seen.
    """
    row = visible_version(ledger, version, visible)
    [at] = ledger.files.at([(row.mirror, row.path)])
    [entry] = entries(config, ledger, [_as_version(at, row)], visible)
    is_there = at.version is not None and Standing.DELETED not in at.standings
    return FileDetail(entry, at.version.id if at.version is not None and is_there else None)


def file_at(
    config: Config, ledger: Ledger, mirror: str, path: Path, visible: Collection[str]
) -> FileDetail:
    """
    Tell of what a path holds, or held last.

    Raises:
        NotFoundError: Nothing is known of it.
    """
    if mirror not in visible:
        raise _no_mirror(mirror)
    [at] = ledger.files.at([(mirror, path)])
    if not at.standings:
        raise NotFoundError(f"{mirror} has no file {path!r}, and had none")
    [entry] = entries(config, ledger, [at], visible)
    return FileDetail(entry, entry.id if entry.is_present else None)


def visible_version(ledger: Ledger, version: Ulid, visible: Collection[str]) -> VersionRow:
    """
    Raises:
        NotFoundError: There is no such version, or none that may be seen.
    """
    if not looks_like_version(version):
        raise NotFoundError(f"{version!r} is no version: a ULID has 26 letters and digits")
    return version_named(ledger, version, visible)


def versions_of(
    ledger: Ledger, version: Ulid, visible: Collection[str]
) -> tuple[VersionRow, list[VersionRow]]:
    """
    Give a version, and all of its path, the newest first.

    Raises:
        NotFoundError: There is no such version, or none that may be seen.
    """
    row = visible_version(ledger, version, visible)
    return row, ledger.versions.of(row.mirror, row.path)


def _no_mirror(mirror: str) -> NotFoundError:
    return NotFoundError(f"there is no mirror {mirror!r}")


def _span_of(wanted: FilesWanted, now: datetime) -> Span:
    if wanted.since is None:
        return Span(wanted.mirrors, wanted.prefix, wanted.contains)
    version, at = since_of(wanted.since, now)
    return Span(wanted.mirrors, wanted.prefix, wanted.contains, version, at)


def _listed(wanted: FilesWanted) -> FilesWanted:
    """Say what a cursor is of: not where it is, nor how long the pages are."""
    return replace(wanted, cursor=None, limit=0)


def _place_in(wanted: FilesWanted, length: int) -> Place | None:
    if wanted.cursor is None:
        return None
    return key_in(wanted.cursor, _listed(wanted), length)


# As they are told.


def entries(
    config: Config, ledger: Ledger, rows: Sequence[FileRow], visible: Collection[str]
) -> tuple[FileEntry, ...]:
    """Tell of each of *rows*, with its conversions; *visible* as for `list_files`."""
    documents = [row.version for row in rows if row.version is not None]
    beside = renditions_beside(config, ledger, documents, visible)
    return tuple(_entry(row, beside) for row in rows)


def _entry(row: FileRow, beside: Mapping[Ulid, tuple[RenditionEntry, ...]]) -> FileEntry:
    version = row.version
    is_past = {Standing.DELETED, Standing.DISPLACED} & set(row.standings)
    return FileEntry(
        mirror=row.mirror,
        path=row.path,
        id=version.id if version else None,
        sha256=version.sha256 if version else None,
        size=version.size if version else None,
        modified_at=_time_of(version.mtime_ns) if version else None,
        created_at=version.created_at if version else None,
        left_at=version.left_at if version and is_past else None,
        origin=version.origin if version else None,
        is_present=version is not None and not is_past,
        standings=row.standings,
        sides=_sides_of(row),
        problem=row.problem.message if row.problem else None,
        retry_at=row.problem.retry_at if row.problem else None,
        hold=row.hold,
        conflict=row.conflict,
        request=row.request,
        is_kept=version is not None and version.held,
        let_go_at=version.gone_at if version else None,
        parent=version.parent if version else None,
        renditions=beside.get(version.id, ()) if version else (),
    )


def _as_version(at: FileRow, row: VersionRow) -> FileRow:
    """Tell of *row* as of one of the versions of the path *at*."""
    if at.version is not None and at.version.id == row.id:
        return at
    # What is unusual about a path is so of what it holds.
    return FileRow(row.mirror, row.path, row, agreed=None, standings=(Standing.DISPLACED,))


def _sides_of(row: FileRow) -> tuple[Side, ...]:
    if row.agreed is None:
        return ()
    return tuple(side for side in Side if side is not row.lacking)


def _time_of(mtime_ns: int | None) -> datetime | None:
    if mtime_ns is None:
        return None
    try:
        return datetime.fromtimestamp(mtime_ns // 1_000_000_000, UTC)
    except (OverflowError, ValueError, OSError):  # a stranger may have written anything there
        return None
