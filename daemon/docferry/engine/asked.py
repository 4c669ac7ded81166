"""
What was asked of one mirror, on its way: from rows of the ledger to operations, and back.

A request stays open in the ledger until what came of it is written down; so a crash, or a
side that does not answer, only delays it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from docferry.core.asked import NOTHING, Request, answer
from docferry.core.merge import Difference, Seen, Unseen
from docferry.core.retry import delay_s
from docferry.engine.problems import BLOCKED_FOR_GOOD, STALE_AGAIN_S
from docferry.engine.task import Task
from docferry.engine.timing import MACHINE, Timing
from docferry.errors import BlockedPathError, DocferryError, PermanentError
from docferry.ledger import Ledger
from docferry.ledger.requests import Failure, RequestRow
from docferry.logs import get_logger
from docferry.model import (
    Answer,
    Asked,
    Erase,
    HoldState,
    Origin,
    Outcome,
    Path,
    PutBack,
    RequestKind,
    RequestState,
    Restore,
    Sha256,
    Token,
    Ulid,
    VersionRow,
)

log = get_logger(__name__)

#: So many are looked at in one round of the loop.
AT_ONCE = 500
#: What was put to its path is looked at again so much later, if it has not gone up by then.
PLACED_AGAIN_S = 5.0
#: What is asked of a path with an operation under way is looked at again so much later.
BUSY_AGAIN_S = 0.5
_FOR_A_PERSON = (RequestState.FAILED, RequestState.CONFLICT, RequestState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Hands:
    """
    How the loop looks at paths and sets operations on their way.

    barred: says why what is done at a path would not travel; "": it does.
    """

    look: Callable[[Sequence[Path]], Iterator[Seen]]  #: at all three trees
    look_here: Callable[[Sequence[Path]], Iterator[Seen]]  #: at the folder and the ledger
    is_busy: Callable[[Path], bool]
    carry: Callable[[Difference, Asked], None]
    barred: Callable[[Path], str] = lambda path: ""


@dataclass
class _Restoring:
    """A content on its way back to its path."""

    request: int
    sha256: Sha256
    placed: Token | None = None  #: the local file that holds it
    is_cancelled: bool = False  #: and still goes up, if it is placed


class AskedFor:
    """The open requests of one mirror. Used by its loop alone."""

    def __init__(
        self,
        mirror: str,
        ledger: Ledger,
        now: Callable[[], datetime],
        poke: Callable[[RequestKind], None],
        timing: Timing = MACHINE,
    ) -> None:
        """
        Args:
            poke: Told of a request that is not about a path.
        """
        self._mirror = mirror
        self._ledger = ledger
        self._now = now
        self._poke = poke
        self._timing = timing
        #: Told of a path that has waited for its refusal: it is to be looked at again.
        self.freed: Callable[[Path], None] = lambda path: None
        self._under_way: set[int] = set()
        self._restoring: dict[Path, _Restoring] = {}
        self._attempts: dict[int, int] = {}
        self._retry_s: dict[int, float] = {}  # monotonic
        self._failures: dict[int, Failure] = {}  # that are not written down yet
        self._rows: dict[int, RequestRow] = {}  # of those looked at, to tell of them
        self._holds_begun: set[int] = set()
        self._open: set[int] = set()  # as far as the last look at the ledger knows
        self._queued: set[Path] = set()  # of which more than one request is open
        self._is_to_look = False  # at the ledger: there is more, or what waited for another
        self._busy_until_s: float | None = None  # monotonic: a path that is asked about, perhaps
        self._recall()

    @property
    def is_any(self) -> bool:
        """Whether a request is open, as far as is known."""
        return bool(self._open) or self._is_to_look

    def is_to_wait(self, path: Path) -> bool:
        """
        Say whether what was put to *path* is to go up later.

        First the folder is as it was asked to be; to send what is there takes longer.
        """
        restoring = self._restoring.get(path)
        is_placed = restoring is not None and restoring.placed is not None
        return is_placed and (bool(self._under_way) or self._is_to_look)

    @property
    def is_due(self) -> bool:
        """Whether it is time for `begin`, if nobody asks for it."""
        now_s = self._timing.monotonic()
        busy_until_s = [] if self._busy_until_s is None else [self._busy_until_s]
        times_s = (*self._retry_s.values(), *busy_until_s)
        return self._is_to_look or any(at_s <= now_s for at_s in times_s)

    def _recall(self) -> None:
        """
        Know what an earlier process may have put to its path.

        A full run may find it, and let it go up, before any request is looked at.
        """
        after = 0
        while rows := self._ledger.requests.open(self._mirror, AT_ONCE, after):
            wanted = self._ledger.versions.rows([row.version for row in rows if row.version])
            for row in rows:
                if row.kind is RequestKind.RESTORE and row.version in wanted:
                    self._restoring.setdefault(
                        row.path, _Restoring(row.id, wanted[row.version].sha256)
                    )
            after = rows[-1].id

    # Setting on its way.

    def begin(self, hands: Hands) -> None:
        """Set what is open on its way, but for what is under way or failed lately."""
        if self._failures:  # all at once: a store that is away fails a thousand in a moment
            self._ledger.requests.note_failures([*self._failures.values()])
            self._failures.clear()
        rows = self._due(hands.is_busy)
        if rows:
            named = [one for row in rows.values() for one in (row.version, row.displaces) if one]
            wanted = self._ledger.versions.rows(named)
            if "" in rows:  # an erasure whose path is not known to the ledger any more
                self._consider(rows, Difference("", None, None, None), wanted, hands)
            here = [path for path, row in rows.items() if path and _is_of_the_folder(row)]
            rest = [path for path, row in rows.items() if path and not _is_of_the_folder(row)]
            for seen in chain(hands.look_here(here), hands.look(rest)):
                self._consider(rows, seen, wanted, hands)
        self._finish_holds()

    def _due(self, is_busy: Callable[[Path], bool]) -> dict[Path, RequestRow]:
        """Give the first open request of each path that is to be looked at now."""
        found: dict[Path, RequestRow] = {}
        now_s, after = self._timing.monotonic(), 0
        self._open.clear()
        self._is_to_look, self._busy_until_s = False, None
        self._queued.clear()
        paths: set[Path] = set()
        while len(found) < AT_ONCE:
            rows = self._ledger.requests.open(self._mirror, AT_ONCE, after)
            for row in rows:
                self._open.add(row.id)
                self._tell_hold(row)
                if row.kind is RequestKind.RETENTION:
                    self._rows[row.id] = row
                    self._poke(row.kind)
                    self._finish(Answer(row.id, RequestState.DONE))
                    continue
                is_first = row.path not in paths
                paths.add(row.path)  # of several for one path the oldest goes first
                is_waiting = row.id in self._under_way or self._retry_s.get(row.id, 0.0) > now_s
                if not is_first:
                    self._queued.add(row.path)
                if not is_first or is_waiting:
                    continue
                if is_busy(row.path):  # what ends there tells nothing of this request
                    self._busy_until_s = now_s + BUSY_AGAIN_S
                else:
                    found[row.path] = self._rows[row.id] = row
            if len(rows) < AT_ONCE:
                self._retry_s = {one: at for one, at in self._retry_s.items() if one in self._open}
                self._leave_cancelled()
                return found
            after = rows[-1].id
        self._is_to_look = True
        return found

    def _leave_cancelled(self) -> None:
        """Forget what was cancelled, but for contents in their place: those go up."""
        for path, one in [*self._restoring.items()]:
            one.is_cancelled = one.request not in self._open and one.request not in self._under_way
            if one.is_cancelled and one.placed is None:
                del self._restoring[path]

    def _consider(
        self,
        rows: Mapping[Path, RequestRow],
        seen: Seen,
        wanted: Mapping[Ulid, VersionRow],
        hands: Hands,
    ) -> None:
        if isinstance(seen, Unseen):
            row = rows[seen.what.path]
            self._put_off(row.id, PermanentError(f"{seen.side} side: {seen.what.reason}"))
            return
        row = rows[seen.path]
        restoring = self._restoring.get(row.path)
        if restoring is not None and restoring.request != row.id:
            restoring = None
        found = wanted.get(row.version) if row.version is not None else None
        placed = None if restoring is None else restoring.placed
        barred = hands.barred(row.path)
        request = Request(
            row.id,
            row.kind,
            found,
            row.expect,
            placed,
            barred,
            row.displaces,
            is_told=row.displaces in wanted,
            agreed=row.agreed or NOTHING,
        )
        decision = answer(request, seen)
        if isinstance(decision, Answer):
            self._finish(decision)
        elif decision is None:
            self._look_again(row.id)
        else:
            self._begin(row, seen, decision, found, hands)

    def _begin(
        self,
        row: RequestRow,
        seen: Difference,
        operation: Asked,
        wanted: VersionRow | None,
        hands: Hands,
    ) -> None:
        self._under_way.add(row.id)
        self._retry_s.pop(row.id, None)
        if isinstance(operation, Restore):
            assert wanted is not None
            self._restoring[row.path] = _Restoring(row.id, wanted.sha256)
        hands.carry(seen, operation)

    def _finish(self, found: Answer) -> None:
        row = self._rows.get(found.request)
        self._ledger.requests.finish(found.request, found.state, self._now(), found.note)
        if row is not None and row.displaces is not None:  # nothing keeps it from travelling now
            self._ledger.holds.leave_decided(self._mirror, [row.path], self._now())
        self._over(found)

    def _over(self, found: Answer) -> None:
        row = self._rows.get(found.request)
        path = self._path_of(found.request)
        restoring = self._restoring.get(path) if path is not None else None
        if path is not None and restoring is not None and restoring.request == found.request:
            del self._restoring[path]
        self._open.discard(found.request)
        if path is None or path in self._queued:
            self._is_to_look = True  # another one has waited for this
        self._attempts.pop(found.request, None)
        self._retry_s.pop(found.request, None)
        facts = self._facts(found.request, found.note)
        if row is not None and row.displaces is not None:
            self.freed(row.path)
        self._rows.pop(found.request, None)
        tell = log.warning if found.state in _FOR_A_PERSON else log.info
        tell(
            "asked.answered",
            mirror=self._mirror,
            **facts,
            state=found.state,
        )

    def _path_of(self, request: int) -> Path | None:
        row = self._rows.get(request)
        if row is not None:
            return row.path
        recalled = (path for path, one in self._restoring.items() if one.request == request)
        return next(recalled, None)

    def _finish_holds(self) -> None:
        """End the approved holds of which every request is answered."""
        for hold in self._ledger.holds.all(self._mirror, (HoldState.APPROVED,), kind="rewind"):
            counts = self._ledger.requests.counts(hold.id)
            if not counts.get(RequestState.OPEN):
                self._ledger.holds.finish(hold.id, self._now())
                self._holds_begun.discard(hold.id)
                log.info("hold.resolved", mirror=self._mirror, hold=hold.id)

    # What came of it.

    def noted(self, done: Sequence[tuple[Task, Outcome]]) -> list[Outcome]:
        """
        Give the outcomes as they are to be written down.

        Whether a content that goes up is the one that was had back, or what somebody has
        made of it since, only its SHA-256 tells.
        """
        return [self._noted(outcome) for _, outcome in done]

    def _noted(self, outcome: Outcome) -> Outcome:
        version = outcome.version
        if version is None:
            return outcome
        restoring = self._restoring.get(version.path)
        if restoring is not None and restoring.sha256 == version.sha256:
            answers = Answer(restoring.request, RequestState.DONE, f"it is version {version.id}")
            had_back = replace(version, origin=Origin.RESTORE)
            return replace(outcome, version=had_back, answers=answers)
        if restoring is not None and restoring.is_cancelled:
            del self._restoring[version.path]  # somebody has changed it: it will not go up
        if version.origin is Origin.RESTORE:
            return replace(outcome, version=replace(version, origin=Origin.LOCAL))
        return outcome

    def recorded(self, outcome: Outcome) -> Path | None:
        """Take note of what was written down; give the path that is to go up now, if any."""
        operation = outcome.operation
        if isinstance(operation, Asked):
            self._under_way.discard(operation.request)
        if isinstance(operation, Erase | PutBack):
            self._is_to_look = True  # answered by itself, or one step further
        if outcome.answers is not None:
            self._over(outcome.answers)
        if not isinstance(operation, Restore) or outcome.placed is None:
            return None
        restoring = self._restoring.get(operation.path)
        if restoring is not None:
            restoring.placed = outcome.placed
        self._look_again(operation.request)
        return operation.path

    def failed(self, operation: Asked, error: DocferryError) -> None:
        """
        Take note of a failure: what only a person can mend is the answer.

        What is in the way of a path may be about to go, by another request.
        """
        self._under_way.discard(operation.request)
        attempts = self._attempts.get(operation.request, 0)
        is_passing = isinstance(error, BlockedPathError) and attempts < BLOCKED_FOR_GOOD
        if isinstance(error, PermanentError) and not is_passing:
            self._finish(Answer(operation.request, RequestState.FAILED, str(error)))
        else:
            self._put_off(operation.request, error)

    def stale(self, operation: Asked) -> None:
        """Look again: the world moved."""
        self._under_way.discard(operation.request)
        self._retry_s[operation.request] = self._timing.monotonic() + STALE_AGAIN_S

    def _put_off(self, request: int, error: DocferryError) -> None:
        attempts = self._attempts[request] = self._attempts.get(request, 0) + 1
        wait_s = delay_s(attempts, jitter=self._timing.jitter())
        self._retry_s[request] = self._timing.monotonic() + wait_s
        again_at = self._now() + timedelta(seconds=wait_s)
        self._failures[request] = Failure(request, str(error), again_at)
        log.warning(
            "asked.failed",
            mirror=self._mirror,
            **self._facts(request, str(error)),
            retry_in_s=round(wait_s, 1),
        )

    def _facts(self, request: int, reason: str | None) -> dict[str, object]:
        """Say for the log what was asked; of an erasure never the path, as the log stays."""
        row = self._rows.get(request) or self._ledger.requests.get(request)
        if row is None:
            return {"request": request, "reason": reason}
        facts: dict[str, object] = {"request": request, "kind": row.kind, "reason": reason}
        if row.kind is not RequestKind.ERASE:
            facts["path"] = row.path
        elif reason and row.path:
            facts["reason"] = reason.replace(row.path, "(what is to be erased)")
        return facts if row.hold is None else facts | {"hold": row.hold}

    def _tell_hold(self, row: RequestRow) -> None:
        """Say once that what a person approved is begun with: a command says so elsewhere."""
        if row.hold is not None and row.hold not in self._holds_begun:
            self._holds_begun.add(row.hold)
            log.info("hold.approved", mirror=self._mirror, hold=row.hold)

    def _look_again(self, request: int) -> None:
        """Look later whether it is over: what goes up tells so itself, unless it changes again."""
        self._retry_s[request] = self._timing.monotonic() + PLACED_AGAIN_S


def _is_of_the_folder(row: RequestRow) -> bool:
    """Say whether the remote side need not be asked."""
    return row.kind is RequestKind.RESTORE and row.displaces is None
