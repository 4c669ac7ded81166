"""Commands that look and change nothing: status, plan, ls, log."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, limit, pass_context
from docferry.cli.jobs import show_converters
from docferry.cli.output import ago, aside, emit_json, emit_table, line, say_hidden, size
from docferry.cli.webhooks import show_how_it_does
from docferry.core.words import counted
from docferry.errors import UserError
from docferry.job import JobState

if TYPE_CHECKING:
    from docferry.app.report import FileReport, MirrorReport, Status
    from docferry.config import ConfigError
    from docferry.engine.dry_run import DryRun
    from docferry.job import JobRow
    from docferry.model import Transfer

_COLOURS = {
    "in-step": "green",
    "working": "cyan",
    "starting": "cyan",
    "waiting": "yellow",
    "paused": "yellow",
}
_HELD = "gone from one side, and kept on the other by hold {}"
_HELD_CHANGE = "changed on one side, and kept from the other by hold {}"
_MOST_HELD = 20
_MOST = 10  # of a kind are listed: the rest of `status` must stay in sight


@click.command()
@as_json
@pass_context
def status(context: Context, *, is_json: bool) -> None:
    """Say what is in step, what waits, why, and since when. Exit code 1: not all is in step."""
    from docferry.app.report import never_run
    from docferry.app.report import status as report_status
    from docferry.config import ConfigError

    try:
        context.reading  # noqa: B018  which has faults, perhaps
    except ConfigError as error:
        raise _with_who_runs(error) from None
    if context.has_run:
        with context.ledger() as ledger:
            report = report_status(context.config, ledger)
    else:
        report = never_run(context.config)
    if is_json:
        emit_json(report)
    else:
        _show_status(report)
    sys.exit(0 if report.is_in_step else EXIT_TROUBLE)


@click.command()
@click.argument("mirrors", nargs=-1)
@as_json
@pass_context
def plan(context: Context, mirrors: tuple[str, ...], *, is_json: bool) -> None:
    """
    Say what a run would do now, and do nothing.

    What conversions and drop folders would bring along meanwhile is not in it.
    Exit code 1: something would be refused or held back.
    """
    from docferry import logs
    from docferry.app.onlooker import Onlooker
    from docferry.app.rehearse import rehearse

    logs.configure("critical")  # what a rehearsal would log did not happen
    names = mirrors or tuple(context.config.mirrors)
    plans = rehearse(context.config, names, Onlooker(aside))
    if is_json:
        emit_json({name: _plan_facts(one) for name, one in plans.items()})
    else:
        for name, one in plans.items():
            _show_plan(name, one)
    sys.exit(EXIT_TROUBLE if any(map(_is_trouble, plans.values())) else 0)


@click.command()
@click.argument("mirror")
@click.argument("path", default="")
@limit
@as_json
@pass_context
def ls(context: Context, mirror: str, path: str, most: int, *, is_json: bool) -> None:
    """
    List the files that both sides of MIRROR agreed on, at or below PATH.

    With --json all of them.
    """
    from docferry.app.mirrors import mirror_named
    from docferry.app.report import files

    mirror_named(context.config, mirror)
    with context.ledger() as ledger:
        found = files(ledger, mirror, path)
    if is_json:
        emit_json(found)
        return
    rows = ((f.path, size(f.state.size), f.state.version, _trouble_of(f)) for f in found[:most])
    emit_table(counted(len(found), "file"), ("path", "size", "version", "problem"), rows)
    say_hidden(len(found) - most, "--limit N, or --json")


@click.command()
@click.argument("path")
@click.option("--mirror", help="Needed where there are several.")
@limit
@as_json
@pass_context
def log(context: Context, path: str, mirror: str | None, most: int, *, is_json: bool) -> None:
    """
    Tell the story of PATH: what was done to it, when, and its versions.

    Exit code 1: nothing is known of it.
    """
    from docferry.app.mirrors import only_mirror
    from docferry.app.report import story

    with context.ledger() as ledger:
        report = story(ledger, only_mirror(context.config, mirror), path)
    if is_json:
        emit_json(report)
        sys.exit(0 if report.is_known else EXIT_TROUBLE)
    if not report.is_known:
        line(f"{report.mirror}: nothing is known of {path!r}")
        sys.exit(EXIT_TROUBLE)
    if report.problem is not None:
        line(f"problem since {ago(report.problem.since)}: {report.problem.message}", colour="red")
    if report.hold is not None:
        line(f"{_HELD.format(report.hold)}: docferry holds show {report.hold}", colour="red")
    if report.held_change is not None:
        held = report.held_change
        line(f"{_HELD_CHANGE.format(held)}: docferry holds show {held}", colour="red")
    happened = ((row.at, row.kind, row.version, row.note) for row in report.history[:most])
    emit_table(f"{report.mirror}: {path}", ("when", "what", "version", "note"), happened)
    say_hidden(len(report.history) - most, "--limit N, or --json")
    newest = report.versions[:most]
    versions = ((row.id, size(row.size), row.origin, row.sha256[:12]) for row in newest)
    emit_table("versions", ("version", "size", "origin", "sha256"), versions)
    say_hidden(len(report.versions) - most, "--limit N, or --json")
    if report.conversions:
        jobs = ((job.version, job.rule, job.state, _result_of(job)) for job in report.conversions)
        emit_table("conversions", ("of version", "rule", "state", "result"), jobs)


def _trouble_of(file: FileReport) -> str | None:
    if file.hold is not None:
        return _HELD.format(file.hold)
    if file.held_change is not None:
        return _HELD_CHANGE.format(file.held_change)
    return file.problem


def _result_of(job: JobRow) -> str | None:
    if job.result_path is not None:
        return f"{job.target_mirror}: {job.result_path}"
    return job.last_error


# status


def _with_who_runs(error: ConfigError) -> UserError:
    """Say with a faulty configuration whether a daemon goes on with an older one."""
    from docferry.config import Config
    from docferry.ledger.lock import is_held

    with suppress(UserError):
        if (pid := is_held(error.state_dir or Config().state_dir)) is not None:
            return UserError(f"{error}\n\ndocferry (pid {pid}) goes on as it was configured before")
    return error


def _show_status(report: Status) -> None:
    if report.pid is not None:
        line(f"docferry is running (pid {report.pid})")
    elif any(mirror.row is not None for mirror in report.mirrors):
        line(
            "docferry is not running. What follows is how things were when it stopped.",
            colour="red",
        )
    else:
        line("docferry is not running, and never was", colour="red")
    if report.trouble is not None:
        line(report.trouble, colour="red")
    if report.refused_config is not None:
        refused = report.refused_config
        line(
            f"the configuration was changed and is refused since {ago(refused.at)}; the older one "
            f"is in force\n{refused.reason}",
            colour="red",
        )
    for mirror in report.mirrors:
        _show_mirror(mirror, is_running=report.pid is not None)
    _show_conversions(report)
    for store in report.stores:
        first, *rest = store.sentences or ("not asked for anything yet",)
        line(f"\nstore {store.name}: {first}")
        for sentence in rest:
            line(f"  {sentence}", colour="yellow")
    for webhook in report.webhooks:
        line(f"\nwebhook {webhook.name}, {webhook.origin}")
        show_how_it_does(webhook)


def _show_mirror(mirror: MirrorReport, *, is_running: bool) -> None:
    row = mirror.row
    if row is None:
        line(f"\n{mirror.name}: has never run", colour="yellow")
        return
    word = row.health.value if is_running else f"stopped (was {row.health.value})"
    colour = _COLOURS.get(row.health.value, "red") if is_running else "yellow"
    line(f"\n{mirror.name}: {word} since {ago(row.since)}", colour=colour)
    line(f"  {mirror.local}  <->  {mirror.remote} ({row.mode})")
    if mirror.held:
        in_step = max(0, mirror.files - (mirror.held - mirror.held_newcomers))
        line(f"  {counted(in_step, 'file')} in step, {mirror.held} held back")
    else:
        line(f"  {counted(mirror.files, 'file')}, {size(mirror.size_bytes)} in step")
    if mirror.why_paused:
        line(f"  {mirror.why_paused}; to go on: docferry mirrors resume {mirror.name}")
    elif row.reason:
        line(f"  why: {row.reason}")
    if row.progress and is_running:
        line(f"  now: {row.progress}")
    for one in mirror.transfers if is_running else ():
        line(f"  on its way {one.way}: {_how_far(one)}")
    if row.dirty:
        line(
            f"  waiting: {counted(row.dirty, 'path')}, the oldest since {ago(row.oldest_dirty_at)}"
        )
    line(f"  last poll {ago(row.last_poll_at)}, last scan {ago(row.last_scan_at)}")
    line(f"  last snapshot {ago(mirror.snapshot_at)}, {_patrol_of(mirror)}")
    _show_what_waits(mirror)


def _how_far(one: Transfer) -> str:
    share = f"{size(one.done)} of {size(one.size)} ({one.done / one.size:.0%})"
    return f"{one.path}, {share}, since {ago(one.since)}"


def _patrol_of(mirror: MirrorReport) -> str:
    from docferry.core.patrol import coverage

    row = mirror.patrol
    if row is None:
        return "last whole patrol never"
    done = coverage(row.checked, row.total)
    under_way = f" (the present one: {done:.0%})" if done < 1 else ""
    return f"last whole patrol {ago(row.finished_at)}{under_way}"


def _show_conversions(report: Status) -> None:
    counts = {state: count for state, count in report.jobs.items() if count}
    if counts or report.converters:
        states = (f"{count} {state}" for state, count in counts.items())
        gone = counts.get(JobState.DEAD, 0) - sum(each.dead for each in report.converters)
        of_gone = f" ({gone} of the dead are of documents that are gone)" if gone > 0 else ""
        line("\nconversions: " + (", ".join(states) or "none yet") + of_gone)
    show_converters(report.converters, "  ")
    for backlog in report.backlogs:
        more = "" if backlog.is_all_known else ", and more to come"
        line(
            f"  backlog of rule {backlog.rule}: {backlog.queued} to do{more}; {backlog.done} of "
            f"all its {counted(backlog.total, 'conversion')} are over"
        )
    for job in report.dead_letters[:_MOST]:
        line(f"  given up on {job.mirror}: {job.path} (rule {job.rule}, {ago(job.finished_at)})")
        line(f"    why: {job.last_error}", colour="red")
    if report.dead_letters:
        say_hidden(len(report.dead_letters) - _MOST, "docferry dead list")
        line("  docferry dead list; mend such a document and save it again, or replay or discard")


def _show_what_waits(mirror: MirrorReport) -> None:
    from docferry.app.requests import in_words

    for hold in mirror.holds:
        line(
            f"  hold {hold.id} ({hold.state}, {ago(hold.created_at)}): {hold.reason}", colour="red"
        )
        if hold.state == "open":
            decide = "approve" if hold.kind == "identity" else "approve|discard"
            line(f"    docferry holds show {hold.id}; then docferry holds {decide} {hold.id}")
            rest = "nothing" if hold.kind == "identity" else "everything else"
            line(f"    {rest} travels meanwhile")
    if mirror.retention_waits_since is not None:
        since = ago(mirror.retention_waits_since)
        line(f"  retention waits for your word ({since}): docferry retention {mirror.name}")
    if mirror.asked:
        since = ago(mirror.oldest_asked_at)
        line(f"  asked for: {in_words(mirror.asked_kinds)}, the oldest {since}")
        line(f"    why they wait: docferry requests list {mirror.name}")
    for request in mirror.failed_requests[:_MOST]:
        what = f"{request.kind} {request.path}".rstrip()
        when = ago(request.finished_at)
        line(f"  {request.state}: {what} ({when}): {request.note}", colour="red")
    for conflict in mirror.conflicts[:_MOST]:
        line(f"  conflict {conflict.id}: {conflict.path}, also kept as {conflict.copy_path}")
    for problem in mirror.problems[:_MOST]:
        where = f"{problem.path}: " if problem.path else ""  # else it is the mirror's own
        line(f"  problem: {where}{problem.message} (since {ago(problem.since)})")
    shortened = (mirror.problems, mirror.conflicts, mirror.failed_requests)
    hidden = sum(max(0, len(each) - _MOST) for each in shortened)
    say_hidden(hidden, "docferry status --json")


# plan


def _is_trouble(one: DryRun) -> bool:
    return bool(one.refused or one.held_back or one.held_changes)


def _plan_facts(one: DryRun) -> dict[str, object]:
    from docferry.engine.tell import kind_of

    return {
        "operations": [{"kind": step.kind, "path": step.path} for step in one.operations],
        "refused": one.refused,
        "held_back": [
            *({"kind": kind_of(deletion), "path": deletion.path} for deletion in one.held_back),
            *({"kind": step.kind, "path": step.path} for step in one.held_changes),
        ],
        "hold_reason": one.hold_reason,
        "waiting": [{"path": path, "why": why} for path, why in one.waiting],
        "left_alone": [{"path": path, "why": why} for path, why in one.left_alone],
    }


def _show_plan(name: str, one: DryRun) -> None:
    from docferry.engine.tell import kind_of

    if one.refused:
        line(f"{name}: nothing would travel: {one.refused}", colour="red")
        return
    held = one.held_back or one.held_changes
    if not (one.operations or held or one.waiting or one.left_alone):
        line(f"{name}: in step, nothing to do", colour="green")
        return
    rows = [(step.kind, step.path) for step in one.operations]
    emit_table(f"{name}: {counted(len(rows), 'operation')}", ("what", "path"), rows)
    if one.held_back:
        line(
            f"{name}: {counted(len(one.held_back), 'deletion')} would be held: {one.hold_reason}",
            colour="red",
        )
        for deletion in one.held_back[:_MOST_HELD]:
            line(f"  {kind_of(deletion)} {deletion.path}")
        say_hidden(len(one.held_back) - _MOST_HELD, "docferry plan --json")
    if one.held_changes:
        line(
            f"{name}: {counted(len(one.held_changes), 'change')} would be held: {one.hold_reason}",
            colour="red",
        )
        for step in one.held_changes[:_MOST_HELD]:
            line(f"  {step.kind} {step.path}")
        say_hidden(len(one.held_changes) - _MOST_HELD, "docferry plan --json")
    for path, why in one.waiting:
        line(f"  waits: {path}: {why}", colour="yellow")
    for path, why in one.left_alone:
        line(f"  left alone: {path}: {why}", colour="yellow")
