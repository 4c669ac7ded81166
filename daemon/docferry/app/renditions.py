"""What conversions make of documents, and how far they are: for many documents at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from docferry.app.rules_told import shapes_of
from docferry.app.unseen import veiled
from docferry.config import Config
from docferry.core.results import is_by_path
from docferry.core.rules import Rule
from docferry.core.verdict import why_not
from docferry.job import Failure, JobRow, JobStage, JobState
from docferry.ledger import Ledger
from docferry.model import Path, Sha256, SyncedState, Ulid, VersionRow


@dataclass(frozen=True, slots=True)
class ResultEntry:
    """
    A result, where it was put.

    version: of it, as both sides of its mirror agreed; None: they have not yet, or its path
        holds something else by now.
    """

    mirror: str
    path: Path
    version: Ulid | None


@dataclass(frozen=True, slots=True)
class RenditionEntry:
    """
    What a rule makes of a document.

    job: None: another document's, of the same content, in a mirror that whoever asks may not
        see. Then nothing is told of it but its state and its result.
    result: None: there is none, or it is in a mirror that whoever asks may not see.
    """

    rule: str
    converter: str  #: with its version where it has made something
    job: Ulid | None
    state: JobState
    stage: JobStage | None  #: of a running one
    attempts: int
    created_at: datetime | None
    finished_at: datetime | None
    failure: Failure | None  #: of the last attempt that failed
    error: str | None
    note: str | None
    result: ResultEntry | None


def renditions_beside(
    config: Config, ledger: Ledger, documents: Sequence[VersionRow], visible: Collection[str]
) -> dict[Ulid, tuple[RenditionEntry, ...]]:
    """
    Say of each document how the conversions stand that the rules of now call for.

    Args:
        visible: The mirrors of which whoever asks may know.
    """
    rules = shapes_of(config)
    calling = {row.id: _calling(rules, row) for row in documents}
    wanted = {row.sha256 for row in documents if calling[row.id]}
    places = {place for some in calling.values() for _, place in some}
    jobs = ledger.jobs.at_places(wanted, places)
    results = _results(ledger, jobs.values(), visible)
    return {
        row.id: tuple(
            _entry(job, results, visible) if job.mirror in visible else _hidden(rule, job, results)
            for rule, place in calling[row.id]
            if (job := jobs.get((row.sha256, place))) is not None
        )
        for row in documents
    }


def renditions_of(
    config: Config, ledger: Ledger, row: VersionRow, visible: Collection[str], most: int
) -> list[RenditionEntry]:
    """Give all conversions of a document, also by rules of before, the newest first."""
    places = [place for _, place in _calling(shapes_of(config), row)]
    jobs = [
        job
        for job in ledger.jobs.of([row.sha256])
        if job.mirror in visible and _is_its_own(job, row, places)
    ][:most]
    results = _results(ledger, jobs, visible)
    called_for = renditions_beside(config, ledger, [row], visible)[row.id]
    return [
        *(one for one in called_for if one.job is None),
        *(_entry(job, results, visible) for job in jobs),
    ]


def _calling(rules: Sequence[Rule], row: VersionRow) -> list[tuple[Rule, str]]:
    """Give the rules that call for a conversion of *row*, each with the place of its result."""
    return [(rule, rule.place_for(row.path)) for rule in rules if why_not(rule, row) is None]


def _is_its_own(job: JobRow, row: VersionRow, places: Collection[str]) -> bool:
    """
    Say whether *job*, which is about the content of *row*, is about *row*.

    Where paths decide the place, that of another file is another file's, but for one whose
    result has the same place.
    """
    is_same = (job.mirror, job.path) == (row.mirror, row.path)
    return is_same or not is_by_path(job.place) or job.place in places


def _results(
    ledger: Ledger, jobs: Collection[JobRow], visible: Collection[str]
) -> Mapping[Ulid, ResultEntry]:
    """Give the results of *jobs* that may be seen."""
    paths: dict[str, list[Path]] = {}
    for job in jobs:
        if job.result_path is not None and job.target_mirror in visible:
            paths.setdefault(job.target_mirror, []).append(job.result_path)
    agreed = {mirror: ledger.synced.get(mirror, some) for mirror, some in paths.items()}
    return {
        job.id: ResultEntry(
            job.target_mirror,
            job.result_path,
            _version(agreed[job.target_mirror].get(job.result_path), job.result_sha256),
        )
        for job in jobs
        if job.result_path is not None and job.target_mirror in agreed
    }


def _version(agreed: SyncedState | None, sha256: Sha256 | None) -> Ulid | None:
    return agreed.version if agreed is not None and agreed.sha256 == sha256 else None


def _hidden(rule: Rule, job: JobRow, results: Mapping[Ulid, ResultEntry]) -> RenditionEntry:
    """Tell of what *rule* calls for, and a job of a mirror that is not seen does or has done."""
    result = results.get(job.id)
    return RenditionEntry(
        rule=rule.name,
        converter=rule.converter,
        job=None,
        state=job.state,
        stage=None,
        attempts=0,
        created_at=None,
        finished_at=job.finished_at if result is not None else None,
        failure=None,
        error=None,
        note=None,
        result=result,
    )


def _entry(
    row: JobRow, results: Mapping[Ulid, ResultEntry], visible: Collection[str]
) -> RenditionEntry:
    job = veiled(row, visible.__contains__)
    has_failed = job.failure is not None and job.state is not JobState.DONE
    return RenditionEntry(
        rule=job.rule,
        converter=job.release or job.converter,
        job=job.id,
        state=job.state,
        stage=job.stage,
        attempts=job.attempts,
        created_at=job.created_at,
        finished_at=job.finished_at,
        failure=job.failure if has_failed else None,
        error=job.last_error if has_failed else None,
        note=job.note,
        result=results.get(job.id),
    )
