"""Conversions, wired: where a version's content is, where a result goes, who is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from docferry.app.converters import make_converter
from docferry.app.sides import Sides
from docferry.config import Config, ConvertConfig
from docferry.convert.base import Converter, Limits
from docferry.core.filters import Filter
from docferry.core.results import origin_of
from docferry.core.rules import Rule, recipe_for
from docferry.engine.backlog import Backlog
from docferry.engine.contents import Contents
from docferry.engine.loop import MirrorLoop
from docferry.engine.put_result import Target
from docferry.engine.timers import Timers
from docferry.engine.worker import Worker
from docferry.engine.worker_chain import Conversion
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import BreakerState, ConverterRow, JobRow, Outcome, Path, Sha256

log = get_logger(__name__)

EXPIRY_EVERY_S = 5.0
LEASES_EVERY_S = 20.0
BACKLOG_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Chains:
    """
    What the rules of a configuration come to.

    Args:
        conversions: By rule's name.
        broken: Why a converter cannot be had, by its name.
        paused: Rules that wait for one of them, by name.
    """

    conversions: dict[str, Conversion] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    paused: dict[str, str] = field(default_factory=dict)  #: with the reason

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(conversion.rule for conversion in self.conversions.values())


def chains_of(config: Config) -> Chains:
    """Build what the rules name. What cannot be had pauses its rules, and no others."""
    made: dict[str, Converter] = {}
    chains = Chains()
    for options in config.converts:
        for name in options.chain:
            if name in made or name in chains.broken:
                continue
            try:
                made[name] = make_converter(config, name)
            except UserError as error:
                chains.broken[name] = str(error)
        missing = [name for name in options.chain if name in chains.broken]
        if missing:
            chains.paused[options.name] = chains.broken[missing[0]]
        else:
            chain = tuple(made[name] for name in options.chain)
            chains.conversions[options.name] = _conversion(options, chain)
    return chains


def rules_of(config: Config) -> tuple[Rule, ...]:
    """Give the rules of the configuration, but for those whose converters cannot be had."""
    return chains_of(config).rules


class Conversions:
    """The rules of the configuration, and all that works for them."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        sides: Mapping[str, Sides],
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._sides = sides
        self._now = now
        self._loops: Mapping[str, MirrorLoop] = {}
        self._targets: dict[str, Target] = {}
        self._chains = chains = chains_of(config)
        self.rules = chains.rules
        self._takers = {options.to_mirror for options in config.converts}
        self._backlog = Backlog(ledger, self.rules, now, paused=chains.paused)
        self._is_backlog_done = False
        self._worker = Worker(
            ledger,
            chains.conversions,
            targets=self._targets,
            contents_of=self._contents_of,
            folder=config.state_dir / "work",
            now=now,
        )

    def start(
        self,
        on_exit: ExitStack,
        loops: Mapping[str, MirrorLoop],
        time_left_s: Callable[[], float],
    ) -> None:
        """Start the worker, if there is a rule; *on_exit* stops it."""
        self._loops = loops
        for rule in self.rules:
            self._targets[rule.to_mirror] = self._target(rule.to_mirror)
        self._tell_broken()
        if not self.rules:
            self._worker.prepare()  # what a rule that is gone has left running
            return
        self._worker.start()
        on_exit.callback(lambda: self._worker.stop(time_left_s()))

    def start_timers(self, timers: Timers) -> None:
        """Have done what is to be done now and then."""
        timers.every(EXPIRY_EVERY_S, "job-expiry", self._expire)
        timers.every(LEASES_EVERY_S, "job-leases", self._worker.requeue_expired)
        timers.every(BACKLOG_EVERY_S, "job-backlog", self._step_backlog, at_once=True)

    def wake(self) -> None:
        """There are new jobs."""
        self._worker.wake()

    def with_origins(self, mirror: str, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Tell results apart from what people have put to a mirror that takes results."""
        new = [outcome.version for outcome in outcomes if outcome.version is not None]
        if not new or mirror not in self._takers:
            return outcomes
        contents = [(version.path, version.sha256) for version in new]
        known = self._ledger.jobs.results_among(mirror, contents)
        return [_with_origin(outcome, known) for outcome in outcomes]

    def is_quiet(self) -> bool:
        """Do a part of the backlog, if there is one; say whether nothing is left that can be done."""
        if not self._is_backlog_done:
            self._step_backlog()
            return False
        able = set(self._worker.runnable())
        return not any(
            queue.running or (queue.queued and queue.rule in able)
            for queue in self._ledger.jobs.queues()
        )

    # Now and then.

    def _step_backlog(self) -> None:
        if all(loop.is_proven or loop.has_given_up for loop in self._loops.values()):
            self._is_backlog_done = not self._backlog.step()
            self._worker.wake()

    def _expire(self) -> None:
        for job in self._ledger.jobs.expire(self._now()):
            log.error("job.dead", **_facts(job))

    # At the start.

    def _tell_broken(self) -> None:
        """Let others know which converters there are, and which cannot be had."""
        for name, reason in self._chains.broken.items():
            log.error("converter.down", converter=name, reason=reason)
            row = ConverterRow(name, BreakerState.OPEN, reason, self._now(), None)
            self._ledger.converters.put(row)

    # Where things are.

    def _contents_of(self, mirror: str) -> Contents:
        return self._sides[mirror].contents

    def _target(self, mirror: str) -> Target:
        loop = self._loops[mirror]
        return Target(self._sides[mirror].local, loop.mark, lambda: _trouble(loop))


def _with_origin(outcome: Outcome, results: Collection[tuple[Path, Sha256]]) -> Outcome:
    version = outcome.version
    if version is None:
        return outcome
    is_result = (version.path, version.sha256) in results
    origin = origin_of(version.origin, is_result=is_result)
    return replace(outcome, version=replace(version, origin=origin))


def _trouble(loop: MirrorLoop) -> str | None:
    """Say why no result may be put into a mirror's folder now; None: it may."""
    if loop.is_proven:
        return None
    return loop.facts.reason or f"it is {loop.facts.health}"


def _conversion(options: ConvertConfig, chain: tuple[Converter, ...]) -> Conversion:
    rule = Rule(
        name=options.name,
        from_mirror=options.from_mirror,
        patterns=Filter(options.patterns, ()),
        to_mirror=options.to_mirror,
        converter=options.converter,
        extension=chain[-1].produces,
        recipe=recipe_for([converter.recipe() for converter in chain]),
        template=options.template,
        smallest=options.smallest,
        largest=options.largest,
        waits_s=options.waits_s,
        types=options.types,
    )
    limits = Limits(
        timeout_s=options.timeout_s,
        memory_mib=options.memory_mib,
        output_mib=options.output_mib,
    )
    return Conversion(rule, chain, limits, options.attempts)


def _facts(job: JobRow) -> dict[str, object]:
    return {
        "job": job.id,
        "rule": job.rule,
        "mirror": job.mirror,
        "path": job.path,
        "failure": job.failure,
        "reason": job.last_error,
    }
