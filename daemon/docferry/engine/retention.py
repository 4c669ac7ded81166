"""Let versions go, round by round: the note first, then their bytes, wherever they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from docferry.core.canary import CANARY_POLICY
from docferry.core.retention import Policy, Verdict, is_copy_of, judge, may_remove_bytes
from docferry.engine.archived import BucketVersions, on_bytes_of, require_proven
from docferry.engine.identity import Places
from docferry.errors import DocferryError, ThrottledError, UnreachableError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import LET_GO_BYTES, VERSIONS_LET_GO
from docferry.model import Path, Side, Ulid, VersionRow

log = get_logger(__name__)

#: Of so many versions at the most a round removes the bytes: other chores wait for its end.
MOST_REMOVED = 10_000
#: After so many failures a round ends: what is wrong is most likely wrong with all of them.
MOST_FAILED = 10
#: For a person, as `what_to_do` is.
WHY_IT_WAITS = (
    "the ledger comes from a backup, or from a rebuild that found no sound snapshot of it, or not "
    "the newest: which versions were held may be forgotten"
)
_PATHS_AT_ONCE = 500
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to."""

    let_go: int = 0  #: versions
    removed: int = 0  #: versions of which no archive holds anything any more
    removed_bytes: int = 0
    shared: int = 0  #: versions that were let go and whose bytes others need
    failed: int = 0


def verdicts(ledger: Ledger, mirror: str, policy: Policy, now: datetime) -> Iterator[Verdict]:
    """
    Yield what becomes of each displaced version of *mirror*, path by path.

    The rehearsal and the round are both this: what the one tells, the other does.
    """
    return _verdicts(ledger, mirror, ledger.versions.displaced_by_path(mirror), policy, now)


def canary_verdicts(
    ledger: Ledger, mirror: str, policy: Policy, now: datetime
) -> Iterator[Verdict]:
    """Do as `verdicts` does, for the paths of canaries alone: they are let go without a rule."""
    own = [*ledger.canaries.of(mirror)]
    paths = iter(ledger.versions.of_each(mirror, own).values())
    return _verdicts(ledger, mirror, paths, policy, now)


def _verdicts(
    ledger: Ledger,
    mirror: str,
    paths: Iterator[list[VersionRow]],
    policy: Policy,
    now: datetime,
) -> Iterator[Verdict]:
    asked = ledger.requests.asked_versions(mirror)
    canaries = ledger.canaries.of(mirror)
    while some := [*islice(paths, _PATHS_AT_ONCE)]:
        contents = {row.sha256 for rows in some for row in rows}
        current = ledger.versions.contents_in_use(mirror, [*contents])
        for rows in some:
            for ours, rules in _with_rules(rows, policy, canaries):
                yield from judge(ours, rules, now, current=current, asked=asked)


def _with_rules(
    rows: list[VersionRow], policy: Policy, canaries: Mapping[Path, Ulid]
) -> Iterator[tuple[list[VersionRow], Policy]]:
    """Tell canaries from what somebody had at their path before."""
    since = canaries.get(rows[0].path) if rows else None
    if since is None:
        yield rows, policy
        return
    yield [row for row in rows if row.id < since], policy
    yield [row for row in rows if row.id >= since], CANARY_POLICY


def what_to_do(mirror: str) -> str:
    """Say what ends the waiting of a mirror's retention."""
    how = f"docferry retention {mirror} --now --yes"
    return f"hold again what is to stay (docferry hold), then: {how}"


class Retention:
    """
    A chore: what no rule keeps is let go, and its bytes are removed on both sides.

    A crash at any point is finished by the next round: the note stays until no archive
    holds anything any more.

    Args:
        bucket_versions: What the bucket itself keeps; None: it keeps nothing.
    """

    name = "retention"

    def __init__(
        self,
        mirror: str,
        policy: Policy,
        places: Places,
        ledger: Ledger,
        *,
        bucket_versions: Callable[[], BucketVersions | None],
        now: Callable[[], datetime],
    ) -> None:
        self._mirror = mirror
        self._policy = policy
        self._places = places
        self._ledger = ledger
        self._bucket_versions = bucket_versions
        self._now = now
        self._has_said_why = False
        self._removed_until = ""  # where the next round goes on

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """
        Raises:
            UnreachableError: A side does not answer, or is not itself.
            DocferryError: Some bytes could not be removed; the others were.
        """
        self.round(is_stopping)

    def round(self, is_stopping: Callable[[], bool]) -> Round:
        """Do as `run` does, and tell what it came to."""
        began_s = time.monotonic()
        if self._waits():
            return Round()
        require_proven(self._mirror, self._places, self._ledger)
        let_go = self._let_go(is_stopping)
        removal = self._remove(is_stopping)
        done = removal.done(let_go)
        LET_GO_BYTES.labels(self._mirror).inc(done.removed_bytes)
        tell = log.info if done.let_go or done.removed else log.debug
        tell(
            "retention.done",
            mirror=self._mirror,
            let_go=done.let_go,
            removed=done.removed,
            removed_bytes=done.removed_bytes,
            shared=done.shared,
            failed=done.failed,
            took_s=round(time.monotonic() - began_s, 3),
        )
        if removal.first_error is not None:
            raise removal.first_error
        return done

    def _waits(self) -> bool:
        """Say whether a person has to tell first what is held, and log it, but once."""
        since = self._ledger.waits.since(self._mirror)
        if since is not None and self._policy.lets_go and not self._has_said_why:
            self._has_said_why = True
            log.error(
                "retention.waits",
                mirror=self._mirror,
                since=since.isoformat(),
                reason=WHY_IT_WAITS,
                remedy=what_to_do(self._mirror),
            )
        return since is not None

    def _let_go(self, is_stopping: Callable[[], bool]) -> int:
        let_go, now = 0, self._now()
        judge_all = verdicts if self._policy.lets_go else canary_verdicts
        found = judge_all(self._ledger, self._mirror, self._policy, now)
        going = (verdict.version.id for verdict in found if verdict.goes)
        while not is_stopping() and (some := [*islice(going, _BATCH)]):
            let_go += len(self._ledger.versions.let_go(some, now))
        VERSIONS_LET_GO.labels(self._mirror).inc(let_go)
        return let_go

    def _remove(self, is_stopping: Callable[[], bool]) -> _Removal:
        removal = _Removal(
            self._mirror,
            self._places,
            self._ledger,
            self._bucket_versions(),
            is_stopping,
            after=self._removed_until,
        )
        try:
            removal.run()
        finally:
            self._removed_until = removal.after
        return removal


class _Removal:
    """
    Removes the bytes of what was let go.

    Args:
        after: The version after which it begins; what is up to that one comes last. A round
            that always began with the same ones would come no further than what fails.
    """

    def __init__(
        self,
        mirror: str,
        places: Places,
        ledger: Ledger,
        bucket_versions: BucketVersions | None,
        is_stopping: Callable[[], bool],
        *,
        after: Ulid,
    ) -> None:
        self._mirror = mirror
        self._places = places
        self._ledger = ledger
        self._bucket_versions = bucket_versions
        self._is_stopping = is_stopping
        self.after = after  #: the last one that had its turn; "": all had
        self.first_error: DocferryError | None = None
        self._removed: list[VersionRow] = []
        self._counts = {"removed": 0, "removed_bytes": 0, "shared": 0, "failed": 0}

    def run(self) -> None:
        for rows in self._batches():
            try:
                for row in rows:
                    if self._is_stopping():
                        return
                    self.after = row.id
                    self._try(row)
            finally:
                self._write_down()
            if self._counts["removed"] >= MOST_REMOVED or self._counts["failed"] >= MOST_FAILED:
                return
        self.after = ""

    def done(self, let_go: int) -> Round:
        return Round(let_go, **self._counts)

    def _batches(self) -> Iterator[list[VersionRow]]:
        began_after = self.after
        yield from self._between(began_after, None)
        if began_after:
            yield from self._between("", began_after)

    def _between(self, after: Ulid, last: Ulid | None) -> Iterator[list[VersionRow]]:
        is_over = False
        while not is_over:
            found = self._ledger.versions.with_bytes_to_remove(self._mirror, _BATCH, after)
            rows = [row for row in found if last is None or row.id <= last]
            yield rows
            is_over = len(rows) < _BATCH
            after = rows[-1].id if rows else after

    def _try(self, row: VersionRow) -> None:
        try:
            self._remove(row)
        except (UnreachableError, ThrottledError):
            raise
        except DocferryError as error:  # the others need not wait for this one
            self._counts["failed"] += 1
            self.first_error = self.first_error or error

    def _remove(self, row: VersionRow) -> None:
        if not may_remove_bytes(row, on_bytes_of(row, self._places, self._ledger)):
            self._counts["shared"] += 1
            return
        for side in Side:
            self._places.side(side).archive.remove(row.id)
        if self._bucket_versions is not None:
            self._remove_from_bucket(self._bucket_versions, row)
        self._removed.append(row)

    def _remove_from_bucket(self, bucket: BucketVersions, row: VersionRow) -> None:
        rows = self._ledger.versions.of(self._mirror, row.path)
        for kept in bucket.of(row.path):
            if not kept.is_latest and is_copy_of(kept.token, kept.version_id, row, rows):
                bucket.remove(row.path, kept.version_id)

    def _write_down(self) -> None:
        removed, self._removed = self._removed, []
        self._ledger.versions.note_removed([row.id for row in removed])
        self._counts["removed"] += len(removed)
        self._counts["removed_bytes"] += sum(row.size for row in removed if not row.bytes_of)
