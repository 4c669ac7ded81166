"""Commands about webhooks: how they do, what was told, and what was given up."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, limit, pass_context
from docferry.cli.output import ago, emit_json, line
from docferry.core.webhooks import DeliveryState
from docferry.core.words import counted
from docferry.errors import UserError

if TYPE_CHECKING:
    from docferry.app.webhook_report import WebhookReport
    from docferry.app.webhooks import ToldDelivery

_COLOURS = {DeliveryState.DEAD: "red", DeliveryState.RUNNING: "cyan"}


@click.group()
def webhooks() -> None:
    """Who is told what happens, and whether they were."""


@webhooks.command("list")
@as_json
@pass_context
def list_webhooks(context: Context, *, is_json: bool) -> None:
    """List the webhooks: what each is told, what waits for it, whether its receiver answers."""
    from docferry.app.webhook_report import webhooks as report

    if context.has_run:
        with context.ledger() as ledger:
            found = report(context.config, ledger)
    else:
        found = report(context.config, None)
    if is_json:
        emit_json(found)
        return
    if not found:
        line("no webhooks: a [webhook.NAME] in the configuration is one")
    for one in found:
        line(f"{one.name}: {', '.join(one.events)} to {one.origin}")
        only = [*one.mirrors, *one.patterns]
        if only:
            line(f"  only: {', '.join(only)}")
        show_how_it_does(one)


def show_how_it_does(one: WebhookReport) -> None:
    """Say what waits for a webhook, and whether its receiver answers."""
    waits = f"{one.queued} queued"
    if one.oldest_at is not None:
        waits += f" (the oldest {ago(one.oldest_at)})"
    line(f"  {waits}, {one.dead} dead")
    if one.is_rotating:
        line(f"  signs with two secrets: take {one.name}.webhook.previous away when it has changed")
    if one.down_since is not None:
        when = "now" if one.retry_at is None else f"{one.retry_at.astimezone():%H:%M:%S}"
        text = f"down since {ago(one.down_since)}: {one.reason}; tried again {when}"
        line(f"  {text}", colour="red")


@webhooks.command("test")
@click.argument("name")
@as_json
@pass_context
def try_webhook(context: Context, name: str, *, is_json: bool) -> None:
    """Send a webhook.test event to NAME now, and tell what came back. Exit code 1: not taken."""
    from docferry.app.webhooks import try_out

    tried = try_out(context.config, name, datetime.now(UTC))
    if is_json:
        emit_json(tried)
    elif tried.reason is None:
        line(f"{tried.origin} has taken {tried.id}: it answered {tried.status}")
    else:
        line(f"not taken: {tried.reason}", colour="red")
    sys.exit(0 if tried.reason is None else EXIT_TROUBLE)


@webhooks.command("deliveries")
@click.option("--state", type=click.Choice([state.value for state in DeliveryState]))
@click.option("--webhook", help="Only of this one.")
@limit
@as_json
@pass_context
def list_deliveries(
    context: Context, state: str | None, webhook: str | None, most: int, *, is_json: bool
) -> None:
    """List what was told, or is to be: the newest first."""
    from docferry.app.webhooks import deliveries

    states = () if state is None else (DeliveryState(state),)
    with context.ledger() as ledger:
        found = deliveries(ledger, webhook, states, most + 1)
    if is_json:
        emit_json(found[:most])
        return
    if not found:
        line("no deliveries")
    for one in found[:most]:
        where = one.mirror if one.path is None else f"{one.mirror}: {one.path}"
        line(f"{one.id}  {_how_it_is(one)}  {one.webhook}: {one.event}  {where}")
        if one.last_error is not None:
            line(f"    {one.last_error}", colour=_COLOURS.get(one.state))
    if len(found) > most:
        line("  ... and more: --limit N, --state, --webhook, or --json")


def _how_it_is(one: ToldDelivery) -> str:
    tries = f" after {counted(one.attempts, 'attempt')}" if one.attempts else ""
    if one.retry_at is not None:
        return f"{one.state}{tries}, again {one.retry_at.astimezone():%H:%M:%S}"
    return f"{one.state}{tries}, {ago(one.finished_at or one.created_at)}"


@webhooks.command()
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--webhook", help="All of this one that were given up on.")
@click.option("--all", "is_all", is_flag=True, help="All that were given up on.")
@as_json
@pass_context
def replay(
    context: Context, ids: tuple[str, ...], webhook: str | None, *, is_all: bool, is_json: bool
) -> None:
    """Send again what was given up on, with all its attempts and under its old id."""
    from docferry.app.webhooks import dead_ones, replayable_ones
    from docferry.app.webhooks import replay as send_again

    _refuse_unclear(ids, webhook, is_all=is_all)
    with context.ledger(read_only=False) as ledger:
        wanted = ids or replayable_ones(context.config, ledger, webhook)
        done = send_again(context.config, ledger, wanted, datetime.now(UTC))
        stay = [] if ids else dead_ones(ledger, webhook)
    if stay and not is_json:
        line(f"left as they are: {len(stay)}; docferry webhooks replay {stay[0]} says why")
    _tell(done.deliveries, "queued again: docferry webhooks deliveries", is_json=is_json)


@webhooks.command()
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--webhook", help="All of this one that were given up on.")
@click.option("--all", "is_all", is_flag=True, help="All that were given up on.")
@as_json
@pass_context
def discard(
    context: Context, ids: tuple[str, ...], webhook: str | None, *, is_all: bool, is_json: bool
) -> None:
    """Put aside what was given up on."""
    from docferry.app.webhooks import dead_ones
    from docferry.app.webhooks import discard as put_aside

    _refuse_unclear(ids, webhook, is_all=is_all)
    with context.ledger(read_only=False) as ledger:
        done = put_aside(ledger, ids or dead_ones(ledger, webhook), datetime.now(UTC))
    _tell(done.deliveries, "put aside", is_json=is_json)


def _refuse_unclear(ids: tuple[str, ...], webhook: str | None, *, is_all: bool) -> None:
    if [bool(ids), webhook is not None, is_all].count(True) != 1:
        raise UserError("which deliveries? name them by ID, or say --webhook NAME, or --all")


def _tell(done: tuple[str, ...], what: str, *, is_json: bool) -> None:
    if is_json:
        emit_json({"deliveries": done})
    else:
        deliveries = "1 delivery" if len(done) == 1 else f"{len(done)} deliveries"
        line(f"{deliveries} {what}")
    sys.exit(0 if done else EXIT_TROUBLE)
