"""Commands about what was asked for: list it, take it back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, limit, pass_context
from docferry.cli.output import ago, emit_json, emit_table, line, say_hidden
from docferry.errors import UserError
from docferry.model import RequestState

if TYPE_CHECKING:
    from docferry.app.requests import Asked

_MOST = 20


@click.group()
def requests() -> None:
    """What people, and patrols, asked for: restores, erasures, heals, rounds of retention."""


@requests.command("list")
@click.argument("mirror", default="")
@click.option("--all", "is_all", is_flag=True, help="Those that are over, or held, too.")
@limit
@as_json
@pass_context
def list_requests(context: Context, mirror: str, *, is_all: bool, most: int, is_json: bool) -> None:
    """
    List what is asked for of MIRROR, or of all, and not carried out yet, and why it waits.

    What a rewind asks for before it is approved: docferry holds show.
    """
    from docferry.app.mirrors import mirror_named
    from docferry.app.requests import asked

    mirrors = [mirror_named(context.config, mirror).name] if mirror else None
    with context.ledger() as ledger:
        # One more than is shown tells that there is more.
        up_to = None if is_json else most + 1
        found = asked(ledger, context.config, mirrors, is_all=is_all, most=up_to)
    if is_json:
        emit_json(found)
        return
    if not found:
        line("nothing is asked for")
        return
    rows = [
        (one.id, one.mirror, one.kind, one.path, one.version, _how_it_is(one), _why(one))
        for one in found[:most]
    ]
    columns = ("request", "mirror", "what", "path", "version", "state", "why")
    emit_table("requests", columns, rows)
    if len(found) > most:
        line("  ... and more: --limit N, or --json")


@requests.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1)
@click.option("--hold", type=int, help="All that this approved hold asks for, and is still open.")
@as_json
@pass_context
def cancel(context: Context, ids: tuple[int, ...], hold: int | None, *, is_json: bool) -> None:
    """
    Take back requests that are open.

    What the daemon has in its hands at that moment may still be carried out; then
    docferry requests list --all says so, and docferry versions PATH has what was there. An
    erasure that has begun goes on. Exit code 1: one of them was not cancelled.
    """
    from docferry.app.requests import cancel as take_back
    from docferry.app.requests import open_in_hold
    from docferry.ledger.lock import is_held

    if not ids and hold is None:
        raise UserError("which requests? docferry requests list tells their numbers")
    with context.ledger(read_only=False) as ledger:
        of_hold = [] if hold is None else open_in_hold(ledger, hold)
        done = take_back(ledger, [*ids, *of_hold], datetime.now(UTC))
    is_running = is_held(context.config.state_dir) is not None
    if is_json:
        emit_json(done)
    else:
        for one in done[:_MOST]:
            line(f"request {one.id}: {'cancelled' if one.is_cancelled else one.why}")
        say_hidden(len(done) - _MOST, "--json")
        if is_running and any(one.is_cancelled for one in done):
            line(
                "what docferry was just carrying out may still come to be: then docferry requests "
                "list --all says so"
            )
    sys.exit(0 if all(one.is_cancelled for one in done) else EXIT_TROUBLE)


def _how_it_is(one: Asked) -> str:
    of_hold = "" if one.hold is None else f", hold {one.hold}"
    return f"{one.state}{of_hold}, {ago(one.since)}"


def _why(one: Asked) -> str:
    if one.retry_at is None or one.state is not RequestState.OPEN:
        return one.why
    return f"{one.why}; tried again {one.retry_at.astimezone():%H:%M:%S}"
