"""
Why a file is what it is: seen when, decided how, converted by which rule, and from what.

For any path of a mirror, a document or a result, from the ledger alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from docferry.app.rules_told import shapes_of
from docferry.app.unseen import veiled
from docferry.app.versions import mirror_of
from docferry.config import Config
from docferry.core.rules import Rule
from docferry.core.verdict import why_not
from docferry.errors import NotFoundError
from docferry.job import BreakerState, JobRow
from docferry.ledger import HistoryRow, Ledger
from docferry.model import Path, Provenance, VersionRow

_MOST_JOBS = 100  # about one content


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says about a version."""

    rule: str
    takes_it: bool
    has_job: bool  #: what it calls for is queued, under way or over, whoever asked for it first
    paused: str | None  #: why a converter of it gets no documents; None: all do
    why_not: str | None
    types: tuple[str, ...]  #: of which its content must be one; (): any


@dataclass(frozen=True, slots=True)
class Conversion:
    """
    A job about a version's content.

    job: about the content, which another path may have called for first.
    result: what it made, as it is in the target mirror; None: nothing, or not any more.
    shared_with: the job whose result it has, without a conversion of its own.
    taken_over_at: when the document came that it is about now; None: it was about that from
        the beginning.
    """

    job: JobRow
    result: VersionRow | None
    shared_with: JobRow | None
    taken_over_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """
    Of which document a version was made.

    how: it came to be first, as its object says as well. None: by a rule, and of a document,
        of a mirror that whoever asks may not see.
    is_claim: its object, or a snapshot in the bucket, is all that says so: others may have
        written that.
    job: that made it, or was the last of which this very content came; None: it is forgotten.
    source: of the rule's mirror, or what has its content there where that ledger was lost, and
        its name with it. None: nothing is known of that document any more.
    """

    how: Provenance | None
    is_claim: bool
    job: JobRow | None
    source: VersionRow | None


@dataclass(frozen=True, slots=True)
class VersionStory:
    """One content of the path."""

    version: VersionRow
    made_from: MadeFrom | None  #: None: no conversion made it
    history: tuple[HistoryRow, ...]  #: what was done with it, the oldest first
    verdicts: tuple[Verdict, ...]  #: of the rules of now
    conversions: tuple[Conversion, ...]  #: the oldest first


@dataclass(frozen=True, slots=True)
class Why:
    """
    The whole chain of one path.

    history: what was done there that belongs to no version that is told of.
    """

    mirror: str
    path: Path
    versions: tuple[VersionStory, ...]  #: the newest first
    history: tuple[HistoryRow, ...]


def why(config: Config, ledger: Ledger, path: Path, mirror: str | None, most: int) -> Why:
    """
    Tell of the *most* newest versions of *path*.

    Raises:
        UserError: There is none, or it is not clear in which mirror.
    """
    name = mirror_of(config, ledger, path, mirror)
    rows = ledger.versions.of(name, path)[:most]
    history = ledger.history.of(name, path)[::-1]
    if not rows and not history:
        raise NotFoundError(f"{name} has no version of {path!r}")
    told = _Told(ledger, shapes_of(config), history)
    stories = tuple(told.story(row) for row in rows)
    ids = {row.id for row in rows}
    return Why(name, path, stories, tuple(one for one in history if one.version not in ids))


def seen(config: Config, told: Why, sees: Callable[[str], bool]) -> Why:
    """Leave out what is of mirrors that whoever asks may not see."""
    rules = {rule.name for rule in config.converts if sees(rule.from_mirror)}
    return replace(told, versions=tuple(_seen(one, rules, sees) for one in told.versions))


def _seen(story: VersionStory, rules: Collection[str], sees: Callable[[str], bool]) -> VersionStory:
    made_from = story.made_from
    if made_from is not None:
        made_from = _seen_source(made_from, rules, sees)
    return replace(
        story,
        made_from=made_from,
        verdicts=tuple(one for one in story.verdicts if one.rule in rules),
        conversions=tuple(
            _seen_conversion(one, sees) for one in story.conversions if sees(one.job.mirror)
        ),
    )


def _seen_source(
    made_from: MadeFrom, rules: Collection[str], sees: Callable[[str], bool]
) -> MadeFrom:
    job, source, how = made_from.job, made_from.source, made_from.how
    # Of what document it was, where that is forgotten, its rule tells.
    is_known = how is not None and how.rule in rules
    is_seen = is_known if source is None else sees(source.mirror)
    if not is_seen:
        return replace(made_from, how=None, job=None, source=None)
    return replace(made_from, job=job if job is not None and sees(job.mirror) else None)


def _seen_conversion(conversion: Conversion, sees: Callable[[str], bool]) -> Conversion:
    shared, result = conversion.shared_with, conversion.result
    return Conversion(
        veiled(conversion.job, sees),
        result if result is not None and sees(result.mirror) else None,
        veiled(shared, sees) if shared is not None and sees(shared.mirror) else None,
        conversion.taken_over_at,
    )


class _Told:
    """Puts together what the ledger has about versions of one path."""

    def __init__(
        self, ledger: Ledger, rules: Sequence[Rule], history: Sequence[HistoryRow]
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._history = history
        self._down = {
            row.name: f"{row.name} is down: {row.reason}"
            for row in ledger.converters.all()
            if row.state is not BreakerState.CLOSED
        }

    def story(self, version: VersionRow) -> VersionStory:
        made_from = self._made_from(version)
        conversions = self._conversions(version)
        return VersionStory(
            version,
            made_from,
            tuple(one for one in self._history if one.version == version.id),
            tuple(self._verdict(rule, version, conversions) for rule in self._rules),
            conversions,
        )

    def _made_from(self, version: VersionRow) -> MadeFrom | None:
        job = self._ledger.jobs.of_result(version.mirror, version.path, version.sha256)
        noted = self._ledger.results.at(version.mirror, version.path).get(version.sha256)
        how = noted or (None if job is None else _told_by(job))
        if how is None:
            return None
        is_claim = self._ledger.results.is_claim(version.mirror, version.path, version.sha256)
        return MadeFrom(how, is_claim, job, self._document(how, version.path))

    def _document(self, how: Provenance, path: Path) -> VersionRow | None:
        """Give the document that the result at *path* was made of."""
        source = self._ledger.versions.get(how.source)
        if source is not None:
            return source
        equal = (
            row
            for rule in self._rules
            if rule.name == how.rule
            for row in self._ledger.versions.with_content(rule.from_mirror, how.source_sha256)
            if rule.puts(how, path, row)
        )
        return next(equal, None)

    def _verdict(
        self, rule: Rule, version: VersionRow, conversions: Sequence[Conversion]
    ) -> Verdict:
        reason = why_not(rule, version)
        has_job = any(_is_called_for(one.job, rule, version) for one in conversions)
        paused = next(
            (self._down[name] for name in rule.converter.split("+") if name in self._down), None
        )
        return Verdict(rule.name, reason is None, has_job, paused, reason, rule.types)

    def _conversions(self, version: VersionRow) -> tuple[Conversion, ...]:
        jobs = self._ledger.jobs.of([version.sha256])[:_MOST_JOBS]
        return tuple(self._conversion(job) for job in reversed(jobs))

    def _conversion(self, job: JobRow) -> Conversion:
        shared = None if job.shared_with is None else self._ledger.jobs.get(job.shared_with)
        return Conversion(job, self._result(job), shared, self._taken_over_at(job))

    def _taken_over_at(self, job: JobRow) -> datetime | None:
        source = self._ledger.versions.get(job.version)
        is_later = source is not None and source.created_at > job.created_at
        return source.created_at if source is not None and is_later else None

    def _result(self, job: JobRow) -> VersionRow | None:
        if job.result_path is None:
            return None
        rows = self._ledger.versions.of(job.target_mirror, job.result_path)
        mine = [row for row in rows if row.sha256 == job.result_sha256]
        return max(mine, key=lambda row: (row.is_current, row.id), default=None)


def _told_by(job: JobRow) -> Provenance:
    return Provenance(job.version, job.sha256, job.rule, job.release or job.converter)


def _is_called_for(job: JobRow, rule: Rule, version: VersionRow) -> bool:
    """Say whether *job* is *rule*'s, or that of a rule that does the same: of its older name."""
    if job.rule == rule.name:
        return True
    return (job.converter, job.place) == (rule.converter, rule.place_for(version.path))
