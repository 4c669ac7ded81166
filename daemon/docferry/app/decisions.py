"""What waits for a person, and what becomes of it: holds and conflicts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from heapq import merge
from typing import TypeAlias

from docferry.app.versions import refuse_what_travels_not
from docferry.config import Config
from docferry.engine.tell import kind_of
from docferry.errors import ConflictError, NotFoundError
from docferry.ledger import HoldRow, Ledger
from docferry.ledger.conflicts import ConflictRow, refuse_settled
from docferry.ledger.held_changes import HeldChange
from docferry.ledger.requests import NewRequest
from docferry.model import HoldState, Mode, Path, RequestKind, RequestState, Side, Ulid

#: How a change that was made on a side would travel.
TRAVELS = {Side.LOCAL: "upload", Side.REMOTE: "download"}
_MOST_DIGITS = 18  # of a number that the ledger can hold

#: Whose holds and conflicts may be seen; None: of all, also of those not configured any more.
Mirrors: TypeAlias = Collection[str] | None


class Keep(StrEnum):
    """Which content of a conflict stays at the path."""

    BOTH = "both"  # each where it is: nothing is changed
    BUCKET = "bucket"  # the one that is at the path; the folder's copy goes to the archive
    FOLDER = "folder"  # the copy, as a new version; what was at the path goes to the archive


@dataclass(frozen=True, slots=True)
class HeldItem:
    """
    One thing that a hold keeps from happening.

    what: "delete_local", "delete_remote"; of a change "upload", "download", and "travelled"
        where it came with those that are held and was carried out before; of a rewind
        "restore", "remove".
    key: where the list goes on after it.
    note: of a change what is suspicious about it.
    """

    what: str
    path: Path
    key: str
    version: Ulid | None = None
    state: RequestState | None = None
    note: str | None = None


def holds(ledger: Ledger, mirrors: Mirrors, *, is_all: bool) -> list[HoldRow]:
    """Give the holds, the oldest first: those that are not over, or all."""
    states = [state for state in HoldState if is_all or state is not HoldState.DONE]
    return [one for one in ledger.holds.all(None, states) if _is_among(one.mirror, mirrors)]


def hold_named(ledger: Ledger, mirrors: Mirrors, hold: int) -> HoldRow:
    """
    Raises:
        NotFoundError: There is no such hold of *mirrors*.
    """
    found = ledger.holds.get(hold)
    if not _is_among(found.mirror, mirrors):
        raise NotFoundError(f"there is no hold {hold}")
    return found


def held(ledger: Ledger, hold: HoldRow, after: str, most: int) -> list[HeldItem]:
    """
    Give what a hold is about, in its order; of deletions and changes none once it is over.

    Args:
        after: The key of the last one of the page before; "": this is the first.
    """
    if hold.kind == "rewind":
        rows = ledger.requests.in_hold(hold.id, most, number_in(after))
        return [
            HeldItem(row.kind.value, row.path, str(row.id), row.version, row.state, row.note)
            for row in rows
        ]
    deletions = [
        HeldItem(kind_of(item), item.path, item.path)
        for item in ledger.holds.items(hold.id, most, after=after)
    ]
    changes = [_changed(one) for one in ledger.changes.items(hold.id, most, after=after)]
    return [*merge(deletions, changes, key=lambda item: item.path)][:most]


def _changed(change: HeldChange) -> HeldItem:
    what = "travelled" if change.travelled else TRAVELS[change.side]
    return HeldItem(what, change.path, change.path, note=change.why)


def number_in(key: str) -> int:
    """Read the number of a row out of a key that a stranger may have made; 0: it is none."""
    return int(key) if key.isdecimal() and len(key) <= _MOST_DIGITS else 0


def decide(ledger: Ledger, mirrors: Mirrors, hold: int, state: HoldState, at: datetime) -> HoldRow:
    """
    Note what a person decided about a hold, and give it as it is then.

    Raises:
        NotFoundError: There is no such hold.
        ConflictError: It was decided before, or cannot be discarded.
    """
    found = hold_named(ledger, mirrors, hold)
    if found.kind == "identity" and state is HoldState.DISCARDED:
        raise ConflictError(
            f"hold {hold} cannot be discarded, for nothing is to be deleted. {found.mirror}: "
            f"{found.reason}. When that is mended it ends by itself; else: docferry holds "
            f"approve {hold}"
        )
    if found.changes and state is HoldState.DISCARDED:
        _refuse_what_only_pulls(ledger, found)
    return ledger.holds.decide(hold, state, at)


def _refuse_what_only_pulls(ledger: Ledger, hold: HoldRow) -> None:
    row = ledger.mirrors.get(hold.mirror)
    if row is not None and row.mode is Mode.PULL:
        raise ConflictError(
            f"{hold.mirror} only pulls: docferry cannot put back what is in the bucket. Mend it "
            f"there, and hold {hold.id} ends by itself; or: docferry holds approve {hold.id}"
        )


def conflicts(ledger: Ledger, mirrors: Mirrors, *, is_all: bool) -> list[ConflictRow]:
    """Give the conflicts, the oldest first: those that are not settled, or all."""
    return [
        one
        for one in ledger.conflicts.all(None, open_only=not is_all)
        if _is_among(one.mirror, mirrors)
    ]


def settle(
    config: Config,
    ledger: Ledger,
    mirrors: Mirrors,
    conflict: int,
    keep: Keep,
    at: datetime,
) -> ConflictRow:
    """
    Settle a conflict; what is to be done with its files is asked of the daemon with it.

    What people do to either file meanwhile stays: then that part is not carried out, and
    `docferry requests list --all` says so. Whatever goes, its bytes are in the archive.

    Raises:
        NotFoundError: There is no such conflict.
        ConflictError: It is settled already, or the file to be kept is not there any more.
    """
    found = ledger.conflicts.get(conflict)
    if not _is_among(found.mirror, mirrors):
        raise NotFoundError(f"there is no conflict {conflict}")
    refuse_settled(found)  # before its copy, which is gone by then, is missed
    if keep is Keep.BOTH:
        return ledger.conflicts.settle(conflict, at)
    refuse_what_travels_not(config, found.mirror)
    asked = _to_keep(ledger, found, keep)
    return ledger.conflicts.settle(conflict, at, asked, keep=keep.value)


def _is_among(mirror: str, mirrors: Mirrors) -> bool:
    return mirrors is None or mirror in mirrors


def _to_keep(ledger: Ledger, found: ConflictRow, keep: Keep) -> list[NewRequest]:
    """Give what is to be done with both files as they are now: changed since, they stay."""
    now = ledger.synced.get(found.mirror, [found.path, found.copy_path])
    at_path, copy = now.get(found.path), now.get(found.copy_path)
    kept = copy if keep is Keep.FOLDER else at_path
    if kept is None:
        lost = found.copy_path if keep is Keep.FOLDER else found.path
        raise ConflictError(f"{lost} is not there any more, or not on both sides yet")
    asked: list[NewRequest] = []
    if keep is Keep.FOLDER:
        held_now = None if at_path is None else at_path.version
        asked.append(
            NewRequest(found.mirror, found.path, RequestKind.RESTORE, kept.version, held_now)
        )
    if copy is not None:
        asked.append(
            NewRequest(found.mirror, found.copy_path, RequestKind.REMOVE, expect=copy.version)
        )
    return asked
