"""Both sides, the ledger, the daemon when it is up, and what people do with them."""

from __future__ import annotations

import pathlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from docferry.config import MirrorConfig
from docferry.core.guards import marker
from docferry.core.paths import key_of, path_of
from docferry.engine.runs import Run
from docferry.job import JobRow, JobState
from docferry.ledger import Ledger
from docferry.model import HoldState, Path, RequestKind, Side, Ulid, VersionRow
from docferry.storage.memory import Held
from simulation.acts import Act, Script
from simulation.crew import Crew, SeededTiming, Trace
from simulation.daemon import (
    MIRROR,
    SETTLE_S,
    Capitals,
    SimulatedDaemon,
    StepDatabase,
    Surroundings,
)
from simulation.sides import SimulatedBucket, SimulatedFolder, WatchedSide
from simulation.truth import OTHER, BrokenPromiseError, Bursts, Truth
from simulation.weather import Weather

PEOPLE_EVERY_S = 3.0
POLL_EVERY_S = 4.0
RESCAN_EVERY_S = 5.0
_UNDONE = (JobState.QUEUED, JobState.RUNNING)


@dataclass
class _Timer:
    due_s: float
    every_s: float | None  #: None: once
    call: Callable[[], None]
    is_daemons: bool


class World:
    """All of it but for the daemon's memory lasts through crashes. One thread, one seed."""

    def __init__(
        self,
        script: Script,
        database: StepDatabase,
        rows: Callable[[str], list[tuple[str, ...]]],
        work: pathlib.Path,
    ) -> None:
        """
        Args:
            rows: Asks the ledger for what it tells nobody as a whole.
        """
        self._rows = rows
        self.trace = Trace()
        self.broken: list[str] = []  #: promises
        self.reached: tuple[str, Path] = "", ""  #: the last step of a thread, and its path
        self.chance = random.Random(script.seed ^ 0x5EED)
        self.crew = Crew(self.chance, self.trace)
        self.timing = SeededTiming(self.crew)
        self.weather = Weather()
        self.folder = SimulatedFolder(self)
        self.bucket = SimulatedBucket(self)
        self.bucket.are_etags_of_content = script.are_etags_of_content
        self.truth = Truth(
            self._had,
            self._is_elsewhere,
            lambda: self.crew.now_s,
            self._is_held,
            self._is_agreed,
            lambda side: not self.side(side).files,
            lambda side, path: path in self.side(side).files,
            self.crew.who,
            Bursts(script.suspicious_limit or 0, self._is_held_change, self._is_as_agreed),
        )
        self.people = Ledger(database, instance="simulated")
        database.step = self._note_step
        self.options = MirrorConfig(
            name=MIRROR,
            store="s",
            bucket="b",
            local=pathlib.Path("/nowhere"),
            settle_s=SETTLE_S,
            delete_limit=script.delete_limit,
            suspicious_limit=script.suspicious_limit or 0,
        )
        self.converter = Capitals(self.truth.made) if script.converts else None
        self._around = Surroundings(
            self.crew,
            self.timing,
            self.folder,
            self.bucket,
            database,
            self.options,
            self.converter,
            work,
            has_brake=script.has_brake,
        )
        self.work = work
        self.converts = script.converts
        self.daemon: SimulatedDaemon | None = None
        self._acted_at = self.timing.now()
        self._timers: list[_Timer] = []
        self._contents = 0

    # Time.

    def go_on(self) -> None:
        """Make one step: of what is due, of a thread, or of the clock."""
        due = next((one for one in self._timers if one.due_s <= self.crew.now_s), None)
        if due is not None:
            self._timers.remove(due)
            if due.every_s is not None:
                again_s = self.crew.now_s + due.every_s
                self._timers.append(replace(due, due_s=again_s))
            due.call()
        elif not self.crew.go_on():
            times_s = [one.due_s for one in self._timers]
            next_s = self.crew.next_due_s()
            times_s += [] if next_s is None else [next_s]
            self.crew.now_s = max(self.crew.now_s, min(times_s, default=self.crew.now_s + 1))

    # Rest.

    def is_quiet(self) -> bool:
        return not self.why_busy()

    def why_busy(self) -> str:
        """Say what is still to come; "": nothing is."""
        daemon = self.daemon
        if daemon is None:
            return "it is down"
        facts = daemon.loop.facts
        lists = (facts.last_poll_at, facts.last_scan_at)
        if not daemon.loop.is_quiet():
            return f"it is {facts.health}: {facts.reason}"
        if len(daemon.loop.dirty):
            return f"these wait: {daemon.loop.dirty.paths()}"
        if any(not one.is_daemons for one in self._timers):
            return "somebody is in the middle of something"
        now = self.timing.now()  # what is later is by a clock that was set back since
        if None in lists or any(not self._acted_at <= at <= now for at in lists if at):
            return "it has not looked since"
        if self.people.requests.open(MIRROR, 1):
            return "a request is open"
        return self._job_that_waits() or ("a job is seen through" if daemon.is_worker_busy else "")

    def is_all_decided(self) -> bool:
        return not self.people.holds.all(MIRROR, (HoldState.OPEN,))

    def all_jobs(self) -> list[JobRow]:
        return self.people.jobs.all(limit=1000)

    def all_versions(self) -> list[VersionRow]:
        ids: list[Ulid] = [name for (name,) in self._rows("select id from version order by id")]
        return sorted(self.people.versions.rows(ids).values(), key=lambda row: row.id)

    def count_history(self) -> dict[str, int]:
        """Say how often which kind of operation is written down."""
        counted = self._rows("select kind, count(*) from history group by kind order by kind")
        return {kind: int(count) for kind, count in counted}

    def _job_that_waits(self) -> str:
        if not self.converts:
            return ""
        waiting = [job for job in self.all_jobs() if job.state in _UNDONE]
        return f"job {waiting[0].id} is {waiting[0].state}" if waiting else ""

    # The daemon.

    def begin(self) -> None:
        """Start a daemon, unless one is up."""
        if self.daemon is not None:
            return
        self.trace("the daemon starts")
        daemon = self.daemon = SimulatedDaemon(self._around)
        daemon.start()

        def heed() -> None:
            daemon.loop.heed()
            daemon.loop.request(Run.HOLDS)
            daemon.loop.request(Run.ASKED)

        for every_s, call in (
            (PEOPLE_EVERY_S, heed),
            (POLL_EVERY_S, lambda: daemon.loop.request(Run.POLL)),
            (RESCAN_EVERY_S, lambda: daemon.loop.request(Run.RESCAN)),
        ):
            due_s = self.crew.now_s + every_s
            self._timers.append(_Timer(due_s, every_s, call, is_daemons=True))

    def crash(self) -> None:
        self.trace("the daemon dies")
        self.crew.die()
        self.daemon = None
        self._timers = [one for one in self._timers if not one.is_daemons]

    def restart(self) -> None:
        """End it as SIGTERM does, and start another one."""
        if self.daemon is not None:
            self.daemon.stop()
            self._timers = [one for one in self._timers if not one.is_daemons]
            while self.crew.are_any:
                self.go_on()
            self.trace("the daemon has ended")
            self.daemon = None
        with self.by_a_person():
            self.begin()

    # What it is told of each step (Watcher).

    def step(self, side: Side, what: str, path: Path) -> None:
        if self.truth.is_person:
            return
        self.reached = what, path
        self.crew.point(f"{side} {what} {path}")
        self.weather.strike_side(side, what, self.chance)
        if what == "stat":
            self.truth.looked(side, path)

    def changed(self, side: Side, path: Path, before: Held | None, after: Held | None) -> None:
        who = "somebody" if self.truth.is_person else "docferry"
        held = None if after is None else (after.content, after.token)
        self.trace(f"{who}: {side} {path} is {held}")
        try:
            self.truth.changed(side, path, before, after)
        except BrokenPromiseError as error:  # who has broken it may well go on
            self.broken.append(str(error))
            raise
        if side is Side.LOCAL and not self.truth.is_person and self.daemon is not None:
            self.daemon.loop.mark(path)  # the watcher tells of what docferry does, too

    def now_ns(self) -> int:
        return self.timing.time_ns()

    def _note_step(self, what: str) -> None:
        if not self.truth.is_person:
            self.reached = what, ""
            self.crew.point(what)
            self.weather.strike_note(what)

    # What the truth asks.

    def _had(self) -> set[bytes]:
        return {
            held.content
            for side in (self.folder, self.bucket)
            for held in (*side.files.values(), *side.archive.values())
        }

    def _is_elsewhere(self, path: Path, content: bytes) -> bool:
        sides = (self.folder, self.bucket)
        found = ((at, held) for side in sides for at, held in side.files.items())
        return any(held.content == content and at != path for at, held in found)

    def _is_held(self, path: Path) -> bool:
        holds = self.people.holds.all(MIRROR, (HoldState.OPEN,), kind="deletions")
        held = (item for hold in holds for item in self.people.holds.items(hold.id))
        return any(path_of(key_of(item.path)) == path for item in held)

    def _is_held_change(self, side: Side, path: Path, before: Held | None, after: Held) -> bool:
        """Say whether *after* is what somebody made on the other side, and is held, or refused."""
        holds = self.people.holds.all(MIRROR, (HoldState.OPEN, HoldState.DISCARDED))
        for change in [one for hold in holds for one in self.people.changes.items(hold.id)]:
            if change.travelled or change.side is side or path_of(key_of(change.path)) != path:
                continue
            at = change.path if change.side is Side.LOCAL else path
            made = self.side(change.side).files.get(at)
            if made is None or (made.token, made.content) != (change.token, after.content):
                continue
            return before is None or self._is_as_agreed(side, path, before)
        return False

    def _is_as_agreed(self, side: Side, path: Path, held: Held) -> bool:
        """Say whether *held* is there as both sides last had it: nobody has touched it."""
        for one, state in self.people.synced.scan(MIRROR):
            if path_of(key_of(one)) == path:
                return held.token in (
                    [state.local_token] if side is Side.LOCAL else [state.remote_token]
                )
        return False

    def _is_agreed(self, side: Side, path: Path, held: Held) -> bool:
        agreed = self.people.synced.get(MIRROR, [path]).get(path)
        there = self.side(OTHER[side]).files.get(path)
        if agreed is None or there is None:
            return False
        if self.people.requests.is_asked(MIRROR, path, RequestKind.RESTORE):
            return False  # asked for before it was deleted, it comes after that
        found = (held.token, there.token)
        tokens = (agreed.local_token, agreed.remote_token)
        return tokens == (found if side is Side.LOCAL else found[::-1])

    # People.

    @contextmanager
    def by_a_person(self) -> Iterator[None]:
        self.truth.person_begins()
        try:
            yield
        finally:
            self.truth.person_ended()
            self._acted_at = self.timing.now()

    def mark_sides(self) -> None:
        """Let both sides be known as this mirror's."""
        for side in (self.folder, self.bucket):
            side.write_marker(marker("the mirror itself"))

    def side(self, side: Side) -> WatchedSide:
        return self.folder if side is Side.LOCAL else self.bucket

    def new_content(self) -> bytes:
        self._contents += 1
        return b"content %d of somebody" % self._contents

    def write(self, side: Side, path: Path, content: bytes, *, stands: bool = True) -> None:
        there = self.side(side)
        if side is Side.LOCAL and (self.folder.blocker(path) or not self.folder.is_mounted):
            return
        before = there.files.get(path)
        if before is not None:
            self.truth.stands_no_more([before.content])
        if stands:
            self.truth.stands(content)
        there.user_write(path, content)

    def delete(self, side: Side, path: Path) -> None:
        there = self.side(side)
        if path in there.files and (side is Side.REMOTE or self.folder.is_mounted):
            self.truth.stands_no_more([there.take_away(path).content])

    def hint(self, act: Act, *paths: Path) -> None:
        """Let the daemon be told of *paths*, if it is up and the act says so."""
        if self.daemon is None or not act.hint:
            return
        for path in paths:
            is_folder = act.hint == 3 and "/" in path
            mark = f"{path.rpartition('/')[0]}/" if is_folder else path
            for _ in range(2 if act.hint == 2 else 1):
                self.daemon.loop.mark(mark)

    def later(self, after_s: float, call: Callable[[], None]) -> None:
        def by_a_person() -> None:
            with self.by_a_person():
                call()

        due_s = self.crew.now_s + after_s
        self._timers.append(_Timer(due_s, None, by_a_person, is_daemons=False))
