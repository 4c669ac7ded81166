"""The audit: what was changed, by whom, and whether that is all of it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, limit, pass_context
from docferry.cli.output import emit_json, emit_table, line
from docferry.core.audit import Action
from docferry.core.when import FORMS, moment
from docferry.core.words import counted
from docferry.errors import UserError

if TYPE_CHECKING:
    from docferry.app.audit import Verdict
    from docferry.core.audit import AuditRow


_ACTION = click.Choice([action.value for action in Action])


@click.group()
def audit() -> None:
    """Who changed configuration, holds or versions, and what was deleted."""


@audit.command("list")
@click.option("--actor", help='Whoever did it, as it is listed: "anna", "key pipeline".')
@click.option("--action", type=_ACTION, metavar="ACTION", help="As it is listed: hold.approved.")
@click.option("--mirror")
@click.option("--since", metavar="TIME", help=f"From then on: {FORMS}.")
@click.option("--until", metavar="TIME", help="Before then.")
@limit
@as_json
@pass_context
def list_audit(
    context: Context,
    *,
    actor: str | None,
    action: str | None,
    mirror: str | None,
    since: str | None,
    until: str | None,
    most: int,
    is_json: bool,
) -> None:
    """List the last rows, the newest first. Documents are named by their versions."""
    from docferry.ledger.audit import Which

    is_what = None if action is None else Action(action)
    which = Which(actor, is_what, mirror, _moment(since), _moment(until))
    with context.ledger() as ledger:
        found = ledger.audit.newest(most, which)
    if is_json:
        emit_json(found)
        return
    if not found:
        line("nothing was done yet" if which == Which() else "nothing of the kind was done")
        return
    rows = ((r.seq, _when(r), r.actor, r.action, r.mirror, _in_words(r)) for r in found)
    emit_table("audit", ("row", "when", "who", "what", "mirror", "facts"), rows)


@audit.command()
@click.option("--head", metavar="HASH", help="A hash that `verify` gave once: it must be there.")
@as_json
@pass_context
def verify(context: Context, *, head: str | None, is_json: bool) -> None:
    """
    Find any row that was changed, taken out or put in. Code 1: there is one.

    The ledger's rows are held against each other and against the audit's file. What was
    taken off the end of both, or written anew in both, only a hash tells that was noted
    elsewhere since: note the one that this prints, and give it to --head the next time.
    """
    from docferry.app.audit import verified

    with context.ledger() as ledger:
        verdict = verified(ledger, context.config.audit_path, head)
    if is_json:
        emit_json(verdict)
    else:
        _show(verdict)
    sys.exit(EXIT_TROUBLE if verdict.faults else 0)


def _show(verdict: Verdict) -> None:
    for fault in verdict.faults:
        line(f"XX  row {fault.seq}: {fault.what}", colour="red")
    if verdict.faults:
        line(f"sound up to row {verdict.rows}")
        return
    line(f"ok  {counted(verdict.rows, 'row')}, as they were written", colour="green")
    behind = verdict.rows - verdict.rows_in_file
    late = f"; {behind} more are not in it (the daemon writes it)" if behind else ""
    line(f"    {verdict.rows_in_file} of them also in {verdict.file}{late}")
    line(f"    head {verdict.head}")


def _moment(text: str | None) -> datetime | None:
    """Take a time without a zone for one of this machine's, as other commands do."""
    if text is None:
        return None
    found = moment(text, datetime.now(UTC))
    if found is None:
        raise UserError(f"{text!r} is no time: {FORMS}")
    return found


def _when(row: AuditRow) -> datetime | str:
    try:
        return datetime.fromisoformat(row.at)
    except ValueError:  # nothing that docferry wrote: `verify` says so
        return row.at


def _in_words(row: AuditRow) -> str:
    try:
        facts = json.loads(row.facts)
    except ValueError:
        return row.facts
    return ", ".join(f"{name} {_short(value)}" for name, value in facts.items() if value)


def _short(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    shown = ", ".join(str(one) for one in value[:3])
    return f"{shown} and {len(value) - 3} more" if len(value) > 3 else shown
