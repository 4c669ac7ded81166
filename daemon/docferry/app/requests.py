"""What was asked for, for people: why it waits, and how to take it back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from docferry.app.mirror_orders import why_nothing_travels
from docferry.config import Config
from docferry.core.words import counted
from docferry.errors import NotFoundError, UserError
from docferry.ledger import Ledger, ProblemRow
from docferry.ledger.lock import is_held
from docferry.ledger.requests import RequestRow
from docferry.model import HoldState, Path, RequestKind, RequestState, Ulid

_ITS_TURN = "it is under way, or its turn comes"


@dataclass(frozen=True, slots=True)
class Asked:
    """
    One request.

    why: of one that is open why it waits, as far as is known; else what came of it.
    retry_at: when it is tried again, after a failure.
    """

    id: int
    mirror: str
    kind: RequestKind
    path: Path
    version: Ulid | None
    state: RequestState
    since: datetime
    hold: int | None
    why: str
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What came of one that was to be cancelled; *why* it was not."""

    id: int
    is_cancelled: bool
    why: str = ""


def asked(
    ledger: Ledger,
    config: Config,
    mirrors: Collection[str] | None,
    *,
    is_all: bool,
    most: int | None,
    after: int | None = None,
) -> list[Asked]:
    """
    Give what is open, the oldest first; or all, held and answered ones too, the newest first.

    Args:
        after: The last one that was given before; None: begin.
    """
    states = None if is_all else (RequestState.OPEN,)
    rows = ledger.requests.some(mirrors, most, states=states, newest_first=is_all, after=after)
    return _told(ledger, config, rows)


def one(ledger: Ledger, config: Config, mirrors: Collection[str] | None, request: int) -> Asked:
    """
    Args:
        mirrors: Whose requests there are for who asks; None: of all.

    Raises:
        NotFoundError: There is no such request.
    """
    row = ledger.requests.get(request)
    if row is None or (mirrors is not None and row.mirror not in mirrors):
        raise NotFoundError(f"there is no request {request}, or it was answered long ago")
    [found] = _told(ledger, config, [row])
    return found


def cancel(
    ledger: Ledger, ids: Sequence[int], at: datetime, mirrors: Collection[str] | None = None
) -> list[Cancelled]:
    """
    Take back what is open of *ids*, and say of each whether it was.

    Args:
        mirrors: Whose requests there are for who asks; None: of all.

    Raises:
        NotFoundError: There is no such request; then none was taken back.
    """
    known = {
        row.id
        for one in ids
        if (row := ledger.requests.get(one)) is not None
        and (mirrors is None or row.mirror in mirrors)
    }
    unknown = [str(one) for one in ids if one not in known]
    if unknown:
        raise NotFoundError(f"there is no request {', '.join(unknown)}; nothing was cancelled")
    rows, done = ledger.requests.cancel(ids, at)
    return [
        Cancelled(row.id, is_cancelled=True)
        if row.id in done
        else Cancelled(row.id, is_cancelled=False, why=_why_not(row))
        for row in rows
    ]


def open_in_hold(ledger: Ledger, hold: int) -> list[int]:
    """
    Give what a hold that was approved asks for, and is not answered yet.

    Raises:
        UserError: There is no such hold, or it is no approved rewind.
    """
    found = ledger.holds.get(hold)
    if found.kind != "rewind" or found.state is not HoldState.APPROVED:
        raise UserError(f"hold {hold} is no approved rewind: it is {found.kind}, {found.state}")
    rows = ledger.requests.in_hold(hold, found.count)
    return [row.id for row in rows if row.state is RequestState.OPEN]


def in_words(counts: Mapping[RequestKind, int]) -> str:
    """Say how many there are, and of which kinds."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return f"{counted(sum(counts.values()), 'request')} ({kinds})"


def _told(ledger: Ledger, config: Config, rows: Sequence[RequestRow]) -> list[Asked]:
    why = _Why(ledger, config, is_running=is_held(config.state_dir) is not None)
    return [
        Asked(
            row.id,
            row.mirror,
            row.kind,
            row.path,
            row.version,
            row.state,
            row.created_at,
            row.hold,
            *why.of(row),
        )
        for row in rows
    ]


def _why_not(row: RequestRow) -> str:
    match row.state:
        case RequestState.OPEN:
            return "a part of it is erased already: it cannot be taken back"
        case RequestState.HELD:
            return f"hold {row.hold} waits for you: docferry holds discard {row.hold}"
        case _:
            return f"it is {row.state} already"


class _Why:
    """Tells why requests wait, from what the ledger knows."""

    def __init__(self, ledger: Ledger, config: Config, *, is_running: bool) -> None:
        self._ledger = ledger
        self._config = config
        self._is_running = is_running
        self._problems: dict[str, dict[Path, ProblemRow]] = {}

    def of(self, row: RequestRow) -> tuple[str, datetime | None]:
        """Give the reason, and when it is tried again."""
        if row.state is RequestState.HELD:
            return f"hold {row.hold} waits for you", None
        if row.state is not RequestState.OPEN:
            is_report = row.kind is RequestKind.ERASE and row.state is not RequestState.CANCELLED
            return ("" if is_report else row.note or ""), None
        if row.mirror not in self._config.mirrors:
            return "its mirror is not in the configuration any more", None
        if not self._is_running:
            last = "" if row.note is None or row.begun_at else f"; the last try: {row.note}"
            return f"docferry is not running{last}", None
        return self._while_running(row)

    def _while_running(self, row: RequestRow) -> tuple[str, datetime | None]:
        whole = why_nothing_travels(self._ledger, row.mirror)
        if whole is not None:
            return whole, row.retry_at
        if row.begun_at is not None:
            return "it is being erased", row.retry_at
        if row.note is not None:
            return row.note, row.retry_at
        problem = self._problems_of(row.mirror).get(row.path)
        if problem is not None:
            return problem.message, problem.retry_at
        return _ITS_TURN, None

    def _problems_of(self, mirror: str) -> Mapping[Path, ProblemRow]:
        if mirror not in self._problems:
            found = self._ledger.problems.all(mirror)
            self._problems[mirror] = {one.path: one for one in found if one.path}
        return self._problems[mirror]
