"""Commands by which a person decides: holds and conflicts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import Context, as_json, pass_context
from docferry.cli.output import ago, emit_json, emit_table, line, say_hidden
from docferry.model import HoldState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docferry.ledger.holds import HoldRow
    from docferry.ledger.requests import RequestRow


@click.group()
def holds() -> None:
    """Deletions, changes, or whole mirrors, that a guard held back until you decide."""


@holds.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those over and done with too.")
@as_json
@pass_context
def list_holds(context: Context, *, is_all: bool, is_json: bool) -> None:
    """List the holds."""
    states = tuple(HoldState) if is_all else tuple(s for s in HoldState if s is not HoldState.DONE)
    with context.ledger() as ledger:
        found = ledger.holds.all(None, states)
    if is_json:
        emit_json(found)
        return
    if not found:
        line("nothing is held")
        return
    rows = ((h.id, h.mirror, _how_it_is(h), h.count, ago(h.created_at), h.reason) for h in found)
    emit_table("holds", ("hold", "mirror", "state", "paths", "since", "why"), rows)


@holds.command("show")
@click.argument("hold", type=int)
@click.option("--limit", default=100, show_default=True)
@as_json
@pass_context
def show_hold(context: Context, hold: int, *, limit: int, is_json: bool) -> None:
    """Say why HOLD was opened, and list the files that it keeps from travelling."""
    from docferry.app.decisions import held
    from docferry.engine.tell import kind_of

    with context.ledger() as ledger:
        found = ledger.holds.get(hold)
        items = ledger.holds.items(hold, limit)
        requests = ledger.requests.in_hold(hold, limit)
        changes = held(ledger, found, "", limit) if found.changes else []
    if found.kind == "rewind":
        _show_requests(found, requests, is_json=is_json)
        return
    if is_json:
        deletions = [{"kind": kind_of(item), "path": item.path} for item in items]
        facts = {"deletions": deletions} | ({"items": changes} if found.changes else {})
        emit_json(asdict(found) | facts)
        return
    line(f"{found.mirror}: {found.reason}")
    if found.kind == "identity":
        line("nothing is to be deleted; until that side is itself again nothing travels")
        line(f"to have both sides joined anew: docferry holds approve {hold}")
        return
    if changes:
        rows = ((one.what, one.path, one.note or "") for one in changes)
        emit_table(f"hold {hold}", ("what", "path", "why"), rows)
        rest = found.count - sum(one.what != "travelled" for one in changes)
        say_hidden(rest, f"docferry holds show {hold} --limit N")
        line(f"to have back what was before: docferry holds discard {hold}")
        line(f"to let it all travel: docferry holds approve {hold}")
        return
    emit_table(f"hold {hold}", ("what", "path"), ((kind_of(item), item.path) for item in items))
    say_hidden(found.count - len(items) if items else 0, f"docferry holds show {hold} --limit N")


@holds.command()
@click.argument("hold", type=int)
@as_json
@pass_context
def approve(context: Context, hold: int, *, is_json: bool) -> None:
    """
    Let HOLD go ahead.

    Deletions and changes are carried out (what is deleted or overwritten stays in the
    archive). Where a side was not itself, both sides are joined anew and nothing is deleted.
    """
    decided = _decide(context, hold, HoldState.APPROVED)
    if is_json:
        emit_json(decided)
    elif decided.kind == "rewind":
        line(f"hold {hold} is approved; the daemon rewinds within seconds of running")
    elif decided.kind == "identity":
        line(f"hold {hold} is approved: both sides are joined anew, and nothing is deleted")
    else:
        line(f"hold {hold} is approved; the daemon carries it out within seconds of running")


@holds.command()
@click.argument("hold", type=int)
@as_json
@pass_context
def discard(context: Context, hold: int, *, is_json: bool) -> None:
    """
    Refuse HOLD: the files come back from the side that still has them.

    Of changes each file gets back what it held before, those too that had travelled; what was
    refused goes to the archive, and files that came in the place of others go with it.

    A hold that was opened because a side is not itself cannot be discarded: bring that
    side back and the hold ends by itself, or approve it.
    """
    decided = _decide(context, hold, HoldState.DISCARDED)
    if is_json:
        emit_json(decided)
    elif decided.kind == "rewind":
        line(f"hold {hold} is discarded: everything stays as it is")
    else:
        line(f"hold {hold} is discarded; the files come back within seconds of the daemon running")


@click.group()
def conflicts() -> None:
    """Files that were changed on both sides; both contents were kept."""


@conflicts.command("list")
@click.option("--all", "is_all", is_flag=True, help="Settled ones too.")
@as_json
@pass_context
def list_conflicts(context: Context, *, is_all: bool, is_json: bool) -> None:
    """List the conflicts."""
    with context.ledger() as ledger:
        found = ledger.conflicts.all(None, open_only=not is_all)
    if is_json:
        emit_json(found)
        return
    if not found:
        line("no conflicts")
        return
    settled = [ago(c.settled_at) if c.settled_at else "no" for c in found]
    rows = (
        (c.id, c.mirror, c.path, c.copy_path, ago(c.created_at), when)
        for c, when in zip(found, settled, strict=True)
    )
    columns = ("conflict", "mirror", "path: the bucket's content", "the folder's content", "since")
    emit_table("conflicts", (*columns, "settled"), rows)


@conflicts.command()
@click.argument("conflict", type=int)
@click.option(
    "--keep",
    type=click.Choice(["both", "bucket", "folder"]),
    default="both",
    show_default=True,
    help="Whose content stays at the path; the other goes to the archive.",
)
@as_json
@pass_context
def settle(context: Context, conflict: int, keep: str, *, is_json: bool) -> None:
    """
    Settle CONFLICT: you have looked at it.

    With --keep both no file is changed. Else one file remains, at the path.
    """
    from docferry.app.decisions import Keep
    from docferry.app.decisions import settle as decide

    with context.ledger(read_only=False) as ledger:
        now = datetime.now(UTC)
        settled = decide(context.config, ledger, None, conflict, Keep(keep), now)
    if is_json:
        emit_json(settled)
    else:
        line(f"conflict {conflict} is settled")


def _show_requests(hold: HoldRow, requests: Sequence[RequestRow], *, is_json: bool) -> None:
    if is_json:
        emit_json(asdict(hold) | {"requests": requests})
        return
    line(f"{hold.mirror}: {hold.reason}")
    rows = ((row.kind, row.path, row.version, row.state, row.note) for row in requests)
    emit_table(f"hold {hold.id}", ("what", "path", "version", "state", "note"), rows)
    say_hidden(hold.count - len(requests), f"docferry holds show {hold.id} --limit N")


def _how_it_is(hold: HoldRow) -> str:
    if hold.state is not HoldState.DONE:
        return hold.state.value
    return f"done, {hold.decision.value}" if hold.decision else "done, ended by itself"


def _decide(context: Context, hold: int, state: HoldState) -> HoldRow:
    from docferry.app.decisions import decide

    with context.ledger(read_only=False) as ledger:
        return decide(ledger, None, hold, state, datetime.now(UTC))
