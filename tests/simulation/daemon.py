"""The real loop, executor, worker and chore over simulated sides, as `app` puts them together."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from docferry.app.sides import Clock, Known, UlidSource
from docferry.config import MirrorConfig
from docferry.convert.base import (
    Converted,
    Document,
    Limits,
    recipe_of,
)
from docferry.core.filters import Filter
from docferry.core.rules import Rule, jobs_for, recipe_for
from docferry.engine.brake import MassChangeBrake
from docferry.engine.bring_up import BringUp
from docferry.engine.consider import Tools
from docferry.engine.contents import Contents
from docferry.engine.execute import Executor
from docferry.engine.gate import Gate
from docferry.engine.heal import Healer
from docferry.engine.identity import Places
from docferry.engine.look import Looks
from docferry.engine.loop import MirrorLoop
from docferry.engine.on_request import OnRequest
from docferry.engine.put_back import PutsBack
from docferry.engine.put_result import Target
from docferry.engine.worker import Worker
from docferry.engine.worker_chain import Conversion
from docferry.errors import DocferryError
from docferry.job import NewJob
from docferry.ledger import Ledger
from docferry.ledger.database import Database, Transaction
from docferry.model import VersionRow
from simulation.crew import Crew, Pool, SeededTiming, Turn
from simulation.sides import SimulatedBucket, SimulatedFolder

MIRROR = "docs"
SETTLE_S = 1.0
IN_FLIGHT = 3
#: How often the worker and the chore look whether there is something to do.
WORK_EVERY_S = 1.0
BRING_UP_EVERY_S = 20.0


class StepDatabase(Database):
    """The ledger's database, with a step before and after each transaction that writes."""

    step: Callable[[str], None] = staticmethod(lambda name: None)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        self.step("before note")
        with super().writing() as transaction:
            yield transaction
        self.step("after note")


class Capitals:
    """A converter that makes letters capital: shipped here, runs in this process."""

    name = "capitals"
    produces = ".md"
    slots = 2

    def __init__(self, made: set[bytes]) -> None:
        self.made = made
        self.fails: list[DocferryError] = []  #: the next answers, if it does not work

    def recipe(self) -> str:
        return recipe_of({"converter": self.name})

    def release(self) -> str:
        return "capitals 1"

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        if self.fails:
            raise self.fails.pop(0)
        content = document.path.read_bytes().upper()
        self.made.add(content)
        path = folder / "result.md"
        path.write_bytes(content)
        return Converted(path)

    def stop(self) -> None:
        """Do nothing: it never takes long."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lasts when a daemon dies."""

    crew: Crew
    timing: SeededTiming
    folder: SimulatedFolder
    bucket: SimulatedBucket
    database: StepDatabase
    options: MirrorConfig
    converter: Capitals | None  #: None: there is no rule
    work_folder: pathlib.Path
    has_brake: bool


class SimulatedDaemon:
    """One life of the daemon."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        crew, timing = around.crew, around.timing
        self.ledger = ledger = Ledger(around.database, instance="simulated")
        last = ledger.versions.last()
        self._now = Clock(after=last and last[1], timing=timing)
        self._new_ulid = UlidSource(after=last and last[0], timing=timing)
        self._rules: tuple[Rule, ...] = (
            () if around.converter is None else (_rule(around.converter),)
        )
        ledger.mirrors.put(
            MIRROR,
            store="s",
            bucket="b",
            prefix="",
            local=str(around.options.local),
            mode=around.options.mode,
        )
        aliases = around.bucket.aliases = ledger.aliases.all(MIRROR)
        self.places = Places(around.folder, around.bucket, "the folder", "the bucket")
        self.contents = Contents(MIRROR, self.places, ledger.versions, ledger.synced)
        carry, look = Gate(IN_FLIGHT), Gate(IN_FLIGHT)
        tools = Tools(
            options=around.options,
            ledger=ledger,
            local=around.folder,
            pool=Pool(crew, carry),
            looks=Looks(Pool(crew, look), look),
            gate=carry,
            aliases=aliases,
            jobs_for=self._jobs_for,
            new_ulid=self._new_ulid,
            prepare=lambda: None,
            on_jobs=lambda: None,
            now=self._now,
            timing=timing,
        )
        self.loop = MirrorLoop(tools, self._executor(), self.places)
        self._bring_up = BringUp(MIRROR, around.folder, around.bucket, ledger, self.contents)
        self._worker: Worker | None = None  #: once it is at work
        self._is_stopping = False

    @property
    def is_worker_busy(self) -> bool:
        """Whether a job is begun: when its outcome is written down its folder is still there."""
        return self._worker is not None and self._worker.is_at_work

    def start(self) -> None:
        """Begin its threads."""
        self._around.crew.begin("loop", self._run_loop)
        self._around.crew.begin("keeper", self._keep)
        if self._rules:
            self._around.crew.begin("worker", self._work)

    def stop(self) -> None:
        """End as on SIGTERM: what runs is seen through."""
        self._is_stopping = True
        self.loop.stop()

    def _run_loop(self) -> None:
        self.loop.health.publish(now=True)
        self.loop.run()

    def _keep(self) -> None:
        while not self._is_stopping:
            if self.loop.is_proven:
                _attempt(lambda: self._bring_up.run(lambda: self._is_stopping))
            self._around.crew.wait(lambda: self._is_stopping, BRING_UP_EVERY_S)

    def _work(self) -> None:
        worker = self._worker = self._new_worker()
        _attempt(worker.prepare)
        while not self._is_stopping:
            _attempt(worker.work_off)
            _attempt(worker.requeue_expired)
            self._around.crew.wait(lambda: self._is_stopping, WORK_EVERY_S)

    def _new_worker(self) -> Worker:
        around = self._around
        assert around.converter is not None
        conversion = Conversion(self._rules[0], (around.converter,), Limits(), max_attempts=3)
        target = Target(
            around.folder,
            self.loop.mark,
            trouble=lambda: None if self.loop.is_proven else "it does not answer",
            is_on_its_way=self.loop.is_on_its_way,
        )
        return Worker(
            self.ledger,
            {conversion.rule.name: conversion},
            targets={MIRROR: target},
            contents_of=lambda mirror: self.contents,
            folder=around.work_folder,
            now=self._now,
            jitter=around.timing.jitter,
        )

    def _executor(self) -> Executor:
        folder, bucket, ledger = self._around.folder, self._around.bucket, self.ledger
        healer = Healer(MIRROR, folder, bucket, self.contents, "simulated")
        return Executor(
            MIRROR,
            folder,
            bucket,
            Known(ledger, lambda: bool(self._rules)),
            writer="simulated",
            now=self._now,
            new_ulid=self._new_ulid,
            on_request=OnRequest(
                folder,
                bucket,
                self.contents,
                ledger.versions.get,
                heal=lambda operation, synced: healer.heal(
                    operation, synced, self._new_ulid(), self._now()
                ),
                puts_back=PutsBack(MIRROR, folder, bucket, self._now),
            ),
            brake=self._brake() if self._around.has_brake else None,
        )

    def _brake(self) -> MassChangeBrake:
        around = self._around
        return MassChangeBrake(
            MIRROR,
            self.ledger,
            around.folder,
            around.bucket,
            around.options.limits,
            new_ulid=self._new_ulid,
            now=self._now,
            turn=Turn(around.crew),
        )

    def _jobs_for(self, version: VersionRow) -> tuple[NewJob, ...]:
        return jobs_for(version, self._rules)


def _rule(converter: Capitals) -> Rule:
    return Rule(
        name="capitals",
        from_mirror=MIRROR,
        patterns=Filter(("*.doc",), ()),
        to_mirror=MIRROR,
        converter=converter.name,
        extension=".md",
        recipe=recipe_for([converter.recipe()]),
    )


def _attempt(work: Callable[[], object]) -> None:
    with suppress(DocferryError):  # it is tried again
        work()
