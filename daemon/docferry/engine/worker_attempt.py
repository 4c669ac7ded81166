"""One attempt at a job: fetch, convert, put, and write down what came of it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from docferry.convert import leftovers
from docferry.convert.base import ConversionError, ConversionStoppedError
from docferry.core.failures import Again, Failed, GiveUp, Skip, after_failure, lost_too_often
from docferry.core.results import is_of_types
from docferry.engine.put_result import (
    InTheWayError,
    OutdatedError,
    Put,
    PutEnd,
    PutResults,
    Result,
    result_in,
)
from docferry.engine.stage import GoneError, Stage
from docferry.engine.worker_chain import Broken, Conversion, Produced, run_chain
from docferry.engine.worker_converters import Converters
from docferry.engine.worker_failures import failed_converting
from docferry.engine.worker_progress import Progress
from docferry.engine.worker_room import Room
from docferry.engine.worker_shared import SharedResults
from docferry.errors import DocferryError, FullError, PermanentError, ReadOnlyError
from docferry.job import Failure, Finished, JobRow
from docferry.ledger import Ledger
from docferry.logs import about, get_logger
from docferry.metrics import CONVERTER_CALLS, JOB_SECONDS, JOB_WAIT_SECONDS, JOBS_ENDED
from docferry.model import Path, VersionRow

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hands:
    """
    What an attempt works with.

    Args:
        conversions: By rule's name.
        folder: Where documents are staged, each job in a folder of its own.
        jitter: Gives a random number in [0, 1).
        room: Told of disks that are full, and that are so no more.
    """

    ledger: Ledger
    conversions: Mapping[str, Conversion]
    converters: Converters
    stage: Stage
    results: PutResults
    shared: SharedResults
    progress: Progress
    folder: pathlib.Path
    now: Callable[[], datetime]
    jitter: Callable[[], float]
    room: Room


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that is to be done, and what the ledger told of it when it was claimed."""

    job: JobRow
    version: VersionRow | None  #: of the document; None: it is known no more
    twin: JobRow | None  #: who has made the same; None: nobody had


@dataclass(frozen=True, slots=True)
class Made:
    """A result that is to be put to its place."""

    job: JobRow
    result: Result
    note: str | None
    twin: JobRow | None = None  #: whose result it is; its own, where it had it before


@dataclass(frozen=True, slots=True)
class _Done:
    made: Made
    path: Path
    release: str


@dataclass(frozen=True, slots=True)
class _Skipped:
    failure: Failure
    reason: str


@dataclass(frozen=True, slots=True)
class _Failed:
    failed: Failed
    is_blamed: bool = False
    opens_at: datetime | None = None  #: when its converter is tried again


@dataclass(frozen=True, slots=True)
class _Dead:
    failed: Failed
    is_tried: bool = True  #: this time


@dataclass(frozen=True, slots=True)
class _Stopped:
    reason: str


_Ended = _Skipped | _Failed | _Dead | _Stopped  #: without a result


class Attempts:
    """Carries out jobs that are claimed. Thread-safe: it keeps no state."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._jobs = hands.ledger.jobs

    def run(self, claimed: Claimed) -> Made | None:
        """
        Do what is *claimed*, and give what came of it for `store`; None: it has ended already.

        Raises:
            DocferryError: That could not be written; its lease will bring it back.
        """
        job = claimed.job
        if job.attempts == 1 and job.claimed_at is not None:
            waited = job.claimed_at - job.run_at
            JOB_WAIT_SECONDS.labels(job.converter).observe(max(0.0, waited.total_seconds()))
        folder = self._hands.folder / job.id
        made: Made | None = None
        try:
            with about(job=job.id, version=job.version):
                ended = self._ended(claimed, folder)
            if isinstance(ended, Made):
                made = ended
                self._hands.progress.made(job)
            else:
                self._write_down(job, ended)
        finally:  # at last: to remove folders takes some disks longer than a conversion
            if made is None:
                leftovers.remove(folder)
        return made

    def store(self, made: Sequence[Made]) -> None:
        """
        Put what was made to its places, all in one mirror, and write down how that ended.

        Raises:
            DocferryError: That could not be written; their leases will bring them back.
        """
        try:
            ends = self._stored(made)
            self._done([end for end in ends if isinstance(end, _Done)])
            for one, end in zip(made, ends, strict=True):
                if not isinstance(end, _Done):
                    self._write_down(one.job, end)
        finally:
            for one in made:
                leftovers.remove(self._hands.folder / one.job.id)

    def _stored(self, made: Sequence[Made]) -> list[_Done | _Ended]:
        releases = [self._hands.conversions[one.job.rule].release for one in made]
        # A result that is shared was made by the same recipe: these programs, these versions.
        puts = [
            Put(one.job, one.result, release) for one, release in zip(made, releases, strict=True)
        ]
        try:
            ends = self._hands.results.put(puts, self._hands.progress.stores)
        except Exception as error:
            if len(made) > 1:  # one job must not stop the others
                return [end for one in made for end in self._stored([one])]
            log.exception("worker.failed", **facts(made[0].job))
            return [_own_fault(error)]
        self._note_room(made, ends)
        return [
            _not_stored(end) if isinstance(end, DocferryError) else _Done(one, end, release)
            for one, end, release in zip(made, ends, releases, strict=True)
        ]

    def _note_room(self, made: Sequence[Made], ends: Sequence[PutEnd]) -> None:
        for one, end in zip(made, ends, strict=True):
            if isinstance(end, FullError | ReadOnlyError):
                self._hands.room.lacks(one.job.target_mirror)
            elif not isinstance(end, DocferryError):
                self._hands.room.found(one.job.target_mirror)

    def _ended(self, claimed: Claimed, folder: pathlib.Path) -> Made | _Ended:
        job = claimed.job
        try:
            return self._do(claimed, self._hands.conversions[job.rule], folder)
        except (GoneError, OutdatedError) as error:
            return _Skipped(Failure.CHANGED, str(error))
        except ConversionStoppedError as error:
            return _Stopped(str(error))
        except PermanentError as error:
            return _Failed(Failed(Failure.OTHER, str(error), is_lasting=True))
        except DocferryError as error:
            if isinstance(error, FullError):
                self._hands.room.lacks(None)
            return _Failed(Failed(Failure.OTHER, str(error)))
        except Exception as error:  # one job: a bug with one document must not stop the others
            log.exception("worker.failed", **facts(job))
            return _own_fault(error)

    def _do(self, claimed: Claimed, conversion: Conversion, folder: pathlib.Path) -> Made | _Ended:
        hands, rule, job = self._hands, conversion.rule, claimed.job
        if (why := rule.why_outdated(job)) is not None:  # its backlog queues what is called for
            return _Skipped(Failure.CONFIGURATION, why)
        if job.failure is not None:
            hands.results.refuse_outdated(job)  # or it would be tried until it is a dead letter
        lost = lost_too_often(job.attempts, conversion.max_attempts, job.failure, job.last_error)
        if lost is not None:
            failed = Failed(lost.failure, lost.reason, job.output or "")
            return _Dead(failed, is_tried=False)
        if (shared := self._shared(claimed, folder)) is not None:
            hands.converters.give_back(job.id, conversion.converters)
            hands.progress.fetched(job)
            return shared
        count = partial(hands.progress.fetches, job, claimed.version.size if claimed.version else 0)
        staged = hands.stage.fetch(job, claimed.version, folder / "document", count)
        hands.room.found(None)
        hands.progress.fetched(job)
        if staged.mismatch is not None:
            log.warning("job.mistyped", **facts(job), reason=staged.mismatch)
        if not is_of_types(staged.document.media_type, rule.types):
            found = staged.document.media_type or "of no known type"
            return _Skipped(
                Failure.REFUSED, f"it is {found}: the rule takes {', '.join(rule.types)}"
            )
        if (why := hands.converters.enter(job.id, conversion.converters)) is not None:
            return _Stopped(why)
        hands.progress.converts(job, len(conversion.chain))
        works = partial(self._works, job)
        match run_chain(conversion, staged.document, folder, works=works):
            case Broken(converter=name, error=error):
                return self._broken(job, name, error)
            case Produced() as made:
                hands.converters.give_back(job.id, conversion.converters, worked=True)
                notes = [*([staged.mismatch] if staged.mismatch else []), *made.notes]
                return Made(job, result_in(made.file), "; ".join(notes) or None)

    def _shared(self, claimed: Claimed, folder: pathlib.Path) -> Made | None:
        """Take the result that there is of the same content by the same recipe."""
        job = claimed.job
        if job.is_forced:
            return None
        twin = job if job.result_sha256 is not None else claimed.twin
        if twin is None:
            return None
        result = self._hands.shared.fetch(twin, folder)
        return None if result is None else Made(job, result, twin.note, twin)

    def _works(self, job: JobRow, converter: str) -> None:
        self._hands.progress.passes_on(job)
        CONVERTER_CALLS.labels(converter, "done").inc()
        self._hands.converters.answers(converter)

    def _broken(self, job: JobRow, name: str, error: DocferryError) -> _Ended:
        """Find out whose failure it is."""
        if isinstance(error, ConversionStoppedError):
            return _Stopped(str(error))
        failed = failed_converting(error)
        if isinstance(error, ConversionError):
            CONVERTER_CALLS.labels(name, "failed").inc()
            self._hands.converters.answers(name)
            return _Failed(failed)
        if failed.failure not in (Failure.OUTAGE, Failure.CONFIGURATION):
            return _Failed(failed)
        CONVERTER_CALLS.labels(name, "outage").inc()
        is_blamed = self._hands.converters.is_to_blame(job.id, name, failed)
        return _Failed(failed, is_blamed, self._hands.converters.opens_at(name))

    # What came of it.

    def _write_down(self, job: JobRow, ended: _Ended) -> None:
        match ended:
            case _Skipped(failure=failure, reason=reason):
                self._skipped(job, failure, reason)
            case _Failed():
                self._failed(job, ended)
            case _Dead(failed=failed, is_tried=is_tried):
                self._dead(job, failed, counts=is_tried)
            case _Stopped(reason=reason):
                self._jobs.release(job.id, self._hands.now(), claimed_at=job.claimed_at)
                log.info("job.stopped", **facts(job), reason=reason)

    def _done(self, done: Sequence[_Done]) -> None:
        if not done:
            return
        now = self._hands.now()
        self._jobs.finish_all([self._finished(one, now) for one in done])
        for one in done:
            self._hands.converters.forget(one.made.job.id)
            self._tell_of(one, now)

    def _finished(self, done: _Done, now: datetime) -> Finished:
        job, twin = done.made.job, done.made.twin
        return Finished(
            job.id,
            now,
            done.path,
            done.made.result.sha256,
            note=done.made.note,
            release=done.release,
            shared_with=None if twin is None or twin.id == job.id else twin.id,
            began=self._hands.progress.began(job),
        )

    def _tell_of(self, done: _Done, now: datetime) -> None:
        job, twin = done.made.job, done.made.twin
        took_s = _took_s(job, now)
        result = "done" if twin is None else "shared"
        JOBS_ENDED.labels(job.rule, job.converter, result, "").inc()
        ended = facts(job) | {"result": done.path, "size_bytes": done.made.result.size}
        if twin is None:
            JOB_SECONDS.labels(job.converter).observe(max(0.0, took_s))
            log.info("job.done", **ended, took_s=took_s)
        else:
            log.info("job.shared", **ended, took_s=took_s, shared_with=twin.id)

    def _skipped(self, job: JobRow, failure: Failure, reason: str) -> None:
        self._jobs.skip(job.id, self._hands.now(), failure, reason, claimed_at=job.claimed_at)
        self._hands.converters.forget(job.id)
        JOBS_ENDED.labels(job.rule, job.converter, "skipped", failure.value).inc()
        log.info("job.skipped", **facts(job), reason=reason)

    def _failed(self, job: JobRow, ended: _Failed) -> None:
        failed = ended.failed
        match after_failure(
            failed,
            attempts=job.attempts,
            max_attempts=self._hands.conversions[job.rule].max_attempts,
            now=self._hands.now(),
            jitter=self._hands.jitter(),
            is_blamed=ended.is_blamed,
            opens_at=ended.opens_at,
        ):
            case Again(run_at=run_at, counts=counts):
                self._jobs.again(
                    job.id,
                    run_at,
                    failed,
                    counts=counts,
                    at=self._hands.now(),
                    claimed_at=job.claimed_at,
                )
                JOBS_ENDED.labels(job.rule, job.converter, "failed", failed.failure.value).inc()
                log.warning(
                    "job.failed",
                    **facts(job),
                    failure=failed.failure,
                    reason=failed.reason,
                    took_s=_took_s(job, self._hands.now()),
                    again_at=run_at,
                )
            case GiveUp(failure=failure, reason=reason):
                self._dead(job, Failed(failure, reason, failed.output))
            case Skip(reason=reason):
                self._skipped(job, failed.failure, reason)

    def _dead(self, job: JobRow, failed: Failed, *, counts: bool = True) -> None:
        now = self._hands.now()
        self._jobs.dead(job.id, now, failed, counts=counts, claimed_at=job.claimed_at)
        self._hands.converters.forget(job.id)
        JOBS_ENDED.labels(job.rule, job.converter, "dead", failed.failure.value).inc()
        log.error(
            "job.dead",
            **facts(job),
            failure=failed.failure,
            reason=failed.reason,
            took_s=_took_s(job, now),
        )


def _took_s(job: JobRow, now: datetime) -> float:
    """Give the seconds since it was claimed."""
    return round((now - (job.claimed_at or now)).total_seconds(), 3)


def _own_fault(error: Exception) -> _Failed:
    reason = f"a fault of docferry's own: {type(error).__name__}: {error}"
    return _Failed(Failed(Failure.OTHER, reason, is_lasting=True))


def _not_stored(error: DocferryError) -> _Ended:
    match error:
        case OutdatedError():
            return _Skipped(Failure.CHANGED, str(error))
        case InTheWayError():
            return _Dead(Failed(Failure.STORING, str(error)))
        case _:
            # Read-only it is for all: each would soon be a letter, for no fault of its own.
            is_own = not isinstance(error, ReadOnlyError)
            is_lasting = is_own and isinstance(error, PermanentError)
            return _Failed(Failed(Failure.STORING, str(error), is_lasting=is_lasting))


def facts(job: JobRow) -> dict[str, str | int]:
    """Give what every event about *job* tells."""
    return {
        "job": job.id,
        "rule": job.rule,
        "mirror": job.mirror,
        "path": job.path,
        "version": job.version,
        "attempts": job.attempts,
    }
