"""What retention would let go, and a round of it at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import Context, as_json, limit, pass_context
from docferry.cli.output import ago, emit_json, emit_table, line, say_hidden, size
from docferry.core.words import counted
from docferry.errors import UserError

if TYPE_CHECKING:
    from docferry.app.retention import Outlook


@click.command()
@click.argument("mirror", default="")
@click.option("--now", "is_now", is_flag=True, help="Let the daemon do a round now.")
@click.option("--yes", "is_sure", is_flag=True, help="With --now: also where retention waits.")
@limit
@as_json
@pass_context
def retention(
    context: Context, mirror: str, most: int, *, is_now: bool, is_sure: bool, is_json: bool
) -> None:
    """
    Say which displaced versions of MIRROR, or of all, would be let go, and why others stay.

    Nothing is let go by asking; the daemon does it every hour, or with --now at once. Where
    it waits for a person's word, --now --yes is that word. With --json every displaced
    version is listed.
    """
    if is_now:
        _ask(context, mirror, is_sure=is_sure, is_json=is_json)
        return
    from docferry.app.mirrors import mirror_named
    from docferry.app.retention import outlooks

    names = [mirror_named(context.config, mirror).name] if mirror else [*context.config.mirrors]
    with context.ledger() as ledger:
        found = [
            *outlooks(
                ledger, context.config, names, datetime.now(UTC), most=None if is_json else most
            )
        ]
    if is_json:
        emit_json(found)
        return
    for one in found:
        _show(one)


def _ask(context: Context, mirror: str, *, is_sure: bool, is_json: bool) -> None:
    from docferry.app.retention import ask_for_a_round
    from docferry.ledger.lock import is_held

    if not mirror:
        raise UserError("of which mirror? docferry retention MIRROR --now")
    with context.ledger(read_only=False) as ledger:
        now = datetime.now(UTC)
        number = ask_for_a_round(ledger, context.config, mirror, now, is_sure=is_sure)
    if is_json:
        emit_json({"request": number, "mirror": mirror})
    else:
        is_running = is_held(context.config.state_dir) is not None
        soon, later = (
            "the daemon does it within seconds",
            "no daemon runs: it is done once one does",
        )
        when = soon if is_running else later
        line(f"{mirror}: asked for a round of retention; {when}")


def _show(found: Outlook) -> None:
    if not found.policy.lets_go:
        line(f"{found.mirror}: no rule lets anything go: all versions stay for ever")
        return
    if found.waits_since is not None:
        line(f"{found.mirror}: retention waits, {ago(found.waits_since)}", colour="red")
        line(f"  why: {found.waits_why}")
        line(f"  {found.what_to_do}")
    line(
        f"{found.mirror}: {counted(found.goes, 'version')} ({size(found.goes_bytes)}) would go, "
        f"{counted(found.stays, 'version')} would stay"
    )
    for why, count in sorted(found.stays_why.items()):
        line(f"  {count} of those that stay: {why}")
    if found.goes:
        rows = ((v.path, v.version, size(v.size), v.left_at) for v in found.versions)
        emit_table("would go", ("path", "version", "size", "displaced"), rows)
        hidden = found.goes - len(found.versions)
        say_hidden(hidden, f"docferry retention {found.mirror} --limit N, or --json")
