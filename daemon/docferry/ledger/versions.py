"""Versions: every content that ever came to rest at a path, and where its bytes are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, Text, bindparam, false, func, null, or_, select, true

from docferry.core.audit import Action
from docferry.errors import UserError
from docferry.ledger.audit import note
from docferry.ledger.database import Database, Transaction, chunks
from docferry.ledger.schema import history, intent, request, synced, version
from docferry.ledger.tallies import tallied
from docferry.model import UNFINISHED, Origin, Path, Sha256, Side, Ulid, VersionRow

#: In history: retention let the bytes of a version go, or a person had it held.
LET_GO, HELD, HELD_NO_MORE = "let_go", "hold", "unhold"
#: Rows read at a time by what goes through many versions.
PAGEROWS = 2000
#: Rows read at a time by what seeks one of many equal versions, and most often finds it soon.
EQUAL_AT_ONCE = 100

#: Asks for a version, to be given as a `VersionRow`.
ROW = select(
    version.c.id,
    version.c.mirror,
    version.c.path,
    version.c.sha256,
    version.c.size,
    version.c.mtime_ns,
    version.c.origin,
    version.c.parent,
    version.c.etag,
    version.c.created_at,
    version.c.left_at,
    version.c.archived_local,
    version.c.archived_remote,
    version.c.bytes_of,
    version.c.store_version,
    version.c.held,
    version.c.agreed,
    version.c.gone_at,
)
_BY_ID = ROW.where(version.c.id == bindparam("id"))
_SOMEWHERE = {"archived_local": True, "archived_remote": True}
#: A content that was only found later, in a bucket's own versions, has a later id than its time.
_NEWEST_FIRST = (version.c.created_at.desc(), version.c.id.desc())
_NAME = (
    version.update()
    .values(store_version=bindparam("called", type_=Text))
    .where(version.c.id == bindparam("of_id"))
)
_ARCHIVED = {Side.LOCAL: version.c.archived_local, Side.REMOTE: version.c.archived_remote}
_ARCHIVE = {
    side: version.update().values({column: true()}).where(version.c.id == bindparam("of_id"))
    for side, column in _ARCHIVED.items()
}
_NOWHERE = (
    version.update()
    .values(archived_local=false(), archived_remote=false())
    .where(version.c.id == bindparam("of_id"))
)


def values_of(row: VersionRow) -> dict[str, object]:
    """Give the columns of a version."""
    return {
        "id": row.id,
        "mirror": row.mirror,
        "path": row.path,
        "sha256": row.sha256,
        "size": row.size,
        "mtime_ns": row.mtime_ns,
        "origin": row.origin,
        "parent": row.parent,
        "etag": row.etag,
        "created_at": row.created_at,
        "left_at": row.left_at,
        "archived_local": row.archived_local,
        "archived_remote": row.archived_remote,
        "bytes_of": row.bytes_of,
        "store_version": row.store_version,
        "held": row.held,
        "agreed": row.agreed,
        "gone_at": row.gone_at,
    }


class Versions:
    def __init__(self, database: Database) -> None:
        self._database = database

    # One, or those of a path.

    def of(self, mirror: str, path: Path) -> list[VersionRow]:
        """Give the versions of *path*, the newest first."""
        return _newest_first(self._read(ROW.where(*_at(mirror, path))))

    def of_each(self, mirror: str, paths: Sequence[Path]) -> dict[Path, list[VersionRow]]:
        """Give the versions of each of *paths* that has any, the newest first."""
        found: dict[Path, list[VersionRow]] = {}
        for chunk in chunks(paths):
            query = ROW.where(version.c.mirror == mirror, version.c.path.in_(chunk))
            for row in _newest_first(self._read(query)):
                found.setdefault(row.path, []).append(row)
        return found

    def get(self, version_id: Ulid) -> VersionRow | None:
        """Give one version, whichever mirror it is of; None: there is none."""
        with self._database.reading() as tx:
            return next(iter(tx.found(_BY_ID, VersionRow, id=version_id)), None)

    def rows(self, version_ids: Sequence[Ulid]) -> dict[Ulid, VersionRow]:
        """Give those of *version_ids* that were recorded, by id."""
        return {
            row.id: row
            for chunk in chunks(version_ids)
            for row in self._read(ROW.where(version.c.id.in_(chunk)))
        }

    def knows(self, version_id: Ulid) -> bool:
        """Tell whether this version was recorded, whichever mirror it is of."""
        return self.get(version_id) is not None

    def known(self, version_ids: Sequence[Ulid]) -> set[Ulid]:
        """Give those of *version_ids* that were recorded."""
        found: set[Ulid] = set()
        for chunk in chunks(version_ids):
            with self._database.reading() as tx:
                query = select(version.c.id).where(version.c.id.in_(chunk))
                found.update(one for (one,) in tx.tuples(query))
        return found

    def last(self) -> tuple[Ulid, datetime] | None:
        """
        Give the greatest version's id and the latest time of any; None: there is none.

        The id may be that of a version which is not written down: its upload was begun.
        """
        with self._database.reading() as tx:
            last = tx.value(select(func.max(version.c.id)))
            if last is None:
                return None
            last = max(last, str(tx.value(select(func.max(intent.c.version))) or ""))
            times = select(func.max(version.c.created_at), func.max(version.c.left_at))
            [(created, left)] = tx.tuples(times)
        return last, datetime.fromisoformat(max(created, left or ""))

    def has(self, mirror: str, path: Path) -> bool:
        """Tell whether *path* ever had a version."""
        query = select(version.c.id).where(*_at(mirror, path))
        with self._database.reading() as tx:
            return tx.value(query.limit(1)) is not None

    def has_below(self, mirror: str, below: Path) -> bool:
        """Tell whether there ever was a version at or below *below*."""
        query = select(version.c.id).where(version.c.mirror == mirror, *_below(below))
        with self._database.reading() as tx:
            return tx.value(query.limit(1)) is not None

    # Trees.

    def tree_at(self, mirror: str, at: datetime, below: Path = "") -> Iterator[VersionRow]:
        """
        Yield what each path held on both sides at *at*, in the order of the paths.

        Args:
            below: Only what is at or below this path; "" is the whole mirror.
        """
        held_then = (version.c.created_at <= at) & (
            version.c.left_at.is_(null()) | (version.c.left_at > at)
        )
        is_agreed = version.c.agreed.is_(true())
        query = ROW.where(version.c.mirror == mirror, held_then, is_agreed, *_below(below))
        yield from self._pages_by_path(query)

    def first_at(self, mirror: str) -> datetime | None:
        """Give the time of the first version of *mirror*; None: it has none."""
        query = select(func.min(version.c.created_at)).where(version.c.mirror == mirror)
        with self._database.reading() as tx:
            found: datetime | None = tx.value(query)
            return found

    def left_paths(self, mirror: str, below: Path) -> list[VersionRow]:
        """Give the last version of every path at or below *below* that holds nothing now."""
        other = version.alias()
        is_there = select(other.c.id).where(
            other.c.mirror == mirror, other.c.path == version.c.path, other.c.left_at.is_(null())
        )
        rank = func.row_number().over(partition_by=version.c.path, order_by=_NEWEST_FIRST)
        ranked = (
            select(version.c.id, rank.label("rank"))
            .where(version.c.mirror == mirror, *_below(below), ~is_there.exists())
            .where(version.c.origin != Origin.EVIDENCE)
            .subquery()
        )
        last = select(ranked.c.id).where(ranked.c.rank == 1)
        return self._read(ROW.where(version.c.id.in_(last)).order_by(version.c.path))

    # Bytes.

    def with_content(
        self, mirror: str, sha256: Sha256, *, is_archived: bool = False
    ) -> Iterator[VersionRow]:
        """
        Yield the versions of *mirror* with this content, at whatever path, the oldest first.

        Args:
            is_archived: Only those of which an archive is known to hold bytes of their own.
        """
        query = ROW.where(version.c.mirror == mirror, version.c.sha256 == sha256)
        if is_archived:
            is_own = (version.c.bytes_of.is_(null()), version.c.gone_at.is_(null()))
            query = query.where(_is_somewhere(), *is_own)
        return pages(self._database, query, EQUAL_AT_ONCE)

    def displaced(self, mirror: str, after: Ulid = "") -> Iterator[VersionRow]:
        """Yield every version that is not current and was not let go, by id, from *after* on."""
        query = ROW.where(
            version.c.mirror == mirror,
            version.c.left_at.is_not(null()),
            version.c.gone_at.is_(null()),
        )
        return pages(self._database, query, PAGEROWS, after)

    def count_displaced(self, mirror: str) -> int:
        """Count the versions that `displaced` yields."""
        query = select(func.count()).where(
            version.c.mirror == mirror,
            version.c.left_at.is_not(null()),
            version.c.gone_at.is_(null()),
        )
        with self._database.reading() as tx:
            return int(tx.value(query))

    def displaced_by_path(self, mirror: str) -> Iterator[list[VersionRow]]:
        """
        Yield the displaced versions that were not let go, those of one path at a time.

        In the order of the paths. Memory holds a page of rows, or one path's.
        """
        found: list[VersionRow] = []
        after: tuple[Path, Ulid] = ("", "")
        while True:
            rows = self._read(_displaced_after(mirror, *after).limit(PAGEROWS))
            for row in rows:
                if found and found[0].path != row.path:
                    yield found
                    found = []
                found.append(row)
            if len(rows) < PAGEROWS:
                break
            after = (rows[-1].path, rows[-1].id)
        if found:
            yield found

    def contents_in_use(self, mirror: str, contents: Sequence[Sha256]) -> set[Sha256]:
        """Give those of *contents* that both sides agree on at some path of *mirror* now."""
        found: set[Sha256] = set()
        for chunk in chunks(contents):
            query = select(synced.c.sha256).distinct()
            with self._database.reading() as tx:
                rows = tx.tuples(query.where(synced.c.mirror == mirror, synced.c.sha256.in_(chunk)))
            found.update(sha256 for (sha256,) in rows)
        return found

    def to_bring_up(self, mirror: str, limit: int, after: Ulid = "") -> list[VersionRow]:
        """Give displaced versions that the bucket's archive is not known to hold, by id."""
        query = ROW.where(
            version.c.mirror == mirror,
            version.c.left_at.is_not(null()),
            version.c.gone_at.is_(null()),
            version.c.archived_remote.is_(false()),
            version.c.id > after,
        )
        return self._read(query.order_by(version.c.id).limit(limit))

    def parent_of(self, version_id: Ulid) -> Ulid | None:
        """Give the version that this one replaced, if it is known."""
        with self._database.reading() as tx:
            found: Ulid | None = tx.value(
                select(version.c.parent).where(version.c.id == version_id)
            )
            return found

    def add(self, rows: Sequence[VersionRow]) -> None:
        """Add versions, as they are; those that are there already stay as they are."""
        with self._database.writing() as tx:
            tx.insert_missing(version, [values_of(row) for row in rows])

    def note_archived(self, version_ids: Sequence[Ulid], side: Side) -> None:
        """Write down that a side's archive holds them."""
        with self._database.writing() as tx:
            tx.execute_many(_ARCHIVE[side], [(one,) for one in version_ids])

    def note_not_archived(self, version_id: Ulid, side: Side) -> None:
        """Write down that a side's archive does not hold it, after all."""
        with self._database.writing() as tx:
            tx.update(version, {_ARCHIVED[side].name: False}, version.c.id == version_id)

    def note_bytes_of(self, version_id: Ulid, other: Ulid | None) -> None:
        """Write down under which version its archived bytes are; None: its own."""
        with self._database.writing() as tx:
            tx.update(version, {"bytes_of": other}, version.c.id == version_id)

    def note_store_versions(self, named: Sequence[tuple[Ulid, str]]) -> None:
        """Write down what the bucket's own versioning calls them."""
        if named:
            with self._database.writing() as tx:
                tx.execute_many(_NAME, [(called, of_id) for of_id, called in named])

    # What people and retention decide.

    def keep(self, version_id: Ulid, at: datetime, *, is_held: bool) -> VersionRow:
        """
        Hold a version, or hold it no more, and give it.

        It goes into the history as well: what is new there calls for a snapshot.

        Raises:
            UserError: There is no such version, or its bytes are gone.
        """
        with self._database.writing() as tx:
            row = tx.one(ROW.where(version.c.id == version_id), VersionRow)
            if row is None:
                raise UserError(f"there is no version {version_id}")
            if is_held and row.gone_at is not None:
                when = f"{row.gone_at:%Y-%m-%d %H:%M} UTC"
                raise UserError(f"the bytes of version {version_id} were let go {when}")
            tx.update(version, {"held": is_held}, version.c.id == version_id)
            kind = HELD if is_held else HELD_NO_MORE
            tx.insert(history, [_line(kind, at, row.id, row.mirror, row.path)])
            action = Action.VERSION_HELD if is_held else Action.VERSION_UNHELD
            note(tx, action, at, row.mirror, {"version": row.id})
        return row

    def let_go(self, version_ids: Sequence[Ulid], at: datetime) -> set[Ulid]:
        """
        Write down that their bytes are to go, but for those that cannot: before they do.

        Not those that are held, current, asked for or gone already, nor those whose
        content some path has now. Either archive may have the bytes, whatever was known
        of it: so it is written down, until nothing of them is left there.

        Returns:
            Those of which it was written down.
        """
        gone: set[Ulid] = set()
        query = select(version.c.id, version.c.mirror, version.c.path)
        for chunk in chunks(version_ids):
            with self._database.writing() as tx:
                rows = tx.tuples(query.where(version.c.id.in_(chunk), *_may_go()))
                found = [one for one, _, _ in rows]
                if found:
                    noted = {"gone_at": at, **_SOMEWHERE}
                    tx.update(version, noted, version.c.id.in_(found))
                tx.insert(history, [_line(LET_GO, at, *row) for row in rows])
                _note_let_go(tx, rows, at)
            gone.update(found)
        return gone

    def with_bytes_to_remove(self, mirror: str, limit: int, after: Ulid = "") -> list[VersionRow]:
        """Give versions that were let go and that some archive may still hold, by id."""
        query = ROW.where(
            version.c.mirror == mirror,
            version.c.gone_at.is_not(null()),
            _is_somewhere(),
            version.c.id > after,
        )
        return self._read(query.order_by(version.c.id).limit(limit))

    def note_removed(self, version_ids: Sequence[Ulid]) -> None:
        """Write down that no archive holds anything of them any more."""
        with self._database.writing() as tx:
            tx.execute_many(_NOWHERE, [(one,) for one in version_ids])

    def totals(self, mirror: str) -> tuple[int, int]:
        """Give the number of versions and the sum of their bytes."""
        with self._database.reading() as tx:
            return tallied(tx, version).get(mirror, (0, 0))

    def _read(self, query: Select[tuple[object, ...]]) -> list[VersionRow]:
        with self._database.reading() as tx:
            return tx.all(query, VersionRow)

    def _pages_by_path(self, query: Select[tuple[object, ...]]) -> Iterator[VersionRow]:
        """Yield one row a path, the one with the greatest id, in the order of the paths."""
        after = ""
        while True:
            page = query.where(version.c.path > after).order_by(version.c.path, version.c.id)
            rows = self._read(page.limit(PAGEROWS))
            is_end = len(rows) < PAGEROWS
            if not is_end and rows[0].path != rows[-1].path:
                whole = rows[-1].path  # the last path may go on in the next page
                rows = [row for row in rows if row.path != whole]
            newest = {row.path: row for row in rows}  # of a path the last, which is the greatest
            yield from newest.values()
            if is_end:
                return
            after = rows[-1].path


def pages(
    database: Database, query: Select[tuple[object, ...]], at_once: int, after: Ulid = ""
) -> Iterator[VersionRow]:
    """Yield the versions that *query* gives, by id, so many in memory at a time."""
    by_id = query.order_by(version.c.id).limit(at_once)
    while True:
        with database.reading() as tx:
            rows = tx.all(by_id.where(version.c.id > after), VersionRow)
        yield from rows
        if len(rows) < at_once:
            return
        after = rows[-1].id


def _is_somewhere() -> ColumnElement[bool]:
    return or_(version.c.archived_local.is_(true()), version.c.archived_remote.is_(true()))


def _displaced_after(mirror: str, path: Path, last: Ulid) -> Select[tuple[object, ...]]:
    is_later = (version.c.path > path) | (version.c.id > last)
    return ROW.where(
        version.c.mirror == mirror,
        version.c.left_at.is_not(null()),
        version.c.gone_at.is_(null()),
        version.c.path >= path,  # by itself: so that the index finds where to begin
        is_later,
    ).order_by(version.c.path, version.c.id)


def _may_go() -> tuple[ColumnElement[bool], ...]:
    in_use = select(synced.c.path).where(
        synced.c.mirror == version.c.mirror, synced.c.sha256 == version.c.sha256
    )
    asked = select(request.c.id).where(
        request.c.mirror == version.c.mirror,
        request.c.state.in_(UNFINISHED),
        request.c.version == version.c.id,
    )
    return (
        version.c.held.is_(false()),
        version.c.left_at.is_not(null()),
        version.c.gone_at.is_(null()),
        ~in_use.exists(),
        ~asked.exists(),
    )


def _note_let_go(tx: Transaction, rows: Sequence[tuple[Ulid, str, Path]], at: datetime) -> None:
    for mirror in sorted({mirror for _, mirror, _ in rows}):
        versions = [one for one, of, _ in rows if of == mirror]
        note(tx, Action.VERSIONS_LET_GO, at, mirror, {"versions": versions})


def _line(kind: str, at: datetime, version_id: Ulid, mirror: str, path: Path) -> dict[str, object]:
    return {
        "at": at,
        "mirror": mirror,
        "path": path,
        "kind": kind,
        "version": version_id,
        "moved_bytes": 0,
        "took_s": 0.0,
        "note": None,
    }


def _newest_first(rows: Sequence[VersionRow]) -> list[VersionRow]:
    """
    Sort those of a path, or of some.

    Not in the query: to have them sorted SQLite goes through all versions of the mirror by their
    times, 25 ms for 50,000 of them, where the index of paths finds the few at once.
    """
    return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)


def _at(mirror: str, path: Path) -> tuple[ColumnElement[bool], ...]:
    return (version.c.mirror == mirror, version.c.path == path)


def _below(path: Path) -> tuple[ColumnElement[bool], ...]:
    """At or below *path*: a range, so that the index serves it; "0" comes right after "/"."""
    folder = path.rstrip("/")
    if not folder:
        return ()
    range_ = (version.c.path >= folder, version.c.path < f"{folder}0")
    below = version.c.path > f"{folder}/"
    return (*range_, below if path.endswith("/") else or_(version.c.path == folder, below))
