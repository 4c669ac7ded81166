"""
Which jobs run, and how far they have come: leases are renewed, and stages written down.

A write costs the ledger a flush of the disk, more than a fast conversion takes. So a stage
is written when it has lasted, or together with the next thing that must be written.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from docferry.job import Intended, JobRow, JobStage, Share
from docferry.ledger import Ledger
from docferry.model import Ulid

LEASE = timedelta(seconds=60)
#: A stage that has lasted so long is written down.
LASTED = timedelta(seconds=1)


@dataclass(slots=True)
class _Running:
    source: str  #: mirror
    target: str  #: mirror
    claimed_at: datetime | None
    stage: JobStage | None = None  #: None: nothing that need be written down
    since: datetime | None = None
    is_here: bool = False  #: its document is fetched
    share: Share | None = None  #: None: nobody counts
    told: Share | None = None  #: as it is written down
    began: dict[JobStage, datetime] = field(default_factory=dict)


class Progress:
    """The running jobs of this daemon. Thread-safe."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._jobs = ledger.jobs
        self._shares = ledger.job_shares
        self._now = now
        self._lock = threading.Lock()
        self._running: dict[Ulid, _Running] = {}
        self._over: set[Ulid] = set()  # of which a share is still written down

    @property
    def running(self) -> frozenset[Ulid]:
        """The jobs that run."""
        with self._lock:
            return frozenset(self._running)

    def storing(self) -> Counter[str]:
        """Count the results that are on the way to their places, by their mirror."""
        with self._lock:
            return Counter(
                one.target for one in self._running.values() if JobStage.STORING in one.began
            )

    def fetching(self, longer_than: timedelta) -> Counter[str]:
        """Count the documents that have been fetched for so long, by their mirror."""
        before = self._now() - longer_than
        with self._lock:
            return Counter(
                one.source
                for one in self._running.values()
                if not one.is_here and one.claimed_at is not None and one.claimed_at <= before
            )

    def lease_until(self) -> datetime:
        """Say until when a lease lasts that is given or renewed now."""
        return self._now() + LEASE

    def begin(self, job: JobRow) -> None:
        with self._lock:
            self._running[job.id] = _Running(job.mirror, job.target_mirror, job.claimed_at)

    def end(self, job: JobRow) -> None:
        with self._lock:
            one = self._running.pop(job.id, None)
            if one is not None and one.told is not None:
                self._over.add(job.id)

    def fetches(self, job: JobRow, total: int, done: int) -> None:
        """Note how many bytes of a document are here, of so many."""
        with self._lock:
            self._running[job.id].share = Share(JobStage.DOWNLOADING, min(done, total), total)

    def fetched(self, job: JobRow) -> None:
        """Note that its document, or its result, is at hand."""
        with self._lock:
            self._running[job.id].is_here = True

    def converts(self, job: JobRow, converters: int = 1) -> None:
        """
        Note that its converter, the first of so many, has the document.

        At once where an attempt has failed before: if this one ends docferry itself, it must
        be known that the document was being converted.
        """
        self._comes_to(job, JobStage.CONVERTING)
        with self._lock:
            share = Share(JobStage.CONVERTING, 0, converters) if converters > 1 else None
            self._running[job.id].share = share
        if job.last_error is not None:
            self._tell({job.id})

    def passes_on(self, job: JobRow) -> None:
        """Note that one more converter of its chain has made what it promises."""
        with self._lock:
            one = self._running[job.id]
            if one.share is not None:
                one.share = replace(one.share, done=one.share.done + 1)

    def made(self, job: JobRow) -> None:
        """
        Note that its result is there: it waits for its place, be it for long.

        Should docferry end meanwhile, the document was in no converter's hands.
        """
        self._comes_to(job, JobStage.STORING)

    def stores(self, intended: Sequence[Intended]) -> None:
        """
        Write down which results are about to be put to their places.

        Raises:
            TemporaryError: It could not be written: then they must not be put there.
        """
        self._jobs.about_to_put(intended, self._now())

    def began(self, job: JobRow) -> dict[JobStage, datetime]:
        """Say when each stage began that *job* has come to."""
        with self._lock:
            return dict(self._running[job.id].began)

    def renew(self) -> None:
        """Renew the leases of all running jobs."""
        with self._lock:
            running = list(self._running)
        if running:
            self._jobs.renew(running, self.lease_until())

    def tell(self) -> None:
        """Write down which stages have lasted, and how much of theirs jobs have done since."""
        before = self._now() - LASTED
        with self._lock:
            lasting = {
                job
                for job, one in self._running.items()
                if one.since is not None and one.since <= before
            }
        self._tell(lasting)
        self._tell_shares(before)

    def _comes_to(self, job: JobRow, stage: JobStage) -> None:
        with self._lock:
            one = self._running[job.id]
            one.stage = stage
            one.since = one.began[stage] = self._now()

    def _tell_shares(self, before: datetime) -> None:
        """Write down what has changed of those that run since *before*: most are over by then."""
        with self._lock:
            new = {
                job: one.share
                for job, one in self._running.items()
                if one.share not in (None, one.told)
                and one.claimed_at is not None
                and one.claimed_at <= before
            }
            shares = {job: share for job, share in new.items() if share is not None}
            for job, share in shares.items():
                self._running[job].told = share
            over, self._over = self._over, set()
        if over:
            self._shares.remove(over)
        if shares:
            self._shares.put(shares)

    def _tell(self, jobs: Collection[Ulid]) -> None:
        for job in jobs:
            with self._lock:
                one = self._running.get(job)
                if one is None or one.stage is None or one.since is None:
                    continue
                stage, since, claimed_at = one.stage, one.since, one.claimed_at
                one.stage = None
            self._jobs.advance(job, stage, since, self.lease_until(), claimed_at=claimed_at)
