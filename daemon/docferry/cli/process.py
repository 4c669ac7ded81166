"""The command that has a document processed, and follows it to its end."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, pass_context
from docferry.cli.output import aside, emit_json, emit_table, line, say_hidden
from docferry.core.words import counted
from docferry.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from docferry.app.follow import Looks, Verdict
    from docferry.app.process import New, Processed
    from docferry.core.following import Followed, Step
    from docferry.job import JobRow
    from docferry.ledger import Ledger
    from docferry.model import Path, VersionRow

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
    Have a document converted now, before all others: a file here, a path, a name, or a version.

    A file here is one that lies in a mirror's folder, named from where you are: `./a.docx`.
    Else it is a path in a mirror (`/a.docx` is the one at the top), or the name of a file that
    no other has.

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
    at = datetime.now(UTC)
    found, waits_for = _asked(context, mirrors, what, rule, looks, is_forced=is_forced)
    if looks is None:
        _show_asked(found, waits_for, is_json=is_json)
    else:
        _follow(context, found, at, looks, is_json=is_json)


def _looks(context: Context, timeout_s: float) -> Looks:
    from docferry.app.follow import Looks

    return Looks(context.config, timeout_s, tell=aside)


def _asked(
    context: Context,
    mirrors: Collection[str],
    what: str,
    rule: str | None,
    looks: Looks | None,
    *,
    is_forced: bool,
) -> tuple[Processed, str | None]:
    """Ask for it; say what it waits for, if it does."""
    from docferry.app.follow import why_asked_wait
    from docferry.app.process import process as ask

    with context.ledger(read_only=False) as ledger:
        version = _document(context, ledger, mirrors, what, looks)
        now = datetime.now(UTC)
        found = ask(context.config, ledger, version, rule, now, is_forced=is_forced)
        return found, why_asked_wait(context.config, ledger, found.jobs)


def _document(
    context: Context, ledger: Ledger, mirrors: Collection[str], what: str, looks: Looks | None
) -> VersionRow:
    from docferry.app.follow import await_document
    from docferry.app.local_names import meant
    from docferry.app.process import document

    found = meant(context.config, ledger, mirrors, what)
    if looks is None:
        return document(ledger, found.mirrors, found.identifier, found.by)
    return await_document(context.config, ledger, found.mirrors, found.identifier, found.by, looks)


def _show_asked(found: Processed, waits_for: str | None, *, is_json: bool) -> None:
    from docferry.core.following import OVER

    if is_json:
        facts = {"version": found.version, "jobs": found.jobs, "refused": found.refused}
        emit_json(facts | {"waits_for": waits_for})
        return
    rows = [(job.id, job.rule, job.state, f"{job.mirror}: {job.path}") for job in found.jobs]
    emit_table(counted(len(rows), "conversion"), ("job", "rule", "state", "document"), rows)
    _show_refused(found.refused)
    if all(job.state in OVER for job in found.jobs):
        line("all was done already; --force has it done again")
    elif waits_for is not None:
        line(f"it waits: {waits_for}", colour="yellow")
    else:
        line("docferry jobs follows them; so does --wait")


def _follow(
    context: Context, found: Processed, at: datetime, looks: Looks, *, is_json: bool
) -> None:
    from docferry.app.follow import Verdict, follow, results_gone
    from docferry.cli.progress import stages
    from docferry.core.following import End, Stage, Step, was_over

    assert found.version is not None
    settled = Step(Stage.SETTLED, found.version.created_at, text=found.version.id)
    steps: list[Step] = []
    if not is_json:
        line(f"{found.version.mirror}: {found.version.path}")
    ids = [job.id for job in found.jobs]
    with context.ledger() as ledger, stages() as bar:
        show = partial(_show_running, bar)
        for one in follow(ledger, ids, looks, asked_at=at, begun=[settled], show=show):
            if isinstance(one, Verdict):
                break
            steps.append(one)
            if not is_json:
                _show_step(one)
            if one.job is not None:
                bar(f"{one.rule}: {one.stage}")
        else:
            raise AssertionError("whoever follows is told how it ended")
        gone = results_gone(ledger, [job for job in found.jobs if was_over(job, at)])
    if is_json:
        emit_json(_facts(found, at, steps, one) | {"gone": gone})
    else:
        _show_refused(found.refused)
        _show_end(found, at, one, gone)
    sys.exit(0 if one.end is End.DONE and not gone else EXIT_TROUBLE)


def _show_running(bar: Callable[[str], None], one: Followed) -> None:
    from docferry.core.following import told_share

    if one.job is not None and one.share is not None:
        bar(f"{one.job.rule}: {one.share.stage}, {told_share(one.share)}")


def _facts(
    found: Processed, at: datetime, steps: Sequence[Step], verdict: Verdict
) -> dict[str, object]:
    from docferry.core.following import was_over

    return {
        "version": found.version,
        "jobs": [one.job for one in verdict.jobs],
        "done_already": [one.id for one in found.jobs if was_over(one, at)],
        "refused": found.refused,
        "steps": steps,
        "end": verdict.end,
        "why": verdict.why,
    }


def _show_step(step: Step) -> None:
    what = f"{step.stage} {step.text}" if step.job is None else f"{step.rule}: {step.stage}"
    text = f"; {step.text}" if step.job is not None and step.text else ""
    at = step.at.astimezone()
    is_today = at.date() == datetime.now(UTC).astimezone().date()
    when = f"{at:%H:%M:%S}" if is_today else f"{at:%Y-%m-%d %H:%M:%S}"
    line(f"  {when}  {what}{text}", colour=_COLOURS.get(step.stage.value))


def _show_refused(refused: Mapping[str, str]) -> None:
    for rule, reason in refused.items():
        line(f"  {rule}: not, for {reason}")


def _show_end(found: Processed, at: datetime, verdict: Verdict, gone: Sequence[Path]) -> None:
    from docferry.core.following import End, was_over

    match verdict.end:
        case End.DONE if gone:
            where = ", ".join(gone)
            line(f"done already, but not there any more: {where}; --force has it done again")
        case End.DONE:
            was_done = all(was_over(job, at) for job in found.jobs)
            how = "done already, --force has it done again" if was_done else "done"
            line(f"{how}: what was made is on both sides", colour="green")
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
