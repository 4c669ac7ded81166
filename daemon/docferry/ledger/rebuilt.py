"""A ledger that is made anew from what the buckets hold: snapshots, and what objects say."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import quote

from sqlalchemy import Table, null, select

from docferry.core.paths import is_odd, is_plain
from docferry.core.places import is_of_place, is_place
from docferry.ledger import schema
from docferry.ledger.database import Taken, chunks
from docferry.ledger.ledger import Ledger
from docferry.ledger.schema import instant_text, synced, version
from docferry.ledger.snapshots import columns_of, indexed_at_once, names_of, translated
from docferry.ledger.versions import values_of
from docferry.ledger.waits import WAITS
from docferry.model import NEVER_SEEN, Path, Sha256, SyncedState, Ulid, VersionRow

_SAME_PATH = Taken(("mirror", "path"))
# The bucket tells what is archived there, the folder what is archived here: nothing is
# taken over of either. A name that a mirror had elsewhere is its own matter.
_ANEW = {
    "mirror": ":mirror",
    "archived_local": "0",
    "archived_remote": "0",
    "local_token": f"'{NEVER_SEEN}'",
}
_CLOSED = {"left_at": "coalesce(left_at, :left_at)"}
_NOT_THERE_YET = (
    " WHERE NOT EXISTS (SELECT 1 FROM main.history AS own WHERE own.mirror = :mirror"
    " AND own.path = old.history.path AND own.at = old.history.at"
    " AND own.kind = old.history.kind)"
)


class Rebuilt(Ledger):
    """Is written to by one thread, before anybody else sees it."""

    def take_over(self, snapshot: FilePath, mirror: str, targets: Mapping[str, str]) -> None:
        """
        Take the agreements of a snapshot, and all it knows of the past.

        Args:
            targets: To which mirror each conversion of this one puts its results, by rule.
        """
        with translated(self.path), closing(self._attached(snapshot)) as both, both:
            both.execute("BEGIN")
            with indexed_at_once(both):
                for table in (schema.synced, schema.alias):
                    _copy(both, table, {"mirror": mirror})
                _copy_past(both, {"mirror": mirror}, targets)

    def take_past(
        self, snapshot: FilePath, mirror: str, targets: Mapping[str, str], taken_at: datetime
    ) -> None:
        """Take only what was, of an older ledger: what is current there has left since."""
        with translated(self.path), closing(self._attached(snapshot)) as both, both:
            both.execute("BEGIN")
            values = {"mirror": mirror, "left_at": instant_text(taken_at)}
            _copy_past(both, values, targets, is_left=True)

    def known(self, versions: Sequence[Ulid]) -> dict[Ulid, tuple[str, Path, Sha256]]:
        """Give mirror, path and SHA-256 of those of *versions* that there are."""
        found: dict[Ulid, tuple[str, Path, Sha256]] = {}
        columns = (version.c.id, version.c.mirror, version.c.path, version.c.sha256)
        for chunk in chunks(versions):
            with self._database.reading() as tx:
                rows = tx.tuples(select(*columns).where(version.c.id.in_(chunk)))
                found |= {one: (mirror, path, sha256) for one, mirror, path, sha256 in rows}
        return found

    def agree(self, mirror: str, agreed: Sequence[tuple[Path, SyncedState, VersionRow]]) -> None:
        """Write down what the bucket holds; a version that there is already is current again."""
        rows = [_agreement(mirror, path, state) for path, state, _ in agreed]
        with self._database.writing() as tx:
            tx.upsert(synced, rows, _SAME_PATH)
            tx.insert_missing(version, [values_of(row) for _, _, row in agreed])
            for chunk in chunks([row.id for _, _, row in agreed]):
                tx.update(version, {"left_at": None, "gone_at": None}, version.c.id.in_(chunk))

    def forget(self, mirror: str, paths: Sequence[Path]) -> None:
        """Drop the agreements on *paths*: the bucket does not hold them any more."""
        with self._database.writing() as tx:
            for chunk in chunks(paths):
                tx.delete(synced, synced.c.mirror == mirror, synced.c.path.in_(chunk))

    def left(self, mirror: str) -> list[tuple[Ulid, datetime]]:
        """Give the versions, and since when they are, that are called current and are not."""
        agreed = select(synced.c.version).where(synced.c.mirror == mirror)
        query = select(version.c.id, version.c.created_at).where(
            version.c.mirror == mirror, version.c.left_at.is_(null()), version.c.id.not_in(agreed)
        )
        with self._database.reading() as tx:
            rows = tx.tuples(query)
        return [(one, datetime.fromisoformat(created_at)) for one, created_at in rows]

    def note_left(self, left: Iterable[tuple[Ulid, datetime]]) -> None:
        """Write down since when versions are not current any more."""
        with self._database.writing() as tx:
            for one, at in left:
                tx.update(version, {"left_at": at}, version.c.id == one)

    def note_references_here(self, mirror: str) -> None:
        """Take for archived here what is under another version, if that one is."""
        others = version.alias("others")
        there = select(others.c.id).where(others.c.mirror == mirror, others.c.archived_local)
        with self._database.writing() as tx:
            tx.update(
                version,
                {"archived_local": True},
                version.c.mirror == mirror,
                version.c.bytes_of.in_(there),
            )

    def _attached(self, snapshot: FilePath) -> sqlite3.Connection:
        both = sqlite3.connect(f"file:{quote(str(self.path))}", uri=True, isolation_level=None)
        both.execute("PRAGMA trusted_schema=OFF")
        both.execute("PRAGMA cache_size=-65536")  # KiB
        both.execute("ATTACH ? AS old", [f"file:{quote(str(snapshot))}?mode=rw"])
        return both


def profile_in(snapshot: FilePath) -> dict[str, Any]:
    """Give what the mirror's store was found to keep to, when a snapshot was taken."""
    with translated(snapshot), closing(sqlite3.connect(snapshot)) as database:
        row = database.execute("SELECT profile FROM mirror LIMIT 1").fetchone()
    found = None if row is None else json.loads(row[0])
    return found if isinstance(found, dict) else {}


def is_waiting_in(snapshot: FilePath) -> bool:
    """Say whether retention waited when a snapshot was taken, whatever its mirror was called."""
    query = "SELECT EXISTS (SELECT 1 FROM setting WHERE substr(key, 1, ?) = ?)"
    with translated(snapshot), closing(sqlite3.connect(snapshot)) as database:
        [(found,)] = database.execute(query, [len(WAITS), WAITS])
    return bool(found)


def _copy_past(
    both: sqlite3.Connection,
    values: dict[str, str],
    targets: Mapping[str, str],
    *,
    is_left: bool = False,
) -> None:
    _copy(both, schema.version, values, anew=_CLOSED if is_left else {})
    where = _NOT_THERE_YET if is_left else ""
    _copy(both, schema.history, values, but_for="id", then=f"{where} ORDER BY id")
    _copy(both, schema.conflict, values, but_for="id", then=" ORDER BY id")
    # What a job calls its result is erased with its source, in whichever mirror it names;
    # and who writes to this bucket need not be one who may write to that.
    both.create_function("is_believed", 4, partial(_is_believed, targets), deterministic=True)
    where = " WHERE is_believed(rule, target_mirror, place, result_path)"
    _copy(both, schema.job, values, then=where)
    both.create_function("is_plain", 1, is_plain, deterministic=True)
    told = {"is_claim": "1"}  # whoever writes to the bucket may have written that, too
    _copy(both, schema.result, values, anew=told, then=" WHERE is_plain(path)")


def _copy(
    both: sqlite3.Connection,
    table: Table,
    values: dict[str, str],
    *,
    anew: dict[str, str] | None = None,
    but_for: str = "",
    then: str = "",
) -> None:
    """Copy a table of the snapshot, whichever mirror it calls itself; what is there stays."""
    special = _ANEW | (anew or {})
    chosen = ", ".join(
        special.get(name, f'"{name}"') for name in names_of(table) if name != but_for
    )
    both.execute(
        f"INSERT OR IGNORE INTO main.{table.name} ({columns_of(table, but_for=but_for)})"
        f" SELECT {chosen} FROM old.{table.name}{then}",
        values,
    )


def _is_believed(
    targets: Mapping[str, str], rule: str, target_mirror: str, place: str, result_path: Path | None
) -> bool:
    """Say whether a job is one that a configured conversion may have left."""
    is_ours = targets.get(rule) == target_mirror and is_place(place, target_mirror)
    return is_ours and (result_path is None or is_of_place(result_path, place))


def _agreement(mirror: str, path: Path, state: SyncedState) -> dict[str, object]:
    return {
        "mirror": mirror,
        "path": path,
        "sha256": state.sha256,
        "local_token": state.local_token,
        "remote_token": state.remote_token,
        "version": state.version,
        "size": state.size,
        "odd": is_odd(path),
    }
