"""
The canary of one mirror: a small document that goes the whole way, again and again.

It is put into the folder and has to be in the bucket; there it is changed as others would
change it, and has to come back by the next poll; and what rules make of it has to be made.
It is late when it is not through by the time of the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from docferry.core.canary import CANARY_PATH, MOST_BYTES, Leg, is_canary, legs_of, text_for
from docferry.errors import DocferryError, PermanentError, TemporaryError
from docferry.job import JobRow, JobState
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import CANARIES_LATE, CANARY_BACK, CANARY_SECONDS
from docferry.model import Attributes, FileState, Mode, Path, Token, Ulid, Unknown, VersionRow
from docferry.storage.base import Content
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent

log = get_logger(__name__)

#: Among the mirror's problems; no file is called so.
PROBLEM = f"{CANARY_PATH} (the canary's way)"
_LOOK_EVERY_S = 0.25
_FINISHED = (JobState.DONE, JobState.SKIPPED)


class Bucket(Protocol):
    """What the canary does on the remote side."""

    def stat(self, path: Path) -> FileState | None: ...
    def read(self, path: Path, expect: Token) -> Content: ...
    def write_as_others(self, path: Path, body: bytes, *, expect: Token | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Way:
    """
    The way of one mirror's canary.

    is_open: Whether both sides have proven themselves, and answer.
    is_paused: Whether a person lets the mirror rest: then none flies, and none is late.
    is_converted: Whether a rule takes it.
    results_of: How many results rules call for of a version of it.
    """

    mirror: str
    mode: Mode
    local: LocalStorage
    remote: Bucket
    ledger: Ledger
    is_open: Callable[[], bool]
    is_paused: Callable[[], bool]
    results_of: Callable[[VersionRow], int]
    is_converted: Callable[[], bool]
    new_ulid: Callable[[], Ulid]


class Canary:
    """Lets a canary fly every *every_s*; all in a thread of its own, for a side may hang."""

    def __init__(self, way: Way, every_s: float) -> None:
        self.late = 0  #: in a row, up to now
        self._way = way
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"canary-{way.mirror}", daemon=True)

    def start(self) -> None:
        CANARIES_LATE.labels(self._way.mirror).set(0)
        self._way.ledger.problems.clear(self._way.mirror, [PROBLEM])  # of an earlier daemon
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Let no more fly, and forget what was measured."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        CANARIES_LATE.remove(self._way.mirror)
        for leg in Leg:
            CANARY_SECONDS.remove(self._way.mirror, leg)
        CANARY_BACK.remove(self._way.mirror)

    def _run(self) -> None:
        while not self._stopping.is_set():
            ends_s = time.monotonic() + self._every_s
            try:
                self._fly(ends_s)
            except _PausedError:
                self._rest()
                continue
            except DocferryError as error:
                self._is_late(str(error))
            except Exception:  # one flight: the next one must fly
                log.exception("canary.late", mirror=self._way.mirror, in_a_row=self.late + 1)
                self._is_late("a fault in docferry itself: see its log")
            self._stopping.wait(max(0.0, ends_s - time.monotonic()))

    def _fly(self, ends_s: float) -> None:
        flight = _Flight(self._way, self._every_s, ends_s, self._stopping)
        took_s = flight.fly()
        if self._stopping.is_set():
            return
        mirror = self._way.mirror
        for leg, leg_s in took_s.items():
            CANARY_SECONDS.labels(mirror, leg).set(leg_s)
        CANARY_BACK.labels(mirror).set_to_current_time()
        CANARIES_LATE.labels(mirror).set(0)
        if self.late:
            self._way.ledger.problems.clear(mirror, [PROBLEM])
        self.late = 0
        took = {f"{leg}_s": round(leg_s, 3) for leg, leg_s in took_s.items()}
        log.info("canary.back", mirror=mirror, took_s=round(sum(took_s.values()), 3), **took)

    def _rest(self) -> None:
        """Wait until the mirror goes on. What was late before says nothing of now."""
        self.late = 0
        CANARIES_LATE.labels(self._way.mirror).set(0)
        with suppress(DocferryError):  # the next flight clears it
            self._way.ledger.problems.clear(self._way.mirror, [PROBLEM])
        while self._way.is_paused() and not self._stopping.is_set():
            self._stopping.wait(_LOOK_EVERY_S)

    def _is_late(self, reason: str) -> None:
        if self._stopping.is_set():
            return
        mirror = self._way.mirror
        self.late += 1
        CANARIES_LATE.labels(mirror).set(self.late)
        log.warning("canary.late", mirror=mirror, in_a_row=self.late, reason=reason)
        self._way.ledger.problems.put(
            mirror, PROBLEM, kind="canary", message=reason, at=datetime.now(UTC), retry_at=None
        )


class _Flight:
    """One flight, which has to end by *ends_s* (monotonic)."""

    def __init__(self, way: Way, every_s: float, ends_s: float, stopping: threading.Event) -> None:
        self._way = way
        self._every = timedelta(seconds=every_s)
        self._ends_s = ends_s
        self._stopping = stopping
        self._id = way.new_ulid()

    def fly(self) -> dict[Leg, float]:
        """
        Go the whole way; give the seconds that each leg took.

        Raises:
            DocferryError: It is late, or cannot fly; says on which leg, and why.
        """
        way, took_s = self._way, dict[Leg, float]()
        self._wait("the start", way.is_open, "the mirror is not in order: docferry status")
        for leg in legs_of(way.mode, is_converted=way.is_converted()):
            began_s = time.monotonic()
            match leg:
                case Leg.UP:
                    self._up(text_for(leg, self._id, self._every))
                case Leg.DOWN:
                    self._down(text_for(leg, self._id, self._every))
                case Leg.CONVERT:
                    self._wait("what is made of it", self._is_converted, "the conversions wait")
            took_s[leg] = time.monotonic() - began_s
        return took_s

    def _up(self, text: bytes) -> None:
        self._wait("the folder", lambda: self._put_here(text), "its file is not in step")
        self._wait("the bucket", lambda: self._there() == text, "it is not in the bucket")

    def _down(self, text: bytes) -> None:
        self._wait("the bucket", lambda: self._put_there(text), "its object keeps changing")
        self._wait("the folder", lambda: self._here() == text, "it has not come back")

    def _put_here(self, text: bytes) -> bool:
        """Put it where a person would; False: the last one is still on its way."""
        way = self._way
        found = way.local.stat(CANARY_PATH)
        if isinstance(found, Unknown):
            raise PermanentError(f"{CANARY_PATH}: {found.reason}")
        if not self._is_in_step():
            return False  # both sides would be edited: a conflict, each time
        if found is None:
            self._own()
            way.local.write(CANARY_PATH, BytesContent(text), Attributes(), expect=None)
            return True
        synced = way.ledger.synced.get(way.mirror, [CANARY_PATH]).get(CANARY_PATH)
        if synced is None or synced.local_token != found.token:
            return False
        self._own()
        way.local.write(
            CANARY_PATH,
            BytesContent(text),
            Attributes(),
            expect=found.token,
            archive=Attributes(version=synced.version, sha256=synced.sha256, path=CANARY_PATH),
        )
        return True

    def _put_there(self, text: bytes) -> bool:
        """Put it where others would; False: likewise."""
        found = self._way.remote.stat(CANARY_PATH)
        if not self._is_in_step():
            return False
        token = None if found is None else found.token
        self._own()
        self._way.remote.write_as_others(CANARY_PATH, text, expect=token)
        return True

    def _is_in_step(self) -> bool:
        """
        Raises:
            PermanentError: There is a document of somebody's, whose versions are no canary's.
        """
        here, there = self._here(), self._there()
        if any(content is not None and not is_canary(content) for content in (here, there)):
            self._way.ledger.canaries.disown(self._way.mirror, CANARY_PATH)
            raise PermanentError(
                f"{CANARY_PATH} is a document of somebody's: rename it, or take `canary` out of "
                "the configuration"
            )
        return here == there

    def _own(self) -> None:
        self._way.ledger.canaries.own(self._way.mirror, CANARY_PATH, self._id)

    def _here(self) -> bytes | None:
        found = self._way.local.stat(CANARY_PATH)
        if not isinstance(found, FileState):
            return None
        with self._way.local.read(CANARY_PATH, found.token) as content:
            return _beginning(content)

    def _there(self) -> bytes | None:
        found = self._way.remote.stat(CANARY_PATH)
        if found is None:
            return None
        with self._way.remote.read(CANARY_PATH, found.token) as content:
            return _beginning(content)

    def _is_converted(self) -> bool:
        """Say whether all that rules call for is made, and note whose results these are."""
        way = self._way
        synced = way.ledger.synced.get(way.mirror, [CANARY_PATH]).get(CANARY_PATH)
        version = None if synced is None else way.ledger.versions.get(synced.version)
        if version is None:
            return False
        jobs = [job for job in way.ledger.jobs.of([version.sha256]) if job.version == version.id]
        self._own_results(jobs)
        finished = [job for job in jobs if job.state in _FINISHED]
        return len(finished) == len(jobs) >= way.results_of(version)

    def _own_results(self, jobs: list[JobRow]) -> None:
        for job in jobs:
            if job.result_path is not None:
                self._way.ledger.canaries.own(job.target_mirror, job.result_path, self._id)

    def _wait(self, where: str, is_so: Callable[[], bool], otherwise: str) -> None:
        """
        Raises:
            _PausedError: The mirror is to rest.
            TemporaryError: It did not come to be so in time; says *otherwise*, or what failed.
        """
        while not self._stopping.is_set():
            if self._way.is_paused():
                raise _PausedError
            try:
                if is_so():
                    return
            except PermanentError:
                raise
            except DocferryError as error:
                otherwise = str(error)
            if time.monotonic() >= self._ends_s:
                raise TemporaryError(f"a canary is late at {where}: {otherwise}")
            self._stopping.wait(_LOOK_EVERY_S)


class _PausedError(DocferryError):
    """A person lets the mirror rest."""


def _beginning(content: Content) -> bytes:
    """Give all of a canary, and of a document, however large it is, enough to tell it by."""
    return content.part(0, min(content.size, MOST_BYTES + 1))
