"""Commands about whole mirrors: how they are; let them rest, go on, look now."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, pass_context
from docferry.cli.output import ago, emit_json, emit_table, line
from docferry.errors import UserError
from docferry.model import OrderedRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from docferry.app.report import MirrorReport
    from docferry.ledger import Ledger
    from docferry.ledger.orders import RunOrder

F = TypeVar("F", bound="Callable[..., Any]")


@click.group()
def mirrors() -> None:
    """How each mirror is; pause one, let it go on, have it look now."""


def _which(command: F) -> F:
    """Give a command its arguments: which mirrors, for how long to wait, as JSON."""
    for option in (
        as_json,
        click.option(
            "--wait",
            "wait_s",
            default=30.0,
            show_default=True,
            help="Seconds to wait for the daemon; 0: only say so.",
        ),
        click.option("--all", "is_all", is_flag=True, help="All mirrors."),
        click.argument("names", metavar="[MIRROR]...", nargs=-1),
    ):
        command = option(command)
    return command


@mirrors.command("list")
@as_json
@pass_context
def list_mirrors(context: Context, *, is_json: bool) -> None:
    """List the mirrors: how they are, what waits, when they looked last."""
    from docferry.app.report import never_run, status

    if context.has_run:
        with context.ledger() as ledger:
            found = status(context.config, ledger).mirrors
    else:
        found = never_run(context.config).mirrors
    if is_json:
        emit_json(found)
        return
    columns = ("mirror", "state", "files", "waiting", "last poll", "last scan", "why")
    emit_table("mirrors", columns, map(_row_of, found))


@mirrors.command()
@_which
@click.option("--reason", help="What for; whoever asks is told.")
@pass_context
def pause(
    context: Context,
    names: tuple[str, ...],
    reason: str | None,
    wait_s: float,
    *,
    is_all: bool,
    is_json: bool,
) -> None:
    """
    Let MIRROR rest until it is resumed: nothing travels, and nothing is deleted.

    Drop folders, results of conversions and what is asked for wait. What is under way ends.
    It stays paused over restarts. Exit code 1: the daemon, which runs, has not heard yet.
    """
    from docferry.app.mirror_orders import has_heard
    from docferry.app.mirror_orders import pause as begin
    from docferry.core.orders import why_paused

    with context.ledger(read_only=False) as ledger:
        now = datetime.now(UTC)
        made = [
            begin(ledger, context.config, name, now, reason)
            for name in _named(context, names, is_all=is_all)
        ]
        heard = _wait(
            context,
            [partial(has_heard, ledger, one.mirror, paused=True) for one, _ in made],
            wait_s,
        )
    if is_json:
        emit_json([one for one, _ in made])
    else:
        for one, is_new in made:
            line(f"{one.mirror}: {'' if is_new else 'already '}{why_paused(one)}")
        _say_unheard(context, heard=heard)
    sys.exit(_code(context, heard=heard))


@mirrors.command()
@_which
@pass_context
def resume(
    context: Context, names: tuple[str, ...], wait_s: float, *, is_all: bool, is_json: bool
) -> None:
    """
    Let MIRROR go on: what has waited is found and travels.

    Exit code 1: the daemon, which runs, has not heard yet.
    """
    from docferry.app.mirror_orders import has_heard
    from docferry.app.mirror_orders import resume as end

    with context.ledger(read_only=False) as ledger:
        now = datetime.now(UTC)
        chosen = _named(context, names, is_all=is_all)
        over = {name: end(ledger, context.config, name, now) for name in chosen}
        heard = _wait(
            context, [partial(has_heard, ledger, name, paused=False) for name in over], wait_s
        )
    if is_json:
        emit_json([{"mirror": name, "was_paused": was} for name, was in over.items()])
    else:
        for name, was in over.items():
            how = "it was not paused" if was is None else f"goes on; was paused {ago(was.since)}"
            line(f"{name}: {how}")
        _say_unheard(context, heard=heard)
    sys.exit(_code(context, heard=heard))


@mirrors.command()
@_which
@pass_context
def poll(
    context: Context, names: tuple[str, ...], wait_s: float, *, is_all: bool, is_json: bool
) -> None:
    """
    List the bucket of MIRROR now, and compare it with what was agreed on.

    What differs is then on its way. Exit code 1: it was not done in time.
    """
    _order(context, OrderedRun.POLL, _named(context, names, is_all=is_all), wait_s, is_json=is_json)


@mirrors.command()
@_which
@pass_context
def rescan(
    context: Context, names: tuple[str, ...], wait_s: float, *, is_all: bool, is_json: bool
) -> None:
    """
    Walk the folder of MIRROR now, and compare it with what was agreed on.

    What differs is then on its way. Exit code 1: it was not done in time.
    """
    chosen = _named(context, names, is_all=is_all)
    _order(context, OrderedRun.RESCAN, chosen, wait_s, is_json=is_json)


def _order(
    context: Context, run: OrderedRun, names: list[str], wait_s: float, *, is_json: bool
) -> None:
    from docferry.app.mirror_orders import is_answered, run_now, why_it_waits

    with context.ledger(read_only=False) as ledger:
        now = datetime.now(UTC)
        orders = [run_now(ledger, context.config, name, run, now)[0] for name in names]
        _wait(
            context,
            [lambda: all(is_answered(ledger, o.id) or _rests(ledger, o.mirror) for o in orders)],
            wait_s,
        )
        found = [ledger.orders.get(order.id) or order for order in orders]
        waiting = {
            o.mirror: why_it_waits(ledger, context.config, o.mirror)
            for o in found
            if o.answered_at is None
        }
    if is_json:
        emit_json(found)
    else:
        for order in found:
            line(f"{order.mirror}: {_answer_to(order, waiting.get(order.mirror))}")
    sys.exit(EXIT_TROUBLE if waiting else 0)


def _answer_to(order: RunOrder, why: str | None) -> str:
    if order.answered_at is None:
        return f"{order.run} is ordered, and waits: {why}"
    return f"{order.run} done ({order.answered_by})"


def _rests(ledger: Ledger, mirror: str) -> bool:
    return ledger.orders.pause_of(mirror) is not None


def _named(context: Context, names: tuple[str, ...], *, is_all: bool) -> list[str]:
    """
    Raises:
        UserError: There is no such mirror, or several, of which none was named.
    """
    from docferry.app.mirrors import mirror_named

    known = context.config.mirrors
    if is_all:
        return [*known]
    if not names and len(known) != 1:
        raise UserError(f"which mirror? --all, or some of: {', '.join(sorted(known))}")
    return [mirror_named(context.config, name).name for name in dict.fromkeys(names or known)]


def _wait(context: Context, all_of: list[Callable[[], bool]], wait_s: float) -> bool:
    from docferry.app.mirror_orders import wait_until

    context.wake_daemon()
    return wait_until(lambda: all(one() for one in all_of), context.config.state_dir, wait_s)


def _is_running(context: Context) -> bool:
    from docferry.ledger.lock import is_held

    return is_held(context.config.state_dir) is not None


def _say_unheard(context: Context, *, heard: bool) -> None:
    if not _is_running(context):
        line("docferry is not running: it heeds that once it is started")
    elif not heard:
        line("docferry has not heard yet: docferry status tells what it is at")


def _code(context: Context, *, heard: bool) -> int:
    return EXIT_TROUBLE if _is_running(context) and not heard else 0


def _row_of(mirror: MirrorReport) -> tuple[object, ...]:
    row = mirror.row
    if row is None:
        return mirror.name, "has never run", 0, 0, "never", "never", None
    why = mirror.why_paused or row.reason
    looks = ago(row.last_poll_at), ago(row.last_scan_at)
    return mirror.name, row.health, mirror.files, row.dirty, *looks, why
