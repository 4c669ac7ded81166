"""
The worker: takes jobs from the ledger and has each done in a thread of its own.

A job's result is an ordinary file in the target mirror's folder; that mirror's loop
carries it up. Every step may be repeated: a job whose worker died is done again, and a
result that is there already is left as it is.
"""

from __future__ import annotations

import pathlib
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from docferry.convert import leftovers
from docferry.convert.base import Converter
from docferry.convert.kinds import tell_kind
from docferry.engine.put_result import PutResults, Target
from docferry.engine.rounds import going_round
from docferry.engine.stage import OpensVersions, Stage
from docferry.engine.worker_attempt import Attempts, Claimed, Hands, Made, facts
from docferry.engine.worker_chain import Conversion
from docferry.engine.worker_converters import LONG_FETCHED, Converters
from docferry.engine.worker_progress import Progress
from docferry.engine.worker_room import Room
from docferry.engine.worker_shared import SharedResults
from docferry.engine.worker_storing import Storing
from docferry.errors import DocferryError, TemporaryError
from docferry.job import BreakerState, ConverterRow, JobRow
from docferry.ledger import Ledger
from docferry.logs import get_logger

log = get_logger(__name__)

#: Documents, whatever the converters take; and so many results more that wait for their
#: places in one mirror: where that hangs, the others have their results all the same.
MOST_AT_ONCE = 64
MOST_LONG_FETCHED = 16  #: of one mirror, which may hang: no more of it are claimed then
RENEW_EVERY_S = 20.0  #: a third of a lease: two renewals may fail
TELL_EVERY_S = 1.0
IDLE_S = 2.0
REST_S = 5.0  #: a thread that has had no job for so long ends


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Worker:
    """
    Does the ledger's jobs.

    Args:
        conversions: By rule's name. Jobs of other rules are left alone.
        targets: The mirrors that results go to, by name.
        contents_of: Gives what opens the contents of a mirror's versions.
        folder: Where versions are staged for their conversion. It is emptied at the start.
        idle_s: How often the ledger is asked when nothing woke the worker: a job that
            waits for its next attempt starts up to this much later.
        now, jitter: The clock, and random numbers in [0, 1).
    """

    def __init__(
        self,
        ledger: Ledger,
        conversions: Mapping[str, Conversion],
        *,
        targets: Mapping[str, Target],
        contents_of: Callable[[str], OpensVersions],
        folder: pathlib.Path,
        idle_s: float = IDLE_S,
        now: Callable[[], datetime] = _utc_now,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ledger = ledger
        self._conversions = conversions
        self._targets = targets
        self._folder = folder
        self._idle_s = idle_s
        self._now = now
        self._progress = Progress(ledger, now)
        self._converters = Converters(
            _converters_of(conversions),
            now=now,
            jitter=jitter,
            put=self._put_state,
            on_up=self._revive,
            were_down={
                row.name: row.since
                for row in ledger.converters.all()
                if row.state is not BreakerState.CLOSED
            },
        )
        self._room = Room(now)
        self._attempts = Attempts(
            Hands(
                ledger,
                conversions,
                self._converters,
                Stage(contents_of, tell_kind),
                PutResults(ledger, targets),
                SharedResults(ledger, targets, contents_of),
                self._progress,
                folder,
                now,
                jitter,
                self._room,
            )
        )
        # By mirror: one that hangs holds up its own. None: who has made a result puts it.
        self._storing: dict[str, Storing] = {}
        self._news = 0  # grows with every reason to ask the ledger
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._is_retired = False
        self._gives_out = False  # while jobs may yet be claimed
        self._threads: set[threading.Thread] = set()
        self._given = threading.Condition()
        self._waiting: deque[Claimed] = deque()  # for a thread
        self._resting = 0  # threads that wait for a job, or are about to

    # For any thread.

    def prepare(self) -> None:
        """
        Take over from an earlier daemon.

        Nobody else works on this ledger: what is running there was left by a daemon
        that is gone, and is queued again at once.
        """
        leftovers.remove(self._folder)
        self._ledger.job_shares.clear()
        for job in self._ledger.jobs.requeue_running(self._now()):
            log.warning("job.requeued", **facts(job))

    def start(self, *, takes_over: bool = True) -> None:
        """Begin. Not *takes_over*: what runs is another worker's that is retired."""
        if takes_over:
            self.prepare()
        self._start_thread("worker-heart", going_round("the worker's heart")(self._beat))
        for mirror in self._targets:
            storing = self._storing[mirror] = Storing()
            self._start_thread(f"worker-store-{mirror}", partial(self._store_all, storing))
        self._gives_out = True
        self._start_thread("worker", going_round("the worker")(self._give_out))

    def wake(self) -> None:
        """Look for jobs now: there are new ones."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def renew(self) -> None:
        """
        Renew the leases of running jobs, and write down which of their stages have lasted.

        Raises:
            DocferryError: The ledger could not be told.
        """
        self._progress.tell()
        self._progress.renew()

    def requeue_expired(self) -> None:
        """Queue the jobs that nobody finished in time. For a timer."""
        self._progress.renew()  # first: after a standstill of the machine all are overdue
        count = self._ledger.jobs.requeue_expired(self._now())
        if count:
            log.warning("job.expired", jobs=count)
            self.wake()

    def runnable(self) -> list[str]:
        """Name the rules whose jobs are done as soon as it is their turn."""
        return [
            name
            for name, conversion in self._conversions.items()
            if self._converters.are_up(conversion.converters) and self._takes(conversion)
        ]

    def work_off(self) -> int:
        """
        Do what is due in the caller's thread, instead of `start`; give the number of attempts.

        Raises:
            DocferryError: The ledger could not be asked or told.
        """
        done = 0
        while jobs := self._claim(most=1):
            self._do(jobs[0])
            done += 1
        return done

    def retire(self) -> None:
        """Claim no more jobs, and see those through that are begun: another worker follows."""
        with self._changed:
            self._is_retired = True
            self._changed.notify_all()

    @property
    def is_at_work(self) -> bool:
        """Whether a job is begun, or may yet be."""
        return self._gives_out or bool(self._progress.running)

    def stop(self, timeout_s: float) -> bool:
        """
        End the running conversions and wait up to *timeout_s* for the threads. False: not all end.

        The interrupted jobs stay in the ledger and are done after the next start.
        """
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        with self._given:
            self._given.notify_all()
        self._converters.stop()
        for converter in _converters_of(self._conversions):
            converter.stop()
        for storing in self._storing.values():
            storing.close()
        deadline = time.monotonic() + timeout_s
        while threads := [thread for thread in list(self._threads) if thread.is_alive()]:
            threads[0].join(left_s := max(0.0, deadline - time.monotonic()))
            if not left_s:
                return False
        return True

    # The threads.

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            raise

    def _give_out(self) -> None:
        """Claim jobs, and hand each over to a thread."""
        try:
            while not self._claims_no_more():
                seen = self._news
                if not self._gave_out():
                    self._rest(seen)
        finally:
            self._gives_out = False

    def _claims_no_more(self) -> bool:
        return self._is_retired or self._stopping.is_set()

    def _rest(self, seen: int) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._claims_no_more() or self._news != seen, self._idle_s
            )

    def _gave_out(self) -> bool:
        with self._telling_faults():
            if jobs := self._claim():
                self._hand_over(jobs)
                return True
        return False

    def _hand_over(self, jobs: Sequence[Claimed]) -> None:
        """Give *jobs* to the threads that rest, and start as many more as it takes."""
        with self._given:
            self._waiting += jobs
            missing = len(self._waiting) - self._resting
            self._given.notify(len(jobs))
        for number in range(missing):
            try:
                self._start_thread("worker-hand", self._work)
            except RuntimeError as error:  # no more threads are to be had
                self._take_back(missing - number)
                raise TemporaryError(f"cannot start a thread for a job: {error}") from error
            with self._given:
                self._resting += 1

    def _take_back(self, most: int) -> None:
        """Leave up to so many of those that nobody does yet to their leases."""
        with self._given:
            left = [self._waiting.pop() for _ in range(min(most, len(self._waiting)))]
        for one in left:
            self._end(one.job)

    def _work(self) -> None:
        """Do what is handed over, until nothing has been for a while."""
        while (claimed := self._next_given()) is not None:
            threading.current_thread().name = f"worker-{claimed.job.id}"
            self._do_guarded(claimed)
            threading.current_thread().name = "worker-hand"
            with self._given:
                self._resting += 1

    def _next_given(self) -> Claimed | None:
        with self._given:
            self._given.wait_for(lambda: self._waiting or self._stopping.is_set(), REST_S)
            self._resting -= 1
            is_any = bool(self._waiting) and not self._stopping.is_set()
            return self._waiting.popleft() if is_any else None

    def _do_guarded(self, claimed: Claimed) -> None:
        with self._telling_faults(job=claimed.job.id):
            self._do(claimed)
        self.wake()

    def _store_all(self, storing: Storing) -> None:
        """Put the results of one mirror to their places as they come."""
        while made := storing.some():
            with self._telling_faults():
                self._store(made)
            self.wake()

    @contextmanager
    def _telling_faults(self, **facts: str) -> Iterator[None]:
        try:
            yield
        except DocferryError as error:  # the ledger could not be told: a lease brings it back
            log.warning("worker.failed", **facts, reason=str(error))
        except Exception:  # one job, or one round of this loop
            log.exception("worker.failed", **facts)

    def _beat(self) -> None:
        """Keep the leases of running jobs, and write down what lasts."""
        renewed_s = time.monotonic()
        while not self._stopping.is_set():
            self._stopping.wait(TELL_EVERY_S)
            with self._telling_faults():
                self._progress.tell()
                self._converters.tell()
                if time.monotonic() - renewed_s >= RENEW_EVERY_S:
                    self._progress.renew()
                    renewed_s = time.monotonic()

    # One job.

    def _claim(self, most: int = MOST_AT_ONCE) -> list[Claimed]:
        """Claim jobs that can be done now or soon, and their places at the converters."""
        running, storing = self._progress.running, self._progress.storing()
        most = min(most, MOST_AT_ONCE - len(running) + storing.total())
        fetching = self._progress.fetching(LONG_FETCHED)
        full = {mirror for mirror, count in storing.items() if count >= MOST_AT_ONCE}
        silent = {mirror for mirror, count in fetching.items() if count >= MOST_LONG_FETCHED}
        able = {
            name: conversion
            for name, conversion in self._conversions.items()
            if conversion.rule.to_mirror not in full and conversion.rule.from_mirror not in silent
        }
        jobs = self._ledger.jobs.claim_some(
            self._now(),
            self._progress.lease_until(),
            lambda claimed: self._free(claimed, able) if len(claimed) < most else (),
            # Queued again already, but with a folder here, and a place, that are to go first.
            but_not=running,
        )
        for job in jobs:
            chain = self._conversions[job.rule].converters
            self._converters.take(job.id, chain, job.doubted_at)
            self._room.try_for(job.target_mirror)
            self._progress.begin(job)
        try:
            return self._with_what_is_known(jobs)
        except BaseException:
            for job in jobs:  # their leases bring them back
                self._end(job)
            raise

    def _with_what_is_known(self, jobs: Sequence[JobRow]) -> list[Claimed]:
        """Ask the ledger for all of them at once what each attempt needs to know."""
        if not jobs:
            return []
        twins = self._ledger.jobs.twins(jobs)
        versions = self._ledger.versions.rows([job.version for job in jobs])
        return [Claimed(job, versions.get(job.version), twins.get(job.id)) for job in jobs]

    def _free(self, claimed: Sequence[str], able: Mapping[str, Conversion]) -> list[str]:
        """Name the rules of *able* of which one more job may be claimed, besides *claimed*."""
        if self._stopping.is_set():
            return []
        wanted = Counter(name for rule in claimed for name in self._conversions[rule].converters)
        targets = [self._conversions[rule].rule.to_mirror for rule in claimed]
        return [
            name
            for name, conversion in able.items()
            if self._converters.are_free(conversion.converters, wanted)
            and self._takes(conversion)
            and self._room.is_for(conversion.rule.to_mirror, targets)
        ]

    def _takes(self, conversion: Conversion) -> bool:
        target = self._targets.get(conversion.rule.to_mirror)
        return target is not None and target.trouble() is None

    def _do(self, claimed: Claimed) -> None:
        made: Made | None = None
        try:
            made = self._attempts.run(claimed)
        finally:
            if made is None:
                self._end(claimed.job)
        if made is not None:
            storing = self._storing.get(made.job.target_mirror)
            if storing is None or not storing.takes(made):
                self._store([made])
        self._converters.tell()

    def _store(self, made: Sequence[Made]) -> None:
        try:
            self._attempts.store(made)
        finally:
            for one in made:
                self._end(one.job)

    def _put_state(self, row: ConverterRow) -> None:
        """Let others know how a converter is: of a worker that is retired its successor tells."""
        if not self._is_retired:
            self._ledger.converters.put(row)

    def _end(self, job: JobRow) -> None:
        self._converters.give_back(job.id, self._conversions[job.rule].converters)
        self._progress.end(job)

    def _revive(self, converter: str, since: datetime) -> None:
        """Queue again what was given up on while *converter* was down."""
        count = self._ledger.jobs.revive((converter,), since, self._now())
        if count:
            log.info("job.revived", converter=converter, jobs=count)
            self.wake()


def _converters_of(conversions: Mapping[str, Conversion]) -> list[Converter]:
    """Give every converter once: rules share those of the same name, and their slots."""
    found = {one.name: one for conversion in conversions.values() for one in conversion.chain}
    return list(found.values())
