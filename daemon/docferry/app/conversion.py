"""Conversions, wired: where a version's content is, where a result goes, who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from docferry.app.sides import Sides
from docferry.config import Config, ConvertConfig
from docferry.convert import Converter, Limits, converter_named
from docferry.core.filters import Filter
from docferry.core.rules import Rule, recipe_for
from docferry.engine.loop import MirrorLoop
from docferry.engine.worker import Conversion, Worker, put_file
from docferry.errors import StaleError
from docferry.ledger import Ledger
from docferry.model import JobRow, JobState, Origin, Path, Ulid
from docferry.storage.base import Content


class Conversions:
    """
    The rules of the configuration and the worker that does their jobs.

    Raises:
        UserError: A rule names a converter that is not installed.
    """

    def __init__(self, config: Config, ledger: Ledger, sides: Mapping[str, Sides]) -> None:
        self._ledger = ledger
        self._sides = sides
        self._loops: Mapping[str, MirrorLoop] = {}
        made = _converters(config)
        self._extensions = {name: converter.produces for name, converter in made.items()}
        self.rules = rules_of(config)
        self._worker = Worker(
            ledger,
            {rule.name: _conversion(rule, made[rule.name]) for rule in config.converts},
            open_version=self._open_version,
            put_result=self._put_result,
            folder=config.state_dir / "work",
        )

    def start(
        self,
        on_exit: ExitStack,
        loops: Mapping[str, MirrorLoop],
        time_left_s: Callable[[], float],
    ) -> None:
        """Start the worker, if there is a rule; *on_exit* stops it."""
        self._loops = loops
        if self.rules:
            self._worker.start()
            on_exit.callback(lambda: self._worker.stop(time_left_s()))

    def wake(self) -> None:
        """There are new jobs."""
        self._worker.wake()

    def requeue_expired(self) -> None:
        self._worker.requeue_expired()

    def is_quiet(self) -> bool:
        """Say whether no job waits or runs."""
        if not self.rules:
            return True
        counts = self._ledger.jobs.counts()
        return not counts[JobState.QUEUED] and not counts[JobState.RUNNING]

    def _open_version(self, mirror: str, path: Path, version: Ulid) -> Content:
        row = self._ledger.versions.get(version)
        if row is None:
            raise StaleError(f"the ledger has no version {version} of {path} any more")
        return self._sides[mirror].contents.open(row)

    def _put_result(self, job: JobRow, content: bytes) -> Path:
        """Put the result where a consumer can follow it: `<ULID of the source>.md`."""
        path = job.version + self._extensions[job.rule]
        loop = self._loops[job.target_mirror]
        loop.mark(path, Origin.CONVERSION)  # before the watcher can take it for a person's
        put_file(self._sides[job.target_mirror].local, path, content)
        loop.mark(path)
        return path


def rules_of(config: Config) -> tuple[Rule, ...]:
    """
    Give the rules of the configuration.

    Raises:
        UserError: One names a converter that is not installed.
    """
    made = _converters(config)
    return tuple(_rule(options, made[options.name]) for options in config.converts)


def _converters(config: Config) -> dict[str, Converter]:
    return {rule.name: converter_named(rule.converter) for rule in config.converts}


def _rule(options: ConvertConfig, converter: Converter) -> Rule:
    return Rule(
        name=options.name,
        from_mirror=options.from_mirror,
        patterns=Filter(options.patterns, ()),
        to_mirror=options.to_mirror,
        converter=options.converter,
        extension=converter.produces,
        recipe=recipe_for([converter.recipe()]),
    )


def _conversion(options: ConvertConfig, converter: Converter) -> Conversion:
    limits = Limits(timeout_s=options.timeout_s, memory_mib=options.memory_mib)
    return Conversion(converter, limits, options.attempts)
