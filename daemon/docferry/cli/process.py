"""The command that has a document processed, and follows it to its end."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, pass_context
from docferry.cli.output import emit_json, emit_table, line, say_hidden
from docferry.core.words import counted
from docferry.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from docferry.app.follow import Looks, Verdict
    from docferry.app.process import New, Processed
    from docferry.core.following import Step
    from docferry.job import JobRow

_MOST = 20
_COLOURS = {"done": "green", "arrived": "green", "dead": "red", "skipped": "yellow"}


def _seconds(context: click.Context, option: click.Parameter, value: str) -> float:
    """Read a time as the configuration has them."""
    from docferry.config.values import Wrong, duration

    check = duration()
    try:
        seconds = check.read(value)
    except Wrong as error:
        raise UserError(f"--timeout {error}: {check.right}") from error
    assert isinstance(seconds, float)
    return seconds


@click.command()
@click.argument("what", metavar="[FILE|ULID]", default="")
@click.option("--mirror", help="Needed where several have the file.")
@click.option("--rule", help="Only by this rule.")
@click.option("--force", "is_forced", is_flag=True, help="Also what is done already.")
@click.option("--new", "is_new", is_flag=True, help="All that no rule has converted yet.")
@click.option("--wait", "waits", is_flag=True, help="Follow it to its end.")
@click.option(
    "--timeout",
    "timeout_s",
    callback=_seconds,
    default="10m",
    show_default=True,
    help="For --wait.",
)
@as_json
@pass_context
def process(
    context: Context,
    what: str,
    mirror: str | None,
    rule: str | None,
    timeout_s: float,
    *,
    is_forced: bool,
    is_new: bool,
    waits: bool,
    is_json: bool,
) -> None:
    """
    Have a document converted now, before all others: a path, a file's name, or a version.

    With --wait it is followed until its results are on both sides; a file that was just put
    into a folder may be named before docferry has seen it. Exit code 0: done; 1: it
    failed, or was not done in time; 2: there is no such file, or no rule takes it.
    """
    from docferry.app.mirrors import mirror_named

    if bool(what) == is_new or (is_new and (waits or is_forced)):
        raise UserError("process what? A path, a name or a version; or --new, by itself")
    mirrors = [mirror_named(context.config, mirror).name] if mirror else [*context.config.mirrors]
    if is_new:
        _process_new(context, mirrors, rule, is_json=is_json)
        return
    looks = _looks(context, timeout_s) if waits else None
    found = _asked(context, mirrors, what, rule, looks, is_forced=is_forced)
    if looks is None:
        _show_asked(found, is_json=is_json)
    else:
        _follow(context, found, looks, is_json=is_json)


def _looks(context: Context, timeout_s: float) -> Looks:
    from docferry.app.follow import Looks

    return Looks(context.config, timeout_s)


def _asked(
    context: Context,
    mirrors: Collection[str],
    what: str,
    rule: str | None,
    looks: Looks | None,
    *,
    is_forced: bool,
) -> Processed:
    from docferry.app.follow import await_document
    from docferry.app.process import document
    from docferry.app.process import process as ask

    with context.ledger(read_only=False) as ledger:
        if looks is None:
            version = document(ledger, mirrors, what)
        else:
            version = await_document(context.config, ledger, mirrors, what, None, looks)
        now = datetime.now(UTC)
        return ask(context.config, ledger, version, rule, now, is_forced=is_forced)


def _show_asked(found: Processed, *, is_json: bool) -> None:
    if is_json:
        emit_json(found)
        return
    rows = [(job.id, job.rule, job.state, f"{job.mirror}: {job.path}") for job in found.jobs]
    emit_table(counted(len(rows), "conversion"), ("job", "rule", "state", "document"), rows)
    _show_refused(found.refused)
    line("docferry jobs follows them; so does --wait")


def _follow(context: Context, found: Processed, looks: Looks, *, is_json: bool) -> None:
    from docferry.app.follow import Verdict, follow
    from docferry.cli.progress import stages
    from docferry.core.following import End, Stage, Step

    assert found.version is not None
    steps = [Step(Stage.SETTLED, found.version.created_at, text=found.version.id)]
    if not is_json:
        line(f"{found.version.mirror}: {found.version.path}")
        _show_step(steps[0])
    with context.ledger() as ledger, stages() as show:
        for one in follow(ledger, [job.id for job in found.jobs], looks):
            if isinstance(one, Verdict):
                break
            steps.append(one)
            if not is_json:
                _show_step(one)
            show(f"{one.rule}: {one.stage}")
        else:
            raise AssertionError("whoever follows is told how it ended")
    if is_json:
        emit_json(_facts(found, steps, one))
    else:
        _show_refused(found.refused)
        _show_end(one)
    sys.exit(0 if one.end is End.DONE else EXIT_TROUBLE)


def _facts(found: Processed, steps: Sequence[Step], verdict: Verdict) -> dict[str, object]:
    return {
        "version": found.version,
        "jobs": [one.job for one in verdict.jobs],
        "refused": found.refused,
        "steps": steps,
        "end": verdict.end,
        "why": verdict.why,
    }


def _show_step(step: Step) -> None:
    what = f"{step.stage} {step.text}" if step.job is None else f"{step.rule}: {step.stage}"
    text = f"; {step.text}" if step.job is not None and step.text else ""
    line(f"  {step.at.astimezone():%H:%M:%S}  {what}{text}", colour=_COLOURS.get(step.stage.value))


def _show_refused(refused: Mapping[str, str]) -> None:
    for rule, reason in refused.items():
        line(f"  {rule}: not, for {reason}")


def _show_end(verdict: Verdict) -> None:
    from docferry.core.following import End

    match verdict.end:
        case End.DONE:
            line("done: what was made is on both sides", colour="green")
        case End.FAILED:
            line("failed: docferry dead list tells more", colour="red")
        case End.LATE:
            line(f"not done: {verdict.why}; docferry jobs follows it", colour="yellow")


def _process_new(
    context: Context, mirrors: Collection[str], rule: str | None, *, is_json: bool
) -> None:
    from docferry.app.process import process_new

    parts: list[New] = []
    cursor = None
    while not parts or cursor is not None:
        with context.ledger(read_only=False) as ledger:  # waked after each part
            now = datetime.now(UTC)
            parts.append(process_new(context.config, ledger, mirrors, rule, now, cursor))
        cursor = parts[-1].cursor
    jobs: list[JobRow] = [job for part in parts for job in part.jobs]
    files = sum(part.files for part in parts)
    if is_json:
        emit_json({"files": files, "jobs": jobs, "paused": parts[-1].paused})
        return
    line(f"{counted(files, 'file')} looked at, {counted(len(jobs), 'conversion')} queued")
    for job in jobs[:_MOST]:
        line(f"  {job.id}  {job.rule}  {job.mirror}: {job.path}")
    say_hidden(len(jobs) - _MOST, "docferry jobs, or --json")
    for name, why in parts[-1].paused.items():
        line(f"  {name} waits: {why}", colour="yellow")
