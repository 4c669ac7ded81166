"""
Worker threads: take jobs from the ledger, convert, put the results where they belong.

A job's result is an ordinary file in the target mirror's folder; that mirror's loop
carries it up. Every step may be repeated: a job whose worker died is done again under
the same name, and a result that is there already is left as it is.
"""

from __future__ import annotations

import hashlib
import pathlib
import random
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from docferry.convert import ConversionStoppedError, Converter, Limits
from docferry.core.rules import Again, GiveUp, after_failure
from docferry.errors import DocferryError, PermanentError, StaleError, TemporaryError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import JOB_SECONDS, JOBS_ENDED
from docferry.model import Attributes, FileState, JobRow, JobState, Path, Ulid
from docferry.storage.base import Content, Storage
from docferry.storage.memory import BytesContent

log = get_logger(__name__)

#: Opens the content of a version, wherever it is now. StaleError: it is nowhere.
OpenVersion: TypeAlias = Callable[[str, Path, Ulid], Content]
#: Puts a job's result into its target mirror's folder and gives the path there.
PutResult: TypeAlias = Callable[[JobRow, bytes], Path]

#: Beyond a conversion's own time: to fetch a large version, to put the result.
_LEASE_MARGIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Conversion:
    """How the jobs of one rule are done."""

    converter: Converter
    limits: Limits
    max_attempts: int


class Worker:
    """
    Threads that do the ledger's jobs.

    Args:
        conversions: By rule's name.
        folder: Where versions are staged for their conversion. It is emptied at the start.
        threads: How many documents are converted at a time.
        idle_s: How often the ledger is asked when nothing woke the worker: a job that
            waits for its next attempt starts up to this much later.
    """

    def __init__(
        self,
        ledger: Ledger,
        conversions: Mapping[str, Conversion],
        *,
        open_version: OpenVersion,
        put_result: PutResult,
        folder: pathlib.Path,
        threads: int = 2,
        idle_s: float = 2.0,
    ) -> None:
        self._jobs = ledger.jobs
        self._conversions = conversions
        self._open_version = open_version
        self._put_result = put_result
        self._folder = folder
        self._idle_s = idle_s
        self._lease = _LEASE_MARGIN + timedelta(
            seconds=max((c.limits.timeout_s for c in conversions.values()), default=0.0)
        )
        self._news = 0  # grows with every reason to ask the ledger
        self._changed = threading.Condition()
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """
        Begin.

        Nobody else works on this ledger: what is running there was left by a daemon
        that is gone, and is queued again at once.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        for job in self._jobs.all(JobState.RUNNING):
            self._jobs.again(job.id, datetime.now(UTC), "the daemon was ended while it ran")
            log.warning("job.requeued", **_facts(job))
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for jobs now: there are new ones."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def requeue_expired(self) -> None:
        """Queue the jobs that nobody finished in time. For a timer."""
        count = self._jobs.requeue_expired(datetime.now(UTC))
        if count:
            log.warning("job.expired", jobs=count)
            self.wake()

    def stop(self, timeout_s: float) -> None:
        """
        End the running conversions and wait up to *timeout_s* for the threads.

        The interrupted jobs stay in the ledger and are done after the next start.
        """
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        for conversion in self._conversions.values():
            conversion.converter.stop()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    # The threads.

    def _run(self) -> None:
        while not self._is_stopping:
            seen, job = self._news, None
            try:
                job = self._claim()
                if job is not None:
                    self._do(job)
            except DocferryError as error:
                log.warning("worker.failed", job=job and job.id, reason=str(error))
                job = None
            except Exception:  # one job, here: the ledger could not be asked or told
                log.exception("worker.failed", job=job and job.id)
                job = None  # its lease brings it back
            if job is None:
                self._rest(seen)

    def _rest(self, seen: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping or self._news != seen, self._idle_s)

    def _claim(self) -> JobRow | None:
        now = datetime.now(UTC)
        return self._jobs.claim(now, now + self._lease)

    def _do(self, job: JobRow) -> None:
        conversion = self._conversions.get(job.rule)
        if conversion is None:
            self._bury(job, f"its rule {job.rule!r} is not in the configuration any more")
            return
        started_s = time.monotonic()
        try:
            result_path = self._put_result(job, self._convert(job, conversion))
        except ConversionStoppedError as error:
            self._jobs.again(job.id, datetime.now(UTC), str(error))
            log.info("job.stopped", **_facts(job))
        except DocferryError as error:
            self._failed(job, conversion, error)
        except Exception as error:  # one job: a bug with one document must not stop the others
            log.exception("worker.failed", **_facts(job))
            self._failed(job, conversion, PermanentError(f"{type(error).__name__}: {error}"))
        else:
            self._done(job, result_path, time.monotonic() - started_s)

    def _convert(self, job: JobRow, conversion: Conversion) -> bytes:
        folder = self._folder / job.id
        try:
            source = self._stage(job, folder)
            return conversion.converter.convert(source, limits=conversion.limits)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _stage(self, job: JobRow, folder: pathlib.Path) -> pathlib.Path:
        """Copy the version's content to where the converter may do with it what it likes."""
        staged = folder / job.path.rpartition("/")[2]
        digest = hashlib.sha256()
        with self._open_version(job.mirror, job.path, job.version) as content:
            try:
                folder.mkdir(parents=True, mode=0o700)
                with staged.open("xb") as file:
                    for part in content.parts():
                        digest.update(part)
                        file.write(part)
            except OSError as error:
                raise TemporaryError(f"cannot stage {job.path} in {folder}: {error}") from error
            content.confirm()
        if digest.hexdigest() != job.sha256:
            raise StaleError(f"the content of {job.path}, version {job.version}, is not to be had")
        return staged

    def _done(self, job: JobRow, result_path: Path, took_s: float) -> None:
        self._jobs.finish(job.id, datetime.now(UTC), result_path)
        JOBS_ENDED.labels(job.rule, "done").inc()
        JOB_SECONDS.labels(job.rule).observe(took_s)
        log.info("job.done", **_facts(job), result=result_path, took_s=round(took_s, 3))

    def _failed(self, job: JobRow, conversion: Conversion, error: DocferryError) -> None:
        now = datetime.now(UTC)
        match after_failure(
            error,
            attempts=job.attempts,
            max_attempts=conversion.max_attempts,
            now=now,
            jitter=random.random(),
        ):
            case Again(run_at=run_at):
                self._jobs.again(job.id, run_at, str(error))
                JOBS_ENDED.labels(job.rule, "failed").inc()
                log.warning("job.failed", **_facts(job), reason=str(error), again_at=run_at)
            case GiveUp(reason=reason):
                self._bury(job, reason)

    def _bury(self, job: JobRow, reason: str) -> None:
        self._jobs.dead(job.id, datetime.now(UTC), reason)
        JOBS_ENDED.labels(job.rule, "dead").inc()
        log.error("job.dead", **_facts(job), reason=reason)


def put_file(storage: Storage, path: Path, content: bytes) -> None:
    """
    Make *path* hold *content*, unless it does already.

    Raises:
        PermanentError: Something else is there; it is left alone.
    """
    wanted = BytesContent(content)
    try:
        storage.write(path, wanted, Attributes(sha256=wanted.sha256()), expect=None)
    except StaleError as error:
        if not _holds(storage, path, wanted):
            raise PermanentError(
                f"cannot put the result to {path}: another file is there; move it away"
            ) from error


def _holds(storage: Storage, path: Path, wanted: Content) -> bool:
    found = storage.stat(path)
    if not isinstance(found, FileState) or found.size != wanted.size:
        return False
    with storage.read(path, found.token) as content:
        return content.sha256() == wanted.sha256()


def _facts(job: JobRow) -> dict[str, str | int]:
    return {
        "job": job.id,
        "rule": job.rule,
        "mirror": job.mirror,
        "path": job.path,
        "attempt": job.attempts,
    }
