"""The command that tells the whole chain of a file: from where, by which rule, to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from docferry.cli import Context, as_json, pass_context
from docferry.cli.output import emit_json, lasted, line, size
from docferry.job import JobState
from docferry.model import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from docferry.app.why import Conversion, MadeFrom, VersionStory, Why
    from docferry.job import JobRow
    from docferry.model import Provenance, VersionRow

_CAME = {
    Origin.LOCAL: "seen in the folder",
    Origin.STORE: "seen in the bucket",
    Origin.DROP: "taken from a drop folder",
    Origin.CONVERSION: "made by a conversion",
    Origin.RESTORE: "had back",
    Origin.API: "sent through the API",
    Origin.EVIDENCE: "rotten bytes, kept as evidence",
}


@dataclass(frozen=True, slots=True)
class _Step:
    """Something that happened, or was found out."""

    at: datetime
    text: str
    colour: str | None = None


@click.command()
@click.argument("path")
@click.option("--mirror", help="Needed where several have the path.")
@click.option("--limit", "most", default=3, show_default=True, help="So many versions at the most.")
@as_json
@pass_context
def why(context: Context, path: str, mirror: str | None, most: int, *, is_json: bool) -> None:
    """
    Tell the whole chain of PATH, a document or a result.

    When it was seen, what was done with it, which rules take it or why not, its
    conversions with their times and results; of a result also what it was made from.
    """
    from docferry.app.why import why as tell

    with context.ledger() as ledger:
        found = tell(context.config, ledger, path, mirror, most + 1)
    if is_json:
        emit_json(
            {
                "mirror": found.mirror,
                "path": found.path,
                "versions": found.versions[:most],
                "history": found.history,
            }
        )
        return
    _show(found, most)


def _show(found: Why, most: int) -> None:
    line(f"{found.mirror}: {found.path}")
    if len(found.versions) > most:
        line("  ... older versions: --limit N; docferry versions PATH lists all")
    shown = found.versions[:most][::-1]
    for story in shown:
        _show_version(story)
    oldest = shown[0].version.created_at
    others = [one for one in found.history if one.at >= oldest]
    if others:
        line("\nand without a version that is told of here")
    for each in others:
        line(f"  {_time(each.at)}  {each.kind}" + (f": {each.note}" if each.note else ""))


def _show_version(story: VersionStory) -> None:
    version = story.version
    state = "the present one" if version.is_current else f"until {_time(version.left_at)}"
    line(f"\nversion {version.id}, {size(version.size)}, {state}")
    line(f"  sha256 {version.sha256}")
    for step in sorted(_steps(story), key=lambda each: each.at):
        line(f"  {_time(step.at)}  {step.text}", colour=step.colour)
    if version.is_current:
        _show_verdicts(story)


def _show_verdicts(story: VersionStory) -> None:
    """Say what each rule says of it; those that refuse it for one reason in one line."""
    refusals: dict[str | None, list[str]] = {}
    for verdict in story.verdicts:
        if not verdict.takes_it:
            refusals.setdefault(verdict.why_not, []).append(verdict.rule)
        elif not verdict.has_job:
            waits = verdict.paused or "its job is not queued yet"
            line(f"  rule {verdict.rule}: yes, and {waits}", colour="yellow")
        else:
            kinds = (
                f", if it is {' or '.join(verdict.types)} by its content" if verdict.types else ""
            )
            line(f"  rule {verdict.rule}: yes{kinds}")
    for reason, rules in refusals.items():
        line(f"  {'rule' if len(rules) == 1 else 'rules'} {', '.join(rules)}: no, {reason}")


def _steps(story: VersionStory) -> Iterator[_Step]:
    version = story.version
    if story.made_from is None:
        yield _Step(version.created_at, _CAME[version.origin])
    else:
        yield from _made(version, story.made_from)
    for row in story.history:
        note = f": {row.note}" if row.note else ""
        yield _Step(row.at, f"{row.kind}{note}")
    for one in story.conversions:
        yield from _converted(version, one)
    if version.gone_at is not None:
        yield _Step(version.gone_at, "retention let its bytes go")


def _made(version: VersionRow, made: MadeFrom) -> Iterator[_Step]:
    """Say what a result was made from, and how; and what was made again, later."""
    how, job = made.how, made.job
    assert how is not None  # who asks here sees all mirrors
    by = "" if job is None else _by(job)
    if job is not None and not _is_again(version, how, job):
        yield _Step(job.finished_at or version.created_at, f"made by {by}")
    else:
        says = "the bucket says: " if made.is_claim else ""  # others may have written that
        yield _Step(version.created_at, f"{says}made by rule {how.rule}, {how.converter}")
        if job is not None and job.finished_at is not None:
            of = "" if job.version == how.source else f" of version {job.version}"
            yield _Step(job.finished_at, f"made again{of} by {by}, and the same came of it")
    at = version.created_at if made.source is None else made.source.created_at
    yield _Step(at, f"its document came: {_document(made)}, sha256 {how.source_sha256}")


def _by(job: JobRow) -> str:
    release = f" ({job.release})" if job.release else ""
    return f"rule {job.rule}, {job.converter}{release}, job {job.id}"


def _is_again(version: VersionRow, how: Provenance, job: JobRow) -> bool:
    """Say whether the result was there already when *job* last made it."""
    if how.source != job.version or how.converter != (job.release or job.converter):
        return True
    return job.claimed_at is not None and job.claimed_at > version.created_at


def _document(made: MadeFrom) -> str:
    how, job, source = made.how, made.job, made.source
    assert how is not None
    if source is not None:
        was = "" if source.id == how.source else f" (then named {how.source})"
        return f"{source.mirror}: {source.path}, version {source.id}{was}"
    of = f"{job.mirror}: {job.path}, " if job is not None and job.version == how.source else ""
    return f"{of}version {how.source}, of which the ledger has no more"


def _converted(version: VersionRow, one: Conversion) -> Iterator[_Step]:
    job = one.job
    is_same = (job.mirror, job.path) == (version.mirror, version.path)
    of = "" if is_same else f" for {job.mirror}: {job.path}, the same content"
    if is_same or one.taken_over_at is None:
        of_then = of and f"{of},"
        yield _Step(
            job.created_at, f"rule {job.rule}: job {job.id}{of_then} queued for {job.converter}"
        )
    else:
        yield _Step(job.created_at, f"rule {job.rule}: job {job.id} queued for {job.converter}")
        yield _Step(one.taken_over_at, f"  {job.rule}: from now on{of}")
    if job.claimed_at is not None and job.shared_with is None:
        yield _Step(
            job.claimed_at,
            f"  {job.rule}: begun, after {lasted(job.claimed_at - job.run_at)}"
            + (f", attempt {job.attempts}" if job.attempts > 1 else ""),
        )
    if job.state in (JobState.QUEUED, JobState.RUNNING):
        at = job.run_at if job.state is JobState.QUEUED else job.claimed_at or job.run_at
        text = (
            f"  {job.rule}: waits: {job.last_error or 'its turn comes'}"
            if job.state is JobState.QUEUED
            else f"  {job.rule}: {job.stage or 'running'}"
        )
        yield _Step(at, text)
    elif job.finished_at is not None:
        yield _Step(job.finished_at, _outcome(one), None if job.state is JobState.DONE else "red")


def _outcome(one: Conversion) -> str:
    job = one.job
    if job.state is not JobState.DONE:
        return f"  {job.rule}: {job.state}: {job.last_error}"
    took = (
        ""
        if job.claimed_at is None or job.finished_at is None
        else f", after {lasted(job.finished_at - job.claimed_at)}"
    )
    text = f"  {job.rule}: done{took}: {job.target_mirror}: {job.result_path}"
    if one.shared_with is not None:
        text += f", the result of job {one.shared_with.id} for {one.shared_with.path}"
    if one.result is None:
        text += " (not in step yet)"
    elif not one.result.is_current:
        text += " (not there any more)"
    return text + (f"; {job.note}" if job.note else "")


def _time(at: datetime | None) -> str:
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
