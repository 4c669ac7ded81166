"""A document followed to its end: what becomes of its jobs, as the ledger tells it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from docferry.app.local_names import in_folder
from docferry.app.mirror_orders import why_nothing_travels
from docferry.app.process import IdentifierType, document
from docferry.app.wake import next_look_s
from docferry.config import Config
from docferry.core.following import (
    OVER,
    End,
    Followed,
    Step,
    arrival_of,
    end_of,
    share_of,
    steps_of,
)
from docferry.errors import NotFoundError, TemporaryError
from docferry.job import BreakerState, JobRow, JobState, Share
from docferry.ledger import Ledger
from docferry.ledger.lock import is_held
from docferry.model import Path, Ulid, VersionRow
from docferry.storage.local_content import token_of

#: Who waits hears after so long what keeps it waiting.
TOLD_AFTER_S = 2.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it ended; *why* there was no waiting any more, if it has not."""

    end: End
    jobs: tuple[Followed, ...]
    why: str = ""


class Looks:
    """
    Paces who looks again and again for what becomes of something.

    Args:
        timeout_s: Since now; None: as long as it takes.
        wait, clock_s: What pauses, and what tells how long it was.
        tell: Told once, soon, what keeps it waiting; who waits may do something about that.
    """

    def __init__(
        self,
        config: Config,
        timeout_s: float | None,
        wait: Callable[[float], None] = time.sleep,
        clock_s: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda cause: None,
    ) -> None:
        self._state_dir = config.state_dir
        self._timeout_s = timeout_s
        self._wait = wait
        self._clock_s = clock_s
        self._tell = tell
        self._began_s = clock_s()
        self._told = ""
        self.why = ""  #: there is no further look

    def again(self, cause: Callable[[], str | None] = lambda: None) -> bool:
        """
        Pause until the next look; False: there is none, see `why`.

        Args:
            cause: Says what keeps it waiting, as far as is known.
        """
        waited_s = self._clock_s() - self._began_s
        left_s = None if self._timeout_s is None else self._timeout_s - waited_s
        if is_held(self._state_dir) is None:
            self.why = "docferry is not running: it goes on when it does"
        elif left_s is not None and left_s <= 0:
            why = cause()
            how = "and goes on" if why is None else f"for {why}"
            self.why = f"it is not over after {self._timeout_s:g} s, {how}"
        else:
            self._tell_soon(waited_s, cause)
            pause_s = next_look_s(waited_s)
            self._wait(pause_s if left_s is None else min(pause_s, left_s))
        return not self.why

    def _tell_soon(self, waited_s: float, cause: Callable[[], str | None]) -> None:
        if waited_s < TOLD_AFTER_S or self._told:
            return
        self._told = cause() or ""
        if self._told:
            self._tell(f"it waits: {self._told}")


def follow(
    ledger: Ledger,
    jobs: Sequence[Ulid],
    looks: Looks,
    *,
    asked_at: datetime | None = None,
    begun: Sequence[Step] = (),
    show: Callable[[Followed], None] = lambda job: None,
) -> Iterator[Step | Verdict]:
    """
    Yield what becomes of *jobs*, each step once, and at last how it ended.

    Args:
        asked_at: See `steps_of`.
        begun: Steps of before, which have their place among those that have happened by now.
        show: Told again and again of jobs that run.
    """
    told: set[Step] = set()
    arrived: dict[Ulid, datetime] = {}
    while True:
        found = _look(ledger, jobs, arrived)
        steps = [*begun, *(step for one in found for step in steps_of(one, asked_at))]
        yield from (step for step in sorted(steps, key=lambda one: one.at) if step not in told)
        told.update(steps)
        for one in found:
            if one.job is not None and one.job.state is JobState.RUNNING:
                show(replace(one, share=_share(ledger, one.job)))
        end = end_of(found)
        if end is not None:
            yield Verdict(end, tuple(found))
            return
        if not looks.again(partial(why_they_wait, ledger, found)):
            yield Verdict(End.LATE, tuple(found), looks.why)
            return


def why_asked_wait(config: Config, ledger: Ledger, jobs: Sequence[JobRow]) -> str | None:
    """Say what keeps *jobs* waiting that were just asked for; None: nothing that is known of."""
    if all(job.state in OVER for job in jobs):
        return None
    if is_held(config.state_dir) is None:
        return "docferry is not running: it is done when it does"
    return why_they_wait(ledger, [Followed(job.id, job) for job in jobs])


def why_they_wait(ledger: Ledger, jobs: Sequence[Followed]) -> str | None:
    """Say what keeps conversions, or their results, waiting, beside others before them."""
    rows = [one.job for one in jobs if one.job is not None and one.end is None]
    for mirror in dict.fromkeys(row.target_mirror for row in rows):
        if (why := why_nothing_travels(ledger, mirror)) is not None:
            return f"{mirror}: {why}"
    wanted = {name for row in rows for name in row.converter.split("+")}
    for one in ledger.converters.all():
        if one.name in wanted and one.state is not BreakerState.CLOSED:
            return f"converter {one.name} does not work: {one.reason or 'see docferry status'}"
    return None


def await_document(
    config: Config,
    ledger: Ledger,
    mirrors: Collection[str],
    identifier: str,
    by: IdentifierType | None,
    looks: Looks,
) -> VersionRow:
    """
    Give the document that is meant, once docferry knows it as the folder has it now.

    Raises:
        NotFoundError: There is none.
        TemporaryError: The folder has it, and the time was over.
        ConflictError: There are several.
    """
    while True:
        try:
            found = document(ledger, mirrors, identifier, by)
        except NotFoundError:
            waiting = [one for one in mirrors if in_folder(config, one, identifier) is not None]
            if not waiting:
                raise
        else:
            if by is IdentifierType.ID or not _is_other(config, ledger, found):
                return found
            waiting = [found.mirror]
        if not looks.again(partial(_why_not_taken, ledger, waiting)):
            raise TemporaryError(
                f"the folder of {', '.join(waiting)} has {identifier!r}, and docferry has not "
                f"taken it in as it is now: {looks.why}"
            )


def _why_not_taken(ledger: Ledger, mirrors: Sequence[str]) -> str | None:
    causes = (why_nothing_travels(ledger, one) for one in mirrors)
    return next((one for one in causes if one is not None), None)


def look(ledger: Ledger, job: JobRow) -> Followed:
    """Give a job with when both sides had its result, and how much of its stage is done."""
    followed = Followed(job.id, job, share=_share(ledger, job))
    if not followed.awaits_result:
        return followed
    return replace(followed, arrived_at=_arrived_at(ledger, job))


def results_gone(ledger: Ledger, jobs: Sequence[JobRow]) -> list[Path]:
    """Give the places of results of *jobs* that hold something else by now, or nothing."""
    gone = []
    for job in jobs:
        if job.result_path is None:
            continue
        there = ledger.synced.get(job.target_mirror, [job.result_path]).get(job.result_path)
        if there is None or there.sha256 != job.result_sha256:
            gone.append(job.result_path)
    return gone


def _look(ledger: Ledger, jobs: Sequence[Ulid], arrived: dict[Ulid, datetime]) -> list[Followed]:
    rows = {row.id: row for row in ledger.job_pages.some([*dict.fromkeys(jobs)])}
    found = [Followed(one, rows.get(one), arrived.get(one)) for one in dict.fromkeys(jobs)]
    for one in found:
        if one.awaits_result and one.job is not None:
            at = _arrived_at(ledger, one.job)
            if at is not None:
                arrived[one.id] = at
    return [Followed(one.id, one.job, arrived.get(one.id)) for one in found]


def _share(ledger: Ledger, job: JobRow) -> Share | None:
    is_running = job.state is JobState.RUNNING
    return share_of(job, ledger.job_shares.of(job.id)) if is_running else None


def _arrived_at(ledger: Ledger, job: JobRow) -> datetime | None:
    """Say when both sides had a result, also if it was changed since; None: they have not."""
    assert job.result_path is not None
    state = ledger.synced.get(job.target_mirror, [job.result_path]).get(job.result_path)
    if state is not None and state.sha256 == job.result_sha256:
        version = ledger.versions.get(state.version)
        return job.finished_at if version is None else arrival_of(job, version.created_at)
    rows = ledger.versions.of(job.target_mirror, job.result_path)
    since = job.storing_at or job.claimed_at
    times = [
        row.created_at
        for row in rows
        if row.sha256 == job.result_sha256 and row.agreed and (not since or row.created_at >= since)
    ]
    return arrival_of(job, max(times)) if times else None


def _is_other(config: Config, ledger: Ledger, version: VersionRow) -> bool:
    """Say whether the folder has another content there than docferry knows of."""
    at = in_folder(config, version.mirror, version.path)
    state = ledger.synced.get(version.mirror, [version.path]).get(version.path)
    if at is None or state is None or state.version != version.id:
        return False
    try:
        return token_of(at.stat(follow_symlinks=False)) != state.local_token
    except OSError:
        return False  # nothing is known of it from here
