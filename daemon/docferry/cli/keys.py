"""API keys: create them, list them, take them back, give them another secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import Context, as_json, pass_context
from docferry.cli.output import ago, aside, emit_json, emit_table, line
from docferry.core.keys import KeyState, Role
from docferry.core.when import FORMS_AHEAD, SPANS, moment_ahead, span_of
from docferry.errors import UserError

if TYPE_CHECKING:
    from docferry.app.keys import NewKey, ShownKey

_which = click.argument("which", metavar="NAME|ID")


@click.group()
def keys() -> None:
    """Who may use the HTTP API and the page, for what, and until when."""


@keys.command()
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="viewer: look; operator: decide about documents, too; admin: all.",
)
@click.option("--mirror", "mirrors", multiple=True, help="Only for this one; may be repeated.")
@click.option("--expires", metavar="TIME", help="A day, or how long it counts, such as 90d.")
@as_json
@pass_context
def create(
    context: Context,
    name: str,
    role: str,
    mirrors: tuple[str, ...],
    expires: str | None,
    *,
    is_json: bool,
) -> None:
    """
    Create a key, and write it to the standard output, this once: only its hash is kept.

    In a script: docferry keys create NAME --role viewer > key-file
    """
    from docferry.app.keys import create as create_key

    now = datetime.now(UTC)
    expires_at = None if expires is None else _ahead(expires, now)
    with context.ledger(read_only=False) as ledger:
        new = create_key(
            ledger,
            context.config,
            name,
            Role(role),
            now,
            mirrors=tuple(dict.fromkeys(mirrors)) or None,
            expires_at=expires_at,
        )
    _hand_over(new, is_json=is_json)
    if not is_json:
        until = "" if expires_at is None else f" until {expires_at.astimezone():%Y-%m-%d %H:%M}"
        aside(f"key {name} ({new.key.id}) counts{until}; it is not shown again")


@keys.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those that were revoked, too.")
@as_json
@pass_context
def list_keys(context: Context, *, is_all: bool, is_json: bool) -> None:
    """List the keys, and when each was used last; nothing of their secrets."""
    from docferry.app.keys import listed

    with context.ledger() as ledger:
        found = [
            key
            for key in listed(ledger, context.config, datetime.now(UTC))
            if is_all or key.state is not KeyState.REVOKED
        ]
    if is_json:
        emit_json(found)
        return
    if not found:
        line("there is no key: docferry keys create")
        return
    rows = [
        (key.name, key.id, key.role, _of(key), _how_it_is(key), ago(key.last_used_at))
        for key in found
    ]
    emit_table("keys", ("key", "id", "role", "mirrors", "state", "used"), rows)
    if any(key.state is KeyState.UNUSABLE for key in found):
        line(
            "unusable: made with another api.pepper than docferry has now. Put that one back, or "
            "rotate them",
            colour="yellow",
        )


@keys.command()
@_which
@as_json
@pass_context
def revoke(context: Context, which: str, *, is_json: bool) -> None:
    """Let a key not count any more, from now on and for ever."""
    from docferry.app.keys import revoke as revoke_key

    with context.ledger(read_only=False) as ledger:
        key = revoke_key(ledger, context.config, which, datetime.now(UTC))
    if is_json:
        emit_json(key)
    else:
        line(f"key {key.name} ({key.id}) does not count any more")


@keys.command()
@_which
@click.option(
    "--overlap",
    default="1h",
    show_default=True,
    help="So long the present secret counts, too; 0s where somebody else may have it.",
)
@as_json
@pass_context
def rotate(context: Context, which: str, overlap: str, *, is_json: bool) -> None:
    """
    Give a key another secret, and write it to the standard output, this once.

    Name, role, mirrors and expiry stay. What it had before the present secret ends at once.
    """
    from docferry.app.keys import rotate as rotate_key

    span = span_of(overlap)
    if span is None:
        raise UserError(f"{overlap!r} is no span of time: {SPANS}")
    with context.ledger(read_only=False) as ledger:
        new = rotate_key(ledger, context.config, which, datetime.now(UTC), overlap=span)
    _hand_over(new, is_json=is_json)
    if not is_json:
        until = new.key.previous_until
        old = "ends now" if until is None else f"counts until {until.astimezone():%Y-%m-%d %H:%M}"
        aside(f"key {new.key.name} ({new.key.id}): the secret of before {old}")


def _hand_over(new: NewKey, *, is_json: bool) -> None:
    """Give the key to whoever asked; nobody can do so again."""
    if is_json:
        emit_json({"key": new.key, "text": new.text})
    else:
        line(new.text)


def _ahead(text: str, now: datetime) -> datetime:
    found = moment_ahead(text, now)
    if found is None:
        raise UserError(f"{text!r} is no time: {FORMS_AHEAD}")
    return found


def _of(key: ShownKey) -> str:
    return "all" if key.mirrors is None else ", ".join(key.mirrors)


def _how_it_is(key: ShownKey) -> str:
    told: str = key.state
    if key.state is KeyState.REVOKED and key.revoked_at is not None:
        return f"{told} {ago(key.revoked_at)}"
    if key.expires_at is not None:
        told += f", {'since' if key.state is KeyState.EXPIRED else 'until'} {_day(key.expires_at)}"
    if key.previous_until is not None:
        told += f"; the secret of before until {_day(key.previous_until)}"
    return told


def _day(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
