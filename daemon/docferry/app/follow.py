"""A document followed to its end: what becomes of its jobs, as the ledger tells it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path as FolderPath

from docferry.app.process import IdentifierType, document
from docferry.app.wake import next_look_s
from docferry.config import Config
from docferry.core.following import End, Followed, Step, end_of, steps_of
from docferry.core.paths import is_plain
from docferry.errors import NotFoundError
from docferry.job import JobRow
from docferry.ledger import Ledger
from docferry.ledger.lock import is_held
from docferry.model import Path, Ulid, VersionRow
from docferry.storage.local_content import token_of


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
    """

    def __init__(
        self,
        config: Config,
        timeout_s: float | None,
        wait: Callable[[float], None] = time.sleep,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state_dir = config.state_dir
        self._timeout_s = timeout_s
        self._wait = wait
        self._clock_s = clock_s
        self._began_s = clock_s()
        self.why = ""  #: there is no further look

    def again(self) -> bool:
        """Pause until the next look; False: there is none, see `why`."""
        waited_s = self._clock_s() - self._began_s
        left_s = None if self._timeout_s is None else self._timeout_s - waited_s
        if is_held(self._state_dir) is None:
            self.why = "docferry is not running: it goes on when it does"
        elif left_s is not None and left_s <= 0:
            self.why = f"it is not over after {self._timeout_s:g} s, and goes on"
        else:
            pause_s = next_look_s(waited_s)
            self._wait(pause_s if left_s is None else min(pause_s, left_s))
        return not self.why


def follow(ledger: Ledger, jobs: Sequence[Ulid], looks: Looks) -> Iterator[Step | Verdict]:
    """Yield what becomes of *jobs*, each step once, and at last how it ended."""
    told: set[Step] = set()
    arrived: dict[Ulid, datetime] = {}
    while True:
        found = _look(ledger, jobs, arrived)
        steps = [step for one in found for step in steps_of(one)]
        yield from (step for step in sorted(steps, key=lambda one: one.at) if step not in told)
        told.update(steps)
        end = end_of(found)
        if end is not None:
            yield Verdict(end, tuple(found))
            return
        if not looks.again():
            yield Verdict(End.LATE, tuple(found), looks.why)
            return


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
        NotFoundError: There is none; or the folder has it, and the time was over.
        ConflictError: There are several.
    """
    while True:
        try:
            found = document(ledger, mirrors, identifier, by)
        except NotFoundError:
            if not _are_any(config, mirrors, identifier):
                raise
        else:
            if by is IdentifierType.ID or not _is_other(config, ledger, found):
                return found
        if not looks.again():
            raise NotFoundError(
                f"the folder has {identifier!r}, and docferry has not taken it in: {looks.why}"
            )


def look(ledger: Ledger, job: JobRow) -> Followed:
    """Give a job with when both sides had its result."""
    followed = Followed(job.id, job)
    if not followed.awaits_result:
        return followed
    return replace(followed, arrived_at=_arrived_at(ledger, job))


def _look(ledger: Ledger, jobs: Sequence[Ulid], arrived: dict[Ulid, datetime]) -> list[Followed]:
    rows = {row.id: row for row in ledger.job_pages.some([*dict.fromkeys(jobs)])}
    found = [Followed(one, rows.get(one), arrived.get(one)) for one in dict.fromkeys(jobs)]
    for one in found:
        if one.awaits_result and one.job is not None:
            at = _arrived_at(ledger, one.job)
            if at is not None:
                arrived[one.id] = at
    return [Followed(one.id, one.job, arrived.get(one.id)) for one in found]


def _arrived_at(ledger: Ledger, job: JobRow) -> datetime | None:
    """Say when both sides had a result, also if it was changed since; None: they have not."""
    assert job.result_path is not None
    state = ledger.synced.get(job.target_mirror, [job.result_path]).get(job.result_path)
    if state is not None and state.sha256 == job.result_sha256:
        version = ledger.versions.get(state.version)
        return job.finished_at if version is None else version.created_at
    rows = ledger.versions.of(job.target_mirror, job.result_path)
    since = job.storing_at or job.claimed_at
    times = [
        row.created_at
        for row in rows
        if row.sha256 == job.result_sha256 and row.agreed and (not since or row.created_at >= since)
    ]
    return max(times, default=None)


def _are_any(config: Config, mirrors: Collection[str], path: Path) -> bool:
    """Say whether a folder has something there that docferry may be about to take in."""
    return any(_in_folder(config, mirror, path) is not None for mirror in mirrors)


def _is_other(config: Config, ledger: Ledger, version: VersionRow) -> bool:
    """Say whether the folder has another content there than docferry knows of."""
    at = _in_folder(config, version.mirror, version.path)
    state = ledger.synced.get(version.mirror, [version.path]).get(version.path)
    if at is None or state is None or state.version != version.id:
        return False
    try:
        return token_of(at.stat(follow_symlinks=False)) != state.local_token
    except OSError:
        return False  # nothing is known of it from here


def _in_folder(config: Config, mirror: str, path: Path) -> FolderPath | None:
    at = config.mirrors[mirror].local / path.strip("/")
    try:
        return at if is_plain(path.strip("/")) and at.is_file() else None
    except (OSError, ValueError):
        return None
