"""Live through one history, and say what came of it."""

from __future__ import annotations

import pathlib
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import structlog

from docferry.core.paths import key_of, path_of
from docferry.ledger import Ledger
from simulation.acts import Act, Kind, Script
from simulation.checks import check_all, check_quiet
from simulation.daemon import StepDatabase
from simulation.people import perform
from simulation.sides import Trouble
from simulation.truth import BrokenPromiseError
from simulation.world import World

#: A mirror that is not quiet after so long, or so many steps, never will be.
MOST_S = 3600.0
MOST_STEPS = 30_000
#: An act that waits for quiet waits no longer: what only a person can mend lasts.
QUIET_WITHIN_S = 60.0
#: Nor does one that waits for a step.
STEP_WITHIN_S = 12.0
#: What the daemon must never say.
_FAULTS = ("loop.failed", "worker.failed", "timer.failed")


@dataclass(frozen=True, slots=True)
class Lived:
    """
    What came of a history.

    broken: which promise was broken; None: none was.
    """

    script: Script
    broken: str | None
    trace: list[str]
    digest: str


class Room:
    """A place for one history after the other: a ledger that is made anew for each, and no more."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        path = folder / "ledger.sqlite3"
        Ledger.open(path).close()
        self._template = sqlite3.connect(":memory:")
        with sqlite3.connect(path) as made:
            made.backup(self._template)
        made.close()
        self.database = StepDatabase(path)
        self._own = sqlite3.connect(path)
        self._heard: list[str] = []  # in the history that is lived through
        self._trace: list[str] = []

    def live(self, script: Script) -> Lived:
        self._renew()
        work = self._folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        world = World(script, self.database, self._rows, work)
        self._trace, self._heard = world.trace.lines, world.broken
        try:
            with self._listening():
                _live(world, script)
            broken = None
        except BrokenPromiseError as error:
            broken = str(error)
        except Exception as error:  # noqa: BLE001  a thread of docferry's has ended by it
            broken = f"{type(error).__name__}: {error}"
        finally:
            self.database.step = lambda name: None
            world.truth.is_person = True
            world.crew.bury()
        return Lived(script, broken, world.trace.lines, world.trace.digest())

    def close(self) -> None:
        self._own.close()
        self.database.close()
        self._template.close()

    def _rows(self, query: str) -> list[tuple[str, ...]]:
        return self._own.execute(query).fetchall()

    def _renew(self) -> None:
        self._template.backup(self._own)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Hear what is logged, and let nobody else."""
        before = structlog.get_config()
        structlog.configure(
            processors=[self._hear],
            wrapper_class=structlog.make_filtering_bound_logger("info"),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)

    def _hear(
        self, _logger: Any, _level: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        name = str(event["event"])
        facts = (event.get(key) for key in ("kind", "path", "reason", "error", "state"))
        self._trace.append(f"log: {name} {' '.join(str(one) for one in facts if one is not None)}")
        if name in _FAULTS:
            error = sys.exc_info()[1]
            self._heard.append(f"{name}: {event.get('reason') or repr(error)}")
        raise structlog.DropEvent


@contextmanager
def room() -> Iterator[Room]:
    """Give a room in memory, where there is one."""
    shm = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="docferry-simulation-", dir=shm if shm.is_dir() else None
    ) as name:
        found = Room(pathlib.Path(name))
        try:
            yield found
        finally:
            found.close()


def _live(world: World, script: Script) -> None:
    with world.by_a_person():
        world.mark_sides()
        world.begin()
    for act in script.acts:
        _let_go_on(world, act)
        perform(world, _at_its_step(world, act))
    _mend(world)
    for turn in range(20):
        _rest(world)
        check_quiet(world)
        if not _decided(world, script.seed + turn):
            break
    else:
        raise BrokenPromiseError("there is always another hold")
    world.truth.rested(world.folder.files, world.bucket.files)
    check_all(world)


def _let_go_on(world: World, act: Act) -> None:
    if act.steps is not None:
        for _ in range(act.steps):
            world.go_on()
    else:
        until_s = world.crew.now_s + QUIET_WITHIN_S
        while world.crew.now_s < until_s and not world.is_quiet():
            world.go_on()
        if world.is_quiet():
            world.truth.rested(world.folder.files, world.bucket.files)
            check_quiet(world)
    _refuse_broken(world)


def _at_its_step(world: World, act: Act) -> Act:
    """Wait for the step that *act* is to come at; give it with that step's path."""
    until_s = world.crew.now_s + STEP_WITHIN_S
    while act.at and world.crew.now_s < until_s:
        world.reached = "", ""
        world.go_on()
        what, path = world.reached
        if what == act.at:
            return replace(act, path=path_of(key_of(path))) if path else act
    return act


def _mend(world: World) -> None:
    """Let all be well: what remains is for docferry to do."""
    world.trace("all is well")
    world.weather.clear()
    world.bucket.trouble = Trouble()
    for kind in (Kind.MOUNT, Kind.RESUME, Kind.UP):
        perform(world, Act(kind, 0))
    if world.converter is not None:
        world.converter.fails.clear()


def _rest(world: World) -> None:
    """
    Raises:
        BrokenPromiseError: It does not come to rest.
    """
    began_s, steps = world.crew.now_s, 0
    while not world.is_quiet():
        world.go_on()
        steps += 1
        if world.crew.now_s > began_s + MOST_S or steps > MOST_STEPS:
            raise BrokenPromiseError(f"it does not come to rest: {world.why_busy()}")
    _refuse_broken(world)


def _decided(world: World, number: int) -> bool:
    if world.is_all_decided():
        return False
    perform(world, Act(Kind.DECIDE, 0, number=number))
    return True


def _refuse_broken(world: World) -> None:
    if world.broken:
        raise BrokenPromiseError(world.broken[0])
