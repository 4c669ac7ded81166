"""Commands about conversions: what waits, runs and is done; dead letters."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, limit, pass_context
from docferry.cli.output import ago, emit_json, lasted, line, say_hidden, size
from docferry.core.words import counted
from docferry.errors import UserError
from docferry.job import BreakerState, ConverterRow, Failure, JobRow, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docferry.app.letters import Decided, Letter, Which
    from docferry.app.queues import ConverterReport

_MOST = 20
_MOST_OUTPUT = 40  # lines of what a converter said
_COLOURS = {JobState.DEAD: "red", JobState.SKIPPED: "yellow", JobState.RUNNING: "cyan"}


@click.command()
@click.option("--state", type=click.Choice([state.value for state in JobState]))
@click.option("--rule", help="Only jobs of this rule.")
@limit
@as_json
@pass_context
def jobs(
    context: Context, state: str | None, rule: str | None, most: int, *, is_json: bool
) -> None:
    """
    List conversions: what runs, then the newest of what waits or is over.

    First how the converters do. Why one has failed: docferry dead list.
    """
    from docferry.app.queues import jobs as report_jobs

    wanted = None if state is None else JobState(state)
    with context.ledger() as ledger:
        report = report_jobs(context.config, ledger, wanted, rule, most + 1)
    if is_json:
        emit_json({"converters": report.converters, "jobs": report.jobs[:most]})
        return
    show_converters(report.converters)
    if not report.jobs:
        line("no conversions" if state is None and rule is None else "no such conversions")
        return
    for job in report.jobs[:most]:
        line(f"{job.id}  {_how_it_is(job)}  {job.mirror}: {job.path}")
        line(f"    {job.rule}: {_what(job)}", colour=_COLOURS.get(job.state))
    if len(report.jobs) > most:
        line("  ... and more: --limit N, --state, --rule, or --json")


def show_converters(converters: Sequence[ConverterReport], indent: str = "") -> None:
    """Say of each converter what waits for it, and whether it gets documents."""
    for one in converters:
        waits = f"{one.queued} queued"
        if one.oldest_at is not None:
            waits += f" (the oldest {ago(one.oldest_at)})"
        text = f"{indent}{one.name}: {waits}, {one.running} running"
        if one.dead:
            text += f", {one.dead} dead"
        line(text)
        if one.down is not None:
            _show_down(one, one.down, indent)
        if one.held_up is not None:
            job = one.held_up
            text = f"{job.mirror}: {job.path} waits: {job.last_error}"
            line(f"{indent}  {text}{_again(job)}", colour="yellow")


def _show_down(one: ConverterReport, down: ConverterRow, indent: str) -> None:
    whose = "" if down.name == one.name else f"{down.name} is "
    if down.state is BreakerState.HALF_OPEN:
        when = "; a document tries it out now"
    elif down.retry_at is None:  # it could not even be made
        when = "; then start docferry again"
    elif down.retry_at <= datetime.now(UTC):  # nothing was to be had to try it with
        when = "; tried again with the next document that can be had"
    else:
        when = f"; tried again {down.retry_at.astimezone():%H:%M:%S}"
    line(f"{indent}  {whose}down since {ago(down.since)}: {down.reason}{when}", colour="red")
    if one.suspect is not None:
        line(
            f"{indent}  it may be the fault of {one.suspect.mirror}: {one.suspect.path}, which "
            "alone waits for it: if another document is converted, this one is given up",
            colour="yellow",
        )


@click.group()
def dead() -> None:
    """Conversions that were given up on, until you decide: replay or discard."""


def _which(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which letters are chosen."""
    failures = click.Choice([failure.value for failure in Failure])
    for option in (
        click.option("--path", help="Of this document."),
        click.option("--failure", type=failures, help="That failed for this."),
        click.option("--converter", help="Of this converter, or of chains with it."),
        click.option("--rule", help="Of this rule."),
    ):
        command = option(command)
    return command


def _chosen(
    rule: str | None, converter: str | None, failure: str | None, path: str | None
) -> Which:
    from docferry.app.letters import Which

    return Which(rule, converter, None if failure is None else Failure(failure), path)


@dead.command("list")
@_which
@limit
@as_json
@pass_context
def list_letters(
    context: Context,
    rule: str | None,
    converter: str | None,
    failure: str | None,
    path: str | None,
    most: int,
    *,
    is_json: bool,
) -> None:
    """
    List the dead letters, the oldest first; with --json all of them.

    Those of documents that are nowhere any more wait for nobody, and are not listed.
    """
    from docferry.app.letters import letters

    with context.ledger() as ledger:
        found = letters(ledger, _chosen(rule, converter, failure, path))
    if is_json:
        emit_json(found)
        return
    if not found:
        line("no dead letters")
        return
    for job in found[:most]:
        line(f"{job.id}  {job.failure}, {ago(job.finished_at)}  {job.mirror}: {job.path}")
        line(f"    {job.rule}: {job.last_error}", colour="red")
    say_hidden(len(found) - most, "--limit N, or --json")
    line("docferry dead show JOB tells more; then docferry dead replay|discard JOB")


@dead.command("show")
@click.argument("job")
@as_json
@pass_context
def show_letter(context: Context, job: str, *, is_json: bool) -> None:
    """Tell all about one dead letter: why, what the converter said, and which document it is."""
    from docferry.app.letters import letter

    with context.ledger() as ledger:
        found = letter(context.config, ledger, job)
    if is_json:
        emit_json(found)
    else:
        _show(found)


def _show(found: Letter) -> None:
    job, version = found.job, found.version
    line(f"{job.mirror}: {job.path}")
    line(f"  why ({job.failure}): {job.last_error}", colour="red")
    line(f"  given up {ago(job.finished_at)}, after {counted(job.attempts, 'attempt')}")
    rule = job.rule if found.has_rule else f"{job.rule}, which is not in the configuration any more"
    line(f"  rule {rule}; converter {job.converter}")
    if version is not None:
        line(f"  version {version.id}, {size(version.size)}, came {ago(version.created_at)}")
    line(f"  sha256 {job.sha256}")
    others = [path for path in found.paths if path != job.path]
    for path in others[:_MOST]:
        line(f"  the same content: {path}")
    say_hidden(len(others) - _MOST, "--json")
    if not found.paths:
        line("  no file has this content now")
    if job.note:
        line(f"  note: {job.note}")
    said = (job.output or "").splitlines()
    if said:
        line("  the converter said:")
    for each in said[-_MOST_OUTPUT:]:
        line(f"    {each}")
    if version is not None and version.gone_at is None:
        line(f"  its bytes: docferry cat {job.version} > FILE")
    line(f"  then: docferry dead replay {job.id}, or docferry dead discard {job.id}")


@dead.command("replay")
@click.argument("ids", metavar="JOB...", nargs=-1)
@_which
@click.option("--all", "is_all", is_flag=True, help="All there are.")
@as_json
@pass_context
def replay_letters(
    context: Context,
    ids: tuple[str, ...],
    rule: str | None,
    converter: str | None,
    failure: str | None,
    path: str | None,
    *,
    is_all: bool,
    is_json: bool,
) -> None:
    """
    Have conversions tried again, with all their attempts: one, those that options name, or all.

    docferry jobs follows them. Exit code 1: one was left, or there was none.
    """
    from docferry.app.letters import replay

    which = _chosen(rule, converter, failure, path)
    _refuse_unclear(ids, which, is_all=is_all)
    with context.ledger(read_only=False) as ledger:
        done = replay(context.config, ledger, ids, which, datetime.now(UTC))
    _tell_decided(done, "queued again: docferry jobs follows them", is_json=is_json)


@dead.command("discard")
@click.argument("ids", metavar="JOB...", nargs=-1)
@_which
@click.option("--all", "is_all", is_flag=True, help="All there are.")
@click.option("--yes", "is_sure", is_flag=True, help="Needed where no JOB is named.")
@as_json
@pass_context
def discard_letters(
    context: Context,
    ids: tuple[str, ...],
    rule: str | None,
    converter: str | None,
    failure: str | None,
    path: str | None,
    *,
    is_all: bool,
    is_sure: bool,
    is_json: bool,
) -> None:
    """
    Put dead letters aside: their documents stay as they are, without that conversion.

    docferry convert brings one back. Exit code 1: there was none.
    """
    from docferry.app.letters import discard, letters

    which = _chosen(rule, converter, failure, path)
    _refuse_unclear(ids, which, is_all=is_all)
    with context.ledger(read_only=False) as ledger:
        count = 0 if ids or is_sure else len(letters(ledger, which))
        if count:
            number = counted(count, "dead letter")
            raise UserError(f"{number} would be discarded: add --yes if that is meant")
        done = discard(ledger, ids, which, datetime.now(UTC))
    _tell_decided(done, "discarded", is_json=is_json)


def _refuse_unclear(ids: Sequence[str], which: Which, *, is_all: bool) -> None:
    if bool(ids) + (not which.is_any) + is_all != 1:
        raise UserError(
            "which letters? Either JOB..., or --rule, --converter, --failure and --path, or "
            "--all; docferry dead list tells them"
        )


def _tell_decided(done: Decided, how: str, *, is_json: bool) -> None:
    if is_json:
        emit_json(done)
    else:
        if done.jobs or not done.left:
            text = f"{counted(len(done.jobs), 'dead letter')} {how}"
            line(text if done.jobs else "no dead letters")
        for job_id, reason in [*done.left.items()][:_MOST]:
            line(f"  left: {job_id}: {reason}", colour="yellow")
        say_hidden(len(done.left) - _MOST, "--json")
    sys.exit(0 if done.jobs and not done.left else EXIT_TROUBLE)


def _how_it_is(job: JobRow) -> str:
    match job.state:
        case JobState.RUNNING:
            began = job.storing_at or job.converting_at or job.claimed_at
            stage = job.stage.value if job.stage is not None else "running"
            return f"{stage}, {ago(began)}"
        case JobState.QUEUED:
            return f"queued, {ago(job.created_at)}"
        case _:
            return f"{job.state.value}, {ago(job.finished_at)}"


def _what(job: JobRow) -> str:
    """Say what came of it, or why nothing has yet."""
    match job.state:
        case JobState.DONE:
            shared = ", shared with an equal document" if job.shared_with is not None else ""
            return f"{job.target_mirror}: {job.result_path}{shared}{_took(job)}"
        case JobState.RUNNING:
            return f"by {job.converter}, attempt {job.attempts}"
        case JobState.QUEUED:
            before = f"; before: {job.last_error}" if job.last_error else ""
            return f"waits for {job.converter}{before}{_again(job)}"
        case _:
            return job.last_error or "nobody knows why"


def _again(job: JobRow) -> str:
    is_later = job.run_at > datetime.now(UTC)
    return f"; tried again {job.run_at.astimezone():%H:%M:%S}" if is_later else ""


def _took(job: JobRow) -> str:
    if job.claimed_at is None or job.finished_at is None:
        return ""
    waited = lasted(job.claimed_at - job.run_at)  # since it was queued last
    return f", waited {waited}, took {lasted(job.finished_at - job.claimed_at)}"
