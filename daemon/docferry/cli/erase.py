"""The command that leaves nothing of a document anywhere."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, pass_context
from docferry.cli.output import emit_json, line, size
from docferry.core.words import counted
from docferry.errors import UserError

if TYPE_CHECKING:
    from docferry.app.erase import Doomed, Ended


@click.command()
@click.argument("path")
@click.option("--all-versions", is_flag=True, help="Needed: nothing can be had back.")
@click.option("--yes", is_flag=True, help="Needed: nobody asks again.")
@click.option("--mirror", help="Needed where several had it.")
@click.option("--timeout", "timeout_s", default=600.0, show_default=True, help="Seconds to wait.")
@as_json
@pass_context
def erase(
    context: Context,
    path: str,
    *,
    all_versions: bool,
    yes: bool,
    mirror: str | None,
    timeout_s: float,
    is_json: bool,
) -> None:
    """
    Leave nothing of PATH: on both sides, in the archives, the bucket's versions, the ledger.

    What stays is the SHA-256 of each erased version, without its path. The daemon carries
    it out; then both sides and the ledger are searched. Exit code 1: something is left.
    """
    from docferry.app.erase import are_all_done, ask, doomed, wait
    from docferry.ledger.lock import is_held

    with context.ledger() as ledger:
        found = doomed(ledger, context.config, mirror, path)
    if found.held:
        raise UserError(
            f"nothing was erased: held is {', '.join(found.held)}. docferry unhold ends that"
        )
    if not (all_versions and yes):
        emit_json({"would_go": found}) if is_json else _show_doomed(found)
        raise UserError("nothing was erased; to do it: add --all-versions --yes")
    with context.ledger(read_only=False) as ledger:
        number = ask(ledger, found.mirror, path, datetime.now(UTC))
    if is_held(context.config.state_dir) is None:
        if is_json:
            emit_json({"is_done": False, "request": number, "ended": []})
        else:
            line(f"asked for (request {number}); no daemon runs: it is erased once one does")
        sys.exit(EXIT_TROUBLE)
    with context.ledger() as ledger:
        ended = wait(ledger, number, timeout_s, context.wake_daemon)
    is_done = are_all_done(ended)
    if is_json:
        emit_json({"is_done": is_done, "request": number, "ended": ended})
    else:
        for one in ended:
            _show_ended(one)
        if not ended:
            line(
                f"not erased yet (request {number}): docferry is still at it, and docferry status "
                "tells what it waits for",
                colour="red",
            )
        elif not is_done:
            line(f"not all of it is erased (request {number})", colour="red")
    sys.exit(0 if is_done else EXIT_TROUBLE)


def _show_doomed(found: Doomed) -> None:
    is_there = "the file on both sides, " if found.is_current else ""
    versions = counted(len(found.versions), "version")
    line(f"{found.mirror}: would go: {is_there}{versions} ({size(found.size_bytes)})")
    for result in found.results:
        line(f"  and what a conversion made of it: {result}")


def _show_ended(ended: Ended) -> None:
    if not ended.facts:
        line(f"request {ended.request}: {ended.state or 'erased'} {ended.trouble}".rstrip())
        return
    versions = ended.facts["versions"]
    line(f"{ended.mirror}: {counted(len(versions), 'version')} erased")
    for version in versions:
        line(f"  {version}")
    for where in ended.facts["searched"]:
        line(f"searched: {where}")
    for what in ended.facts["left"]:
        line(f"left: {what}", colour="red")
    for what in ended.facts["newer"]:
        line(f"came since it was asked for, and stays: {what}", colour="yellow")
    for other in ended.facts["copies"]:
        line(f"a file of its own has the same content: {other}", colour="yellow")
    for other in ended.facts.get("no_results", []):
        line(
            f"no conversion is known to have made it, so it stays: {other}; if it is of no more "
            "use: docferry erase it",
            colour="yellow",
        )
    if not ended.facts["left"]:
        line("nothing was found")
