"""
The brake: looks at each change that is about to travel, and holds what looks like a burst.

Asked in the threads that carry operations, where the content is at hand; nothing has been
changed by then. What is counted is written down before it travels: a restart forgets nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Set
from contextlib import AbstractContextManager
from datetime import datetime

from docferry.core.alike import (
    Sample,
    ending_of,
    is_doubtful,
    is_noise,
    is_strange,
    places_of,
    why_unfit,
    why_unlike,
)
from docferry.core.brake import (
    Change,
    ChangeLimits,
    Lately,
    counts_from,
    is_counted,
    victims_of,
    why_not,
)
from docferry.core.merge import Difference
from docferry.core.ulids import first_of
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.engine.task import Task
from docferry.errors import HeldError
from docferry.ledger import Ledger
from docferry.ledger.changes import Standing
from docferry.logs import get_logger
from docferry.model import (
    Download,
    HoldState,
    KeepBoth,
    Operation,
    Origin,
    Path,
    Read,
    Side,
    Token,
    Ulid,
    Upload,
)
from docferry.storage.base import Content

log = get_logger(__name__)

#: docferry's own doing, as a rule or a person has asked for it.
_OWN = (Origin.CONVERSION, Origin.RESTORE)


class Brake:
    """One that is never put on."""

    def upload(self, task: Task, content: Content) -> None:
        """
        Look at what is about to go up.

        Raises:
            HeldError: It waits for a person from now on.
        """

    def download(self, task: Task, content: Content) -> None:
        """Look at what is about to come down, as `upload` does."""

    def conflict(self, task: Task, content: Content, displaced: Ulid, copy_path: Path) -> None:
        """
        Count a conflict of which one side was spoilt: both are kept, so nothing is held.

        Args:
            content: Of the bucket: it comes to the path.
            displaced: The version of what was there, which is at *copy_path* by now.
        """

    def looks_at(self, task: Task) -> bool:
        """Say whether the content matters: to fetch it for that alone may cost a request."""
        return False

    def keeps(self, seen: Difference, operation: Operation | None) -> bool:
        """
        Say whether *operation* waits in a hold; what is none any more leaves it.

        Args:
            operation: None: nothing is called for, or the mirror's mode does not let it travel.
        """
        return False

    def run_begins(self) -> None:
        """Note that everything is looked at from now on."""

    def run_ended(self, unfinished: Callable[[], Set[Path]]) -> None:
        """
        Let those changes leave their hold that the run has not found again.

        Args:
            unfinished: Gives the paths that are under way, or yet to be looked at: they stay.
        """


class MassChangeBrake(Brake):
    """The brake of one mirror."""

    def __init__(
        self,
        mirror: str,
        ledger: Ledger,
        local: LocalSide,
        remote: RemoteSide,
        limits: ChangeLimits,
        *,
        new_ulid: Callable[[], Ulid],
        now: Callable[[], datetime],
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        """
        Args:
            turn: Lets one thread in at a time; None: a lock.
        """
        self._mirror = mirror
        self._ledger = ledger
        self._local = local
        self._remote = remote
        self._limits = limits
        self._new_ulid = new_ulid
        self._now = now
        self._turn = turn or threading.Lock()  # two must not both be the last that may travel
        self._is_holding: bool | None = None  #: None: the ledger was not asked yet
        self._known_endings: set[str] = set()
        self._met: set[Path] = set()
        self._run_began: datetime | None = None

    # In the threads that carry operations.

    def upload(self, task: Task, content: Content) -> None:
        operation = task.operation
        assert isinstance(operation, Upload)
        expect = operation.expect_remote
        if task.seen.synced is None and expect is None:
            self._newcomer(task, Side.LOCAL, operation.source.token, content)
        else:
            token = operation.source.token
            self._edit(task, Side.LOCAL, token, content, self._remote, expect)

    def download(self, task: Task, content: Content) -> None:
        operation = task.operation
        assert isinstance(operation, Download)
        expect = operation.expect_local
        if task.seen.synced is None and expect is None:
            self._newcomer(task, Side.REMOTE, operation.source.token, content)
        else:
            token = operation.source.token
            self._edit(task, Side.REMOTE, token, content, self._local, expect)

    def conflict(self, task: Task, content: Content, displaced: Ulid, copy_path: Path) -> None:
        operation, base = task.operation, task.seen.synced
        assert isinstance(operation, KeepBoth)
        if base is None or task.origin in _OWN:
            return
        path, local, there = operation.path, operation.local.token, _sample_of(content)
        with self._local.read(path, local) as mine:
            here = _sample_of(mine)
        if why := why_unlike(path, here, there):
            change = Change(path, Side.REMOTE, operation.remote.token, path, displaced, why)
        elif why := why_unlike(path, there, here):
            change = Change(copy_path, Side.LOCAL, local, path, base.version, why)
        else:
            return
        with self._turn:
            self._ledger.changes.travels(self._mirror, change, self._new_ulid(), self._now())

    def looks_at(self, task: Task) -> bool:
        is_new = task.seen.synced is None
        return task.origin not in _OWN and (not is_new or is_strange(task.operation.path))

    def _edit(
        self,
        task: Task,
        side: Side,
        token: Token,
        new: Content,
        other: LocalSide | RemoteSide,
        expect: Token | None,
    ) -> None:
        """
        Look at an edit.

        Args:
            other: The side where it goes.
            expect: What it displaces there; None: that was deleted meanwhile.
        """
        base, path = task.seen.synced, task.operation.path
        if base is None or task.origin in _OWN:
            return
        sample = _sample_of(new)
        why = why_unfit(path, sample)
        if expect is None and why is None:
            self._passes(path)  # it displaces nothing
            return
        if expect is not None:
            why = self._why_edit(path, sample, other, expect)
        self._admit(Change(path, side, token, path, base.version, why))

    def _why_edit(
        self, path: Path, new: Sample, other: LocalSide | RemoteSide, expect: Token
    ) -> str | None:
        if not is_doubtful(path, new):
            return None
        with other.read(path, expect) as old:
            return why_unlike(path, _sample_of(old), new)

    def _newcomer(self, task: Task, side: Side, token: Token, new: Content) -> None:
        path = task.operation.path
        if task.origin in _OWN or not is_strange(path):
            return
        victim = self._victim_of(path)
        why = self._why_newcomer(path, side, victim, is_noisy=is_noise(_sample_of(new)))
        if why is None or self._is_known(ending_of(path)):
            self._passes(path)
            return
        name, version = victim or (path, None)
        self._admit(Change(path, side, token, name, version, why))

    def _why_newcomer(
        self, path: Path, side: Side, victim: tuple[Path, Ulid] | None, *, is_noisy: bool
    ) -> str | None:
        storage = self._local if side is Side.LOCAL else self._remote
        if victim is None:
            is_one = is_noisy and side is Side.LOCAL and self._is_any_gone_beside(path)
            return "it looks encrypted, and files of its folder are gone" if is_one else None
        name, version = victim
        is_there = storage.stat(name) is not None
        # Beside what came just now it is what a camera, or a program, makes of each picture.
        # Unless its place is held: then what is named so may have been had back just now.
        is_beside_new = is_there and version >= first_of(counts_from(self._now()))
        if is_noisy and not (is_beside_new and self._open_at(path) is None):
            return f"it looks encrypted, and is named after {name}"
        if not is_there:
            return f"it took the place of {name}, and its ending is of no known kind"
        return None

    def _open_at(self, path: Path) -> Standing | None:
        """Give the change of *path* that a person is asked about; None: there is none."""
        standing = self._ledger.changes.standing(self._mirror, path) if self.is_holding else None
        return standing if standing is not None and standing.state is HoldState.OPEN else None

    def _passes(self, path: Path) -> None:
        """What is not suspicious travels: what was held there before it is held no more."""
        with self._turn:
            if self._open_at(path) is not None:
                self._leave([path])

    def _admit(self, change: Change) -> None:
        if change.why is None and self._limits.overwrites is None and not self.is_holding:
            return
        with self._turn:
            now = self._now()
            standing = self._ledger.changes.standing(self._mirror, change.path)
            is_same = standing is not None and standing.token == change.token
            if standing is not None and is_same and standing.state is not HoldState.APPROVED:
                raise HeldError(f"{change.path} is held")
            if standing is not None and is_same:
                return
            lately = self._ledger.changes.lately(
                self._mirror, change.side, now, but_for=change.path
            )
            self._admit_if(change, lately, now, was_held=standing is not None)

    def _admit_if(self, change: Change, lately: Lately, now: datetime, *, was_held: bool) -> None:
        reason = why_not(change, lately, self._limits, now)
        if reason is not None:
            self._hold(change, reason or None, now)
            raise HeldError(f"{change.path} is held")
        if was_held or is_counted(change, self._limits):
            self._ledger.changes.travels(self._mirror, change, self._new_ulid(), now)

    def _hold(self, change: Change, why: str | None, now: datetime) -> None:
        held = Change(
            change.path, change.side, change.token, change.victim, change.version, change.why or why
        )
        hold, is_first = self._ledger.changes.hold(self._mirror, held, self._new_ulid(), now)
        self._is_holding = True
        if is_first:
            log.error(
                "hold.opened",
                mirror=self._mirror,
                hold=hold.id,
                reason=hold.reason,
                remedy=f"docferry holds show {hold.id}, then approve or discard it",
            )

    # What a newcomer's name tells.

    def _is_known(self, ending: str) -> bool:
        """Say whether the mirror had files of that ending before a burst can have brought them."""
        if ending in self._known_endings:
            return True
        before = first_of(counts_from(self._now()))
        if not self._ledger.changes.has_ending(self._mirror, ending, before):
            return False
        self._known_endings.add(ending)
        return True

    def _victim_of(self, path: Path) -> tuple[Path, Ulid] | None:
        """Give the file that a newcomer is named after: `a.docx` of `a.docx.locked`, `a.locked`."""
        for stem in victims_of(path):
            agreed = self._ledger.synced.get(self._mirror, [stem]).get(stem)
            if agreed is not None:
                return stem, agreed.version
            found = self._ledger.changes.beginning(self._mirror, f"{stem}.")
            others = [one for one in found if not is_strange(one[0])]
            if others:
                return others[0]
        return None

    def _is_any_gone_beside(self, path: Path) -> bool:
        folder, slash, _ = path.rpartition("/")
        beside = self._ledger.changes.beginning(self._mirror, folder + slash)
        return any(self._local.stat(other) is None for other, _ in beside)

    # In the loop's thread.

    @property
    def is_holding(self) -> bool:
        """Whether a change may be in a hold that is not over."""
        if self._is_holding is None:
            self._is_holding = bool(self._ledger.changes.held_paths(self._mirror))
        return self._is_holding

    def keeps(self, seen: Difference, operation: Operation | None) -> bool:
        if not self.is_holding:
            return False
        standing = self._ledger.changes.standing(self._mirror, seen.path)
        if standing is None:
            return False
        if operation is not None and _is_still(seen, standing):
            self._met.add(seen.path)
            return standing.state is not HoldState.APPROVED
        if not isinstance(operation, Upload | Download | Read):
            self._leave([seen.path])
        return False

    def run_begins(self) -> None:
        self._met.clear()
        self._run_began = self._now()

    def run_ended(self, unfinished: Callable[[], Set[Path]]) -> None:
        if self.is_holding and self._run_began is not None:
            held = self._ledger.changes.held_paths(self._mirror).keys()
            # What was touched, or edited again, is not as it was held: it is held anew.
            left = held - self._met - unfinished()
            self._leave(sorted(left), before=self._run_began)
        self._is_holding = None  # ask again

    def _leave(self, paths: list[Path], before: datetime | None = None) -> None:
        if not paths:
            return
        for hold in self._ledger.changes.leave(self._mirror, paths, self._now(), before=before):
            log.info("hold.resolved", mirror=self._mirror, hold=hold.id)


def _is_still(seen: Difference, standing: Standing) -> bool:
    """Say whether the one side holds what was held, and the other what was agreed on."""
    side = standing.side
    mine, other = (seen.local, seen.remote) if side is Side.LOCAL else (seen.remote, seen.local)
    if mine is None or mine.token != standing.token:
        return False
    if standing.state is HoldState.DISCARDED:
        return True  # what came of the other side is for who carries out the refusal
    if seen.synced is None:
        return other is None
    agreed = seen.synced.remote_token if side is Side.LOCAL else seen.synced.local_token
    # Neither a touch nor a deletion is an edit: what was held must not leave by it, and travel.
    return other is None or other.token == agreed or other.sha256 == seen.synced.sha256


def _sample_of(content: Content) -> Sample:
    blocks = tuple(content.part(at, size) for at, size in places_of(content.size))
    return Sample(content.size, blocks)
