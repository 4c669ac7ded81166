"""
Read everything once in a while, and see that it is still what was written.

Nothing else would notice rot: the bytes change, the token does not. One cycle covers what
paths hold and what was displaced, on both sides, spread over the configured time. Rot at a
path is healed by the loop, which is asked for it; in an archive right here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TypeAlias

from docferry.config import MirrorConfig
from docferry.core.guards import marker_id
from docferry.core.patrol import Phase, ends_at, is_behind, is_rotten, is_sound, may_mend
from docferry.core.verify import Moving, Sight
from docferry.engine.archive_care import ArchiveCare
from docferry.engine.contents import Contents
from docferry.engine.identity import Places
from docferry.engine.pace import Pace
from docferry.engine.rot import RotProblems
from docferry.engine.sight import see
from docferry.engine.sound import SoundCopies, version_agreed_on
from docferry.errors import UnreachableError
from docferry.ledger import Ledger
from docferry.ledger.patrols import PatrolRow
from docferry.ledger.requests import NewRequest
from docferry.logs import get_logger
from docferry.metrics import PATROL_BYTES
from docferry.model import Path, RequestKind, Side, SyncedState, Ulid, VersionRow

log = get_logger(__name__)

#: One round takes no longer than this, and one content: other chores wait.
ROUND_S = 20.0
#: How far it has come is written down so often.
_NOTE_EVERY_S = 1.0
_BATCH = 100
_HEAL = {Side.LOCAL: RequestKind.HEAL_LOCAL, Side.REMOTE: RequestKind.HEAL_REMOTE}

_Item: TypeAlias = tuple[Path, SyncedState] | VersionRow


def _never() -> bool:
    return False


class Patrol:
    """
    The patrol of one mirror: a chore, run every minute or so. Not thread-safe.

    Args:
        now: The clock; a cycle's pace goes by it.
        round_s: How long one round may take.
    """

    name = "patrol"

    def __init__(
        self,
        options: MirrorConfig,
        places: Places,
        ledger: Ledger,
        contents: Contents,
        new_ulid: Callable[[], Ulid],
        now: Callable[[], datetime],
        *,
        round_s: float = ROUND_S,
    ) -> None:
        self._mirror = options.name
        self._period_s = options.patrol_s
        self._mode = options.mode
        self._places = places
        self._ledger = ledger
        self._now = now
        self._round_s = round_s
        self._pace = Pace(options.patrol_rate_mib * 1024.0 * 1024.0)
        self._problems = RotProblems(self._mirror, ledger, now)
        self._copies = SoundCopies(contents, self._take)
        self._archives = ArchiveCare(
            self._mirror,
            self._mode,
            places,
            ledger,
            self._problems,
            self._copies,
            self._prove,
            self._take,
            new_ulid,
            now,
        )
        self._coming: deque[_Item] = deque()

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """
        Check what is due by now, for a while.

        Raises:
            UnreachableError, TemporaryError: A side does not answer; it is gone on with later.
        """
        if self._period_s == 0 or not self._begin_round(is_stopping):
            return
        row = self._ledger.patrols.get(self._mirror)
        if row is None or (row.phase is Phase.DONE and self._is_time_up(row)):
            row = self._new_cycle(row)
        elif row.phase is not Phase.DONE:
            row = replace(row, total=self._count())  # the pace is for what there is by now
        until_s = time.monotonic() + self._round_s

        def is_due(row: PatrolRow) -> bool:
            if is_stopping() or time.monotonic() > until_s:
                return False
            now, done = self._now(), (row.checked, row.total)
            return is_behind(*done, row.began_at, now, self._period_s)

        self._go_on(row, is_due)

    def run_cycle(self, is_stopping: Callable[[], bool] = _never) -> PatrolRow | None:
        """
        Begin anew and check everything now, at the configured rate.

        Returns:
            How it ended; None: the sides are not themselves, so that nothing was looked at.
        """
        if not self._begin_round(is_stopping):
            return None
        row = self._new_cycle(self._ledger.patrols.get(self._mirror))
        return self._go_on(row, lambda _: not is_stopping())

    def _begin_round(self, is_stopping: Callable[[], bool]) -> bool:
        """Say whether both sides are themselves: what another place lacks is not lost."""
        self._pace.is_stopping = is_stopping
        self._coming.clear()
        self._problems.look()
        return all(self._is_itself(side) for side in Side)

    def _is_itself(self, side: Side) -> bool:
        mirror = self._ledger.mirrors.get(self._mirror)
        known = None if mirror is None else mirror.marker_id
        return known is not None and known == marker_id(self._places.side(side).read_marker())

    def _prove(self, side: Side) -> None:
        """
        Before anything is called rotten or lost: a side in trouble says nothing about it.

        Raises:
            UnreachableError, TemporaryError: The side is not itself, or gives nothing at all.
        """
        if not self._is_itself(side):
            raise UnreachableError(f"the {side} side of {self._mirror} is not itself any more")

    def _is_time_up(self, row: PatrolRow) -> bool:
        return self._now() >= ends_at(row.began_at, self._period_s)

    def _new_cycle(self, last: PatrolRow | None) -> PatrolRow:
        row = PatrolRow(
            self._mirror,
            self._now(),
            Phase.CURRENT,
            cursor="",
            checked=0,
            total=self._count(),
            found=0,
            finished_at=None if last is None else last.finished_at,
        )
        self._ledger.patrols.put(row)
        return row

    def _count(self) -> int:
        files, _ = self._ledger.synced.count(self._mirror)
        return files + self._ledger.versions.count_displaced(self._mirror)

    def _go_on(self, row: PatrolRow, is_due: Callable[[PatrolRow], bool]) -> PatrolRow:
        noted_s = time.monotonic()
        try:
            while row.phase is not Phase.DONE and is_due(row):
                row = self._step(row)
                if time.monotonic() - noted_s > _NOTE_EVERY_S:
                    self._ledger.patrols.put(row)
                    noted_s = time.monotonic()
        finally:
            self._ledger.patrols.put(row)
        return row

    def _step(self, row: PatrolRow) -> PatrolRow:
        item = self._next(row)
        if item is None:
            return self._next_phase(row)
        if isinstance(item, VersionRow):
            cursor, found = item.id, self._archives.check(item)
        else:
            cursor, found = item[0], self._check(*item)
        if self._pace.is_stopping():
            return row  # it was not seen to its end
        self._coming.popleft()
        return replace(row, cursor=cursor, checked=row.checked + 1, found=row.found + found)

    def _next(self, row: PatrolRow) -> _Item | None:
        if not self._coming and row.phase is Phase.CURRENT:
            self._coming += self._ledger.synced.following(self._mirror, row.cursor, _BATCH)
        elif not self._coming:
            displaced = self._ledger.versions.displaced(self._mirror, row.cursor)
            self._coming += islice(displaced, _BATCH)
        return self._coming[0] if self._coming else None

    def _next_phase(self, row: PatrolRow) -> PatrolRow:
        if row.phase is Phase.CURRENT:
            return replace(row, phase=Phase.ARCHIVED, cursor="")
        self._problems.sweep()
        log.info(
            "patrol.done",
            mirror=self._mirror,
            checked=row.checked,
            found=row.found,
            began_at=row.began_at,
            took_s=round((self._now() - row.began_at).total_seconds(), 3),
        )
        # What came or went meanwhile is no longer of interest: all that is there was checked.
        return replace(row, phase=Phase.DONE, cursor="", total=row.checked, finished_at=self._now())

    # What paths hold.

    def _check(self, path: Path, synced: SyncedState) -> int:
        """Read a path on both sides; give on how many of them it has rotted."""
        sights = self._sights(path, synced)
        if any(isinstance(sight, Moving) for sight in sights.values()):
            # What is noted here may be old by now: once more with what is agreed on.
            found = self._agreement(path)
            if found is None:
                return 0
            if found != synced:
                synced, sights = found, self._sights(path, found)
        rotten = [side for side in Side if is_rotten(sights[side], synced.sha256)]
        if not rotten:
            if all(is_sound(sight, synced.sha256) for sight in sights.values()):
                self._problems.mended(path)
            return 0
        if self._agreement(path) != synced:
            return 0
        for side in rotten:
            self._prove(side)
            self._problems.found(path, side, sights[side], of="content", version=synced.version)
        self._have_healed(path, synced, sights, rotten)
        return len(rotten)

    def _sights(self, path: Path, synced: SyncedState) -> dict[Side, Sight]:
        tokens = {Side.LOCAL: synced.local_token, Side.REMOTE: synced.remote_token}
        return {
            side: see(self._places.side(side), path, tokens[side], synced.sha256, self._take)
            for side in Side
        }

    def _agreement(self, path: Path) -> SyncedState | None:
        return self._ledger.synced.get(self._mirror, [path]).get(path)

    def _have_healed(
        self, path: Path, synced: SyncedState, sights: dict[Side, Sight], rotten: list[Side]
    ) -> None:
        where = " and ".join(rotten)
        if not self._has_sound_copy(path, synced, sights):
            self._problems.show(
                path,
                f"its bytes have rotted ({where}), and no sound copy is left: put the file back "
                "from a backup, or restore an older version",
            )
            return
        for side in rotten:
            if not may_mend(self._mode, side):
                self._problems.show(
                    path, f"its bytes have rotted ({side}), and mode {self._mode} leaves them so"
                )
            elif not self._ledger.requests.is_asked(self._mirror, path, _HEAL[side]):
                version = synced.version
                new = NewRequest(self._mirror, path, _HEAL[side], version, expect=version)
                self._ledger.requests.add([new], self._now())

    def _has_sound_copy(self, path: Path, synced: SyncedState, sights: dict[Side, Sight]) -> bool:
        if any(is_sound(sight, synced.sha256) for sight in sights.values()):
            return True
        with self._copies.found(version_agreed_on(self._mirror, path, synced)) as copy:
            return copy is not None

    def _take(self, part: bytes) -> None:
        PATROL_BYTES.labels(self._mirror).inc(len(part))
        self._pace.take(part)
