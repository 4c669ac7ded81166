"""What becomes of the held changes of a hold, inside the transaction of who decides about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, null, select, true

from docferry.core.asked import NOTHING
from docferry.core.brake import TOO_MANY, why_held
from docferry.ledger.change_schema import change
from docferry.ledger.database import Transaction, chunks
from docferry.ledger.requests import NewRequest, insert_requests
from docferry.ledger.schema import deletion, hold, synced
from docferry.model import HoldState, Path, RequestKind, Side, Token, Ulid


@dataclass(frozen=True, slots=True)
class HeldChange:
    """A change that waits in a hold, or came with it and had travelled before."""

    path: Path
    side: Side  #: where it was made
    token: Token
    victim: Path
    version: Ulid | None
    displaces: Ulid
    why: str | None
    travelled: bool

    @property
    def is_newcomer(self) -> bool:
        return self.victim != self.path or self.version is None


ROW = select(
    change.c.path,
    change.c.side,
    change.c.token,
    change.c.victim,
    change.c.version,
    change.c.displaces,
    change.c.why,
    change.c.travelled,
)
IS_HELD = change.c.travelled.is_(false())


def tell(tx: Transaction, hold_id: int) -> int:
    """Write down how many a hold is about, and why it is there if changes are in it; give both."""
    sides = dict(
        tx.tuples(
            select(change.c.side, func.count())
            .where(change.c.hold == hold_id, IS_HELD)
            .group_by(change.c.side)
        )
    )
    deletions = int(tx.value(select(func.count()).where(deletion.c.hold == hold_id)))
    changes = sum(sides.values())
    told: dict[str, object] = {"count": deletions + changes, "changes": changes}
    if changes:
        held = [(side, sides.get(side.value, 0)) for side in Side]
        told["reason"] = why_held(held, _travelled(tx, hold_id), deletions, _example(tx, hold_id))
    tx.update(hold, told, hold.c.id == hold_id)
    return deletions + changes


def leave(tx: Transaction, mirror: str, paths: Sequence[Path], *where: ColumnElement[bool]) -> int:
    """Take the changes of *paths* out of the holds that *where* says; give how many those were."""
    return sum(
        tx.delete(change, change.c.mirror == mirror, change.c.path.in_(chunk), IS_HELD, *where)
        for chunk in chunks(paths)
    )


def decide_changes(
    tx: Transaction, mirror: str, hold_id: int, state: HoldState, at: datetime
) -> None:
    """
    Ask for what a refusal takes: each path is to hold again what it held before.

    What waits stays in its hold until that is done, or has travelled as approved.
    """
    if state is HoldState.DISCARDED:
        rows = tx.all(ROW.where(change.c.hold == hold_id).order_by(change.c.path), HeldChange)
        wanted = [one for row in rows for one in _to_put_back(tx, mirror, row)]
        insert_requests(tx, wanted, at, is_told=True)
    tx.delete(change, change.c.hold == hold_id, change.c.travelled.is_(true()))


def _to_put_back(tx: Transaction, mirror: str, row: HeldChange) -> Iterator[NewRequest]:
    # Of what has travelled as well: it may be just on its way.
    agreed = tx.value(_agreed(mirror, row.path)) or NOTHING
    kind = RequestKind.REMOVE if row.is_newcomer else RequestKind.RESTORE
    version = None if row.is_newcomer else row.version
    yield NewRequest(mirror, row.path, kind, version, row.token, row.displaces, agreed)
    if (
        row.is_newcomer
        and row.version is not None
        and tx.value(_agreed(mirror, row.victim)) is None
    ):
        yield NewRequest(mirror, row.victim, RequestKind.RESTORE, row.version, NOTHING)


def _agreed(mirror: str, path: Path) -> Select[Any]:
    return select(synced.c.version).where(synced.c.mirror == mirror, synced.c.path == path)


def _travelled(tx: Transaction, hold_id: int) -> int:
    query = select(func.count()).where(change.c.hold == hold_id, change.c.travelled.is_(true()))
    return int(tx.value(query))


def _example(tx: Transaction, hold_id: int) -> tuple[Path, str]:
    query = select(change.c.path, change.c.why).where(change.c.hold == hold_id, IS_HELD)
    worst_first = change.c.why.is_(null()), change.c.why.startswith(TOO_MANY), change.c.path
    rows = tx.tuples(query.order_by(*worst_first).limit(1))
    path, why = rows[0]
    return path, why or "it was changed meanwhile"
