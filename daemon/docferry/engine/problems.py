"""
What went wrong with single paths: when to try again, and what a person is told.

The ledger holds the rows that people see; here is what the loop must know to
leave a failing path alone until its time, or until somebody changes the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from docferry.core.merge import Difference, Unseen
from docferry.core.retry import after_vain_s, delay_s, retry_after_s, still_in_vain_s
from docferry.engine.dirty import DirtyPaths
from docferry.engine.timing import MACHINE, Timing
from docferry.errors import BlockedPathError, DocferryError, PermanentError, StaleError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import ERRORS
from docferry.model import DeleteRemote, Mode, Operation, Path, Upload

log = get_logger(__name__)

#: A touched file is tried again out of turn: not sooner, though, for each try so far. Our own
#: failing try may be what touched it.
TOUCHED_AFTER_S = 1.0
#: What is in the way of a file is waited for so many times: by then it goes, or the file
#: has another name. If not, it is a person's to mend.
BLOCKED_FOR_GOOD = 8
#: Kinds of problems that are not about a path of the mirror; others look after them.
OTHERS_KINDS = ("drop", "watch", "rot", "history", "canary", "disk")
#: A world that moves under an operation is looked at again soon, then less and less often,
#: and from so many times in a row on a person is told.
STALE_AGAIN_S = 0.05
STALE_SHOWN_AFTER = 6


@dataclass(frozen=True, slots=True)
class _Failing:
    tokens: tuple[str | None, str | None]
    changed_ns: int
    attempts: int
    failed_s: float  # monotonic
    retry_s: float  # monotonic
    blocked_by: Path | None  #: what stands in the way, and is waited for


class Problems:
    """The failing paths of one mirror. Used by its loop alone."""

    def __init__(
        self,
        mirror: str,
        ledger: Ledger,
        dirty: DirtyPaths,
        *,
        blocked_retry_s: float,
        timing: Timing = MACHINE,
    ) -> None:
        self._mirror = mirror
        self._timing = timing
        self._blocked_retry_s = blocked_retry_s
        self._ledger = ledger
        self._dirty = dirty
        self._failing: dict[Path, _Failing] = {}
        self._stale: dict[Path, int] = {}  # times in a row
        self._in_vain: dict[Path, tuple[float, float]] = {}  # until when (monotonic), what it cost
        rows = ledger.problems.all(mirror)
        self._shown = {row.path for row in rows if row.kind not in OTHERS_KINDS}
        self._unseen: set[Path] = set()  # shown as such
        self._unseen_now: set[Path] = set()  # met since the last walk began
        self._again: set[Path] = set()  # had a problem, and still differ

    def __len__(self) -> int:
        return len(self._shown)

    def wait_s(self, seen: Difference) -> float:
        """
        Seconds for which *seen* is to be left alone.

        It failed lately and is unchanged; or it changed again and again while much was done.
        """
        failing = self._failing.get(seen.path)
        if failing is None or failing.tokens != _tokens(seen):
            return self._in_vain_s(seen)
        retry_s = failing.retry_s
        if failing.changed_ns != _changed_ns(seen):  # its mode or owner, perhaps
            retry_s = min(retry_s, failing.failed_s + failing.attempts * TOUCHED_AFTER_S)
        return max(0.0, retry_s - self._timing.monotonic())

    def try_again_below(self, folder: Path) -> None:
        """Let what fails below *folder* ("": anywhere) be tried at once: it may be mended."""
        for path, failing in self._failing.items():
            if path.startswith(folder):
                self._failing[path] = replace(failing, retry_s=0.0)
                self._dirty.mark(path)

    def considered(self, path: Path) -> None:
        """Note that a path is not as agreed: a problem it has may still be there."""
        if path in self._shown:
            self._again.add(path)

    def failed(self, seen: Difference, error: DocferryError, *, kind: str) -> int:
        """Note a failure and when to try again; give the number of attempts so far."""
        now = self._timing.now()
        before = self._failing.get(seen.path)
        attempts = 1 if before is None else before.attempts + 1
        wait_s = self._wait_s(error, attempts)
        blocked_by = None
        if isinstance(error, BlockedPathError) and attempts < BLOCKED_FOR_GOOD:
            blocked_by = error.blocked_by
        self._ledger.problems.put(
            self._mirror,
            seen.path,
            kind=kind,
            message=str(error),
            at=now,
            retry_at=now + timedelta(seconds=wait_s),
        )
        self._show(seen.path)
        self._unseen.discard(seen.path)
        now_s = self._timing.monotonic()
        self._failing[seen.path] = _Failing(
            _tokens(seen),
            _changed_ns(seen),
            attempts,
            now_s,
            now_s + wait_s,
            blocked_by,
        )
        self._dirty.put_off(seen.path, after_s=wait_s)
        ERRORS.labels(self._mirror, type(error).__name__).inc()
        # A blocked name is mended without a person, by another one.
        is_for_a_person = isinstance(error, PermanentError) and blocked_by is None
        tell = log.error if is_for_a_person else log.warning
        tell(
            "operation.failed",
            mirror=self._mirror,
            path=seen.path,
            kind=kind,
            error=str(error),
            attempts=attempts,
            retry_in_s=round(wait_s, 1),
        )
        return attempts

    def stale(self, path: Path, error: StaleError) -> None:
        """Note that the world moved under an operation, and when to look again."""
        times = self._stale[path] = self._stale.get(path, 0) + 1
        in_vain_s = after_vain_s(error.took_s, times)
        if in_vain_s:
            self._in_vain[path] = self._timing.monotonic() + in_vain_s, error.took_s
        again_s = delay_s(times, jitter=0.5) if times > 2 else 0.0
        wait_s = max(STALE_AGAIN_S, again_s, min(in_vain_s, error.took_s))  # then it is looked at
        log.debug("operation.stale", mirror=self._mirror, path=path, reason=str(error))
        self._dirty.put_off(path, after_s=wait_s)
        if times < STALE_SHOWN_AFTER:
            return
        now = self._timing.now()
        self._show(path)
        self._ledger.problems.put(
            self._mirror,
            path,
            kind="stale",
            message=f"it keeps changing while docferry works on it: {error}",
            at=now,
            retry_at=now + timedelta(seconds=wait_s),
        )

    def left_alone(self, path: Path, mode: Mode, operation: Operation) -> None:
        """Note that the sides differ at *path* and that the mirror's mode leaves it so."""
        if path in self._shown:
            return
        self._show(path)
        side = "folder" if isinstance(operation, Upload | DeleteRemote) else "bucket"
        self._ledger.problems.put(
            self._mirror,
            path,
            kind="mode",
            message=f"it was changed in the {side}, and mode {mode.value} leaves that as it is",
            at=self._timing.now(),
            retry_at=None,
        )

    def is_retrying(self, path: Path) -> bool:
        """Say whether *path* waits for its next try, so that nobody need wait for it."""
        return path in self._failing or self._stale.get(path, 0) >= STALE_SHOWN_AFTER

    def blocker_of(self, path: Path) -> Path | None:
        """Give what stands in the way of *path* and is waited for: not for long."""
        failing = self._failing.get(path)
        return None if failing is None else failing.blocked_by

    def unseen(self, what: Unseen) -> None:
        """Note a path that could not be looked at. Nothing is decided about it."""
        path = what.what.path
        self._unseen_now.add(path)
        if path in self._unseen:
            return
        self._unseen.add(path)
        self._shown.add(path)
        self._ledger.problems.put(
            self._mirror,
            path,
            kind="unseen",
            message=f"{what.side} side: {what.what.reason}",
            at=self._timing.now(),
            retry_at=None,
        )
        log.warning("path.unseen", mirror=self._mirror, path=path, reason=what.what.reason)

    def mended(self, paths: set[Path]) -> None:
        """Forget the problems of *paths*: they are as they should be."""
        for path in paths & self._stale.keys():
            del self._stale[path]
            self._in_vain.pop(path, None)
        found = paths & self._shown
        if found:
            self._shown -= found
            self._unseen -= found
            for path in found:
                self._failing.pop(path, None)
            self._ledger.problems.clear(self._mirror, sorted(found))

    def _show(self, path: Path) -> None:
        self._shown.add(path)
        self._again.add(path)  # it was looked at: the end of a full run does not mend it

    def changed_above(self, marks: Iterable[Path]) -> bool:
        """
        Let what fails below the folders among *marks* ("folder/") be tried at once.

        Returns:
            Whether something at or below one could not be looked at: that takes a walk.
        """
        folders = tuple(mark for mark in marks if mark.endswith("/"))
        for folder in folders:
            self.try_again_below(folder)
        return any(f"{path}/".startswith(folders) for path in self._unseen)

    def walk_begins(self) -> None:
        """Note that the whole folder is looked at anew: so is what fails."""
        self._unseen_now.clear()
        self.try_again_below("")

    def walk_ended(self) -> None:
        """Forget what could not be looked at and is not met any more."""
        self.mended(self._unseen - self._unseen_now)

    def full_run_ended(self) -> None:
        """Forget the problems of what is as agreed by now; a full run has looked at everything."""
        rows = self._ledger.problems.all(self._mirror)
        ours = {row.path for row in rows if row.kind not in OTHERS_KINDS}
        self._shown |= ours
        self.mended(ours - self._unseen_now - self._again)
        self._again.clear()

    def _in_vain_s(self, seen: Difference) -> float:
        until_s, took_s = self._in_vain.get(seen.path, (0.0, 0.0))
        rested_s = (self._timing.time_ns() - _changed_ns(seen)) / 1e9
        return still_in_vain_s(until_s - self._timing.monotonic(), took_s, rested_s)

    def _wait_s(self, error: DocferryError, attempts: int) -> float:
        if isinstance(error, BlockedPathError) and attempts < BLOCKED_FOR_GOOD:
            return self._blocked_retry_s
        return retry_after_s(error, attempts, jitter=self._timing.jitter())


def _tokens(seen: Difference) -> tuple[str | None, str | None]:
    return (
        None if seen.local is None else seen.local.token,
        None if seen.remote is None else seen.remote.token,
    )


def _changed_ns(seen: Difference) -> int:
    return 0 if seen.local is None else seen.local.changed_ns
