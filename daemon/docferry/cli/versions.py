"""Commands about versions: list, read, compare, have back, hold."""

from __future__ import annotations

import shutil
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import click

from docferry.cli import EXIT_TROUBLE, EXIT_USER, Context, as_json, limit, pass_context
from docferry.cli.output import ago, aside, complain, emit_json, emit_table, line, say_hidden, size
from docferry.core.words import counted
from docferry.errors import DocferryError, UserError
from docferry.model import HoldState, RequestState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from docferry.app.versions import Rewind
    from docferry.ledger import Ledger
    from docferry.ledger.requests import RequestRow
    from docferry.model import VersionRow

_MOST = 20
_in_mirror = click.option("--mirror", help="Needed where several have the path.")
_wait = click.option(
    "--wait",
    "wait_s",
    default=30.0,
    show_default=True,
    help="Seconds to wait for the daemon; 0: only ask.",
)


@click.command()
@click.argument("path")
@_in_mirror
@limit
@as_json
@pass_context
def versions(context: Context, path: str, mirror: str | None, most: int, *, is_json: bool) -> None:
    """
    List the versions of PATH, the newest first; with --json all of them.

    In a script: docferry versions PATH --json.
    """
    from docferry.app.versions import versions as list_versions

    with context.ledger() as ledger:
        found = list_versions(context.config, ledger, path, mirror)
    if is_json:
        emit_json(found)
        return
    rows = (
        (row.id, row.created_at, size(row.size), row.origin, _how_it_is(row))
        for row in found.versions[:most]
    )
    columns = ("version", "came at", "size", "origin", "")
    emit_table(f"{found.mirror}: {found.path}", columns, rows)
    say_hidden(len(found.versions) - most, "--limit N, or --json")


@click.command()
@click.argument("version")
@_in_mirror
@click.option("--at", help="Of a path: what it held then.")
@pass_context
def cat(context: Context, version: str, mirror: str | None, at: str | None) -> None:
    """Write the bytes of VERSION, or of what a path holds, to the standard output."""
    from docferry.app.onlooker import Onlooker
    from docferry.app.version_bytes import opened
    from docferry.app.versions import resolve, time_named

    when = None if at is None else time_named(at)
    with context.ledger() as ledger:
        row = resolve(context.config, ledger, version, mirror, when)
        with opened(context.config, ledger, row, Onlooker(aside)) as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


@click.command()
@click.argument("a")
@click.argument("b")
@_in_mirror
@pass_context
def diff(context: Context, a: str, b: str, mirror: str | None) -> None:
    """
    Compare two texts line by line: versions, or what paths hold now.

    Line ends and encoding are told apart from the lines, after a backslash.

    Exit code 1: they differ; 2: they could not be compared.
    """
    from docferry.app.version_bytes import difference
    from docferry.app.versions import resolve

    try:
        with context.ledger() as ledger:
            rows = [resolve(context.config, ledger, what, mirror) for what in (a, b)]
            if rows[0].sha256 == rows[1].sha256:
                return
            lines = difference(context.config, ledger, *rows)
    except DocferryError as error:  # as diff(1): 1 says that they differ, and no more
        complain(error)
        sys.exit(EXIT_USER)
    if lines is None:
        for row in rows:
            line(f"{row.id}: {row.path}, {size(row.size)}, sha256 {row.sha256}")
        line("they differ; they are no texts, or too large to be compared line by line")
    for each in lines or ():
        line(each)
    sys.exit(EXIT_TROUBLE)


@click.command()
@click.argument("what", metavar="PATH|VERSION")
@_in_mirror
@click.option("--at", help="What the path held then; without it the version before the present.")
@click.option("--to", help="Another path of the mirror.")
@_wait
@as_json
@pass_context
def restore(
    context: Context,
    what: str,
    mirror: str | None,
    at: str | None,
    to: str | None,
    wait_s: float,
    *,
    is_json: bool,
) -> None:
    """
    Put an older version back to its path, as a new version.

    What is there now goes to the archive. Where somebody has just edited it, the edit
    stays, and the version comes beside it. Exit code 1: it was not put back, or not yet.
    """
    from docferry.app.versions import (
        ask_restore,
        before_now,
        looks_like_version,
        mirror_of,
        resolve,
        time_named,
    )

    when = None if at is None else time_named(at)
    with context.ledger(read_only=False) as ledger:
        if when is None and not looks_like_version(what):
            row = before_now(ledger, mirror_of(context.config, ledger, what, mirror), what)
        else:
            row = resolve(context.config, ledger, what, mirror, when)
        request, is_new = ask_restore(context.config, ledger, row, to, datetime.now(UTC))
        if not (is_new or is_json):
            _say_asked_before(ledger, [request])
        done = _wait_for(context, ledger, [request], wait_s)
    if is_json:
        emit_json(done)
    else:
        _tell(context, {request: row}, done)
    _exit({request}, done)


@click.command()
@click.argument("path")
@_in_mirror
@_wait
@as_json
@pass_context
def undelete(
    context: Context, path: str, mirror: str | None, wait_s: float, *, is_json: bool
) -> None:
    """
    Put back what was deleted at PATH, or below it.

    Exit code 1: some of it cannot be had back, or was not put back yet.
    """
    from docferry.app.mirrors import only_mirror
    from docferry.app.versions import ask_undelete

    name = only_mirror(context.config, mirror)
    with context.ledger(read_only=False) as ledger:
        found = ask_undelete(context.config, ledger, name, path, datetime.now(UTC))
        if not found.asked and not found.lost:
            raise UserError(
                f"nothing that was deleted at or below {path!r} can be had back"
                + _what_is_held(ledger, name)
            )
        if not is_json:
            _say_asked_before(ledger, sorted(found.before))
        done = _wait_for(context, ledger, [*found.asked], wait_s)
    if is_json:
        emit_json({"requests": done, "lost": found.lost})
    else:
        _show_lost(found.lost)
        _tell(context, found.asked, done)
    _exit(found.asked.keys(), done, is_any_lost=bool(found.lost))


@click.command()
@click.argument("where", metavar="MIRROR[/SUBFOLDER]")
@click.option("--to", "when", required=True, help="A time, or a version: as of when it came.")
@as_json
@pass_context
def rewind(context: Context, where: str, when: str, *, is_json: bool) -> None:
    """
    Bring a whole tree, on both sides, back to what it was.

    Does nothing yet: it says what it would do and opens a hold. To have it done:
    docferry holds approve. What is there now goes to the archive; what changes before
    it is approved is left as it is. Exit code 1: some of it cannot be had back.
    """
    from docferry.app.mirrors import mirror_named
    from docferry.app.versions import ask_rewind, looks_like_version, time_named, version_named

    mirror, _, below = where.partition("/")
    mirror_named(context.config, mirror)
    with context.ledger(read_only=False) as ledger:
        if looks_like_version(when):
            named = version_named(ledger, when)
            if named.mirror != mirror:
                raise UserError(f"version {when} is of the mirror {named.mirror}")
            then = named.created_at
        else:
            then = time_named(when)
        found = ask_rewind(context.config, ledger, mirror, below, then, datetime.now(UTC))
    if is_json:
        emit_json(_rewind_facts(found))
    else:
        _show_rewind(found)
    sys.exit(EXIT_TROUBLE if found.lost else 0)


@click.command()
@click.argument("version")
@as_json
@pass_context
def hold(context: Context, version: str, *, is_json: bool) -> None:
    """Keep VERSION for ever: no retention takes it."""
    _keep(context, version, is_held=True, is_json=is_json)


@click.command()
@click.argument("version")
@as_json
@pass_context
def unhold(context: Context, version: str, *, is_json: bool) -> None:
    """Let retention decide about VERSION again."""
    _keep(context, version, is_held=False, is_json=is_json)


def _what_is_held(ledger: Ledger, mirror: str) -> str:
    """Say how to have back what is missing on one side only: no deletion of it is done yet."""
    found = ledger.holds.all(mirror, (HoldState.OPEN,), kind="deletions")
    words = (f"hold {one.id} keeps ({one.count}): docferry holds discard {one.id}" for one in found)
    return "".join(f"; what {each}" for each in words)


def _keep(context: Context, version: str, *, is_held: bool, is_json: bool) -> None:
    from docferry.app.versions import version_named

    with context.ledger(read_only=False) as ledger:
        named = version_named(ledger, version)
        row = ledger.versions.keep(named.id, datetime.now(UTC), is_held=is_held)
    if is_json:
        emit_json({"version": row.id, "held": is_held})
    else:
        line(f"version {row.id} of {row.path} is {'held' if is_held else 'held no more'}")


def _how_it_is(row: VersionRow) -> str:
    words = ["current"] if row.is_current else []
    if row.gone_at is not None:
        words.append(f"let go {row.gone_at.astimezone():%Y-%m-%d}")
    if row.held:
        words.append("held")
    return ", ".join(words)


def _say_asked_before(ledger: Ledger, requests: Sequence[int]) -> None:
    """Say whose answer this command gives: the same is asked for already."""
    for request in requests[:_MOST]:
        row = ledger.requests.get(request)
        if row is not None:
            line(f"{row.path}: asked for already (request {row.id}, {ago(row.created_at)})")
    say_hidden(len(requests) - _MOST, "docferry requests list")


def _wait_for(
    context: Context, ledger: Ledger, requests: Sequence[int], wait_s: float
) -> list[RequestRow]:
    """
    Give what came of *requests*, when it is over with all of them or the time is.

    But for those that were erased meanwhile, with their document.
    """
    from docferry.app.wake import next_look_s
    from docferry.ledger.lock import is_held

    context.wake_daemon()
    began_s = time.monotonic()
    while True:
        found = [row for each in requests if (row := ledger.requests.get(each)) is not None]
        is_over = all(row.state is not RequestState.OPEN for row in found)
        waited_s = time.monotonic() - began_s
        if is_over or is_held(context.config.state_dir) is None or waited_s >= wait_s:
            return found
        time.sleep(next_look_s(waited_s))


def _tell(context: Context, asked: Mapping[int, VersionRow], done: Sequence[RequestRow]) -> None:
    """Say for each of what was *asked* for what came of it."""
    from docferry.ledger.lock import is_held

    by_id = {request.id: request for request in done}
    for request, row in [*asked.items()][:_MOST]:
        found = by_id.get(request)
        if found is None:
            line(f"{row.path}: erased meanwhile, and the request with it")
        else:
            line(f"{found.path}: {_answer(row, found)}")
    say_hidden(len(asked) - _MOST, "--json")
    if any(request.state is RequestState.OPEN for request in done):
        is_running = is_held(context.config.state_dir) is not None
        if is_running:
            line("docferry is still at it: docferry status tells what it waits for")
        else:
            line("docferry is not running: it does so once it is started")


def _exit(asked: Set[int], done: Sequence[RequestRow], *, is_any_lost: bool = False) -> NoReturn:
    """End well only if all that was *asked* for is done."""
    are_done = {request.id for request in done if request.state is RequestState.DONE}
    sys.exit(0 if asked <= are_done and not is_any_lost else EXIT_TROUBLE)


def _show_lost(rows: Sequence[VersionRow]) -> None:
    for row in rows[:_MOST]:
        line(
            f"cannot be had back: {row.path} (version {row.id}: its bytes were let go)",
            colour="red",
        )
    say_hidden(len(rows) - _MOST, "--json")


def _answer(row: VersionRow, request: RequestRow) -> str:
    match request.state:
        case RequestState.DONE:
            note = f" ({request.note})" if request.note else ""
            return f"is as version {row.id} was{note}"
        case RequestState.OPEN | RequestState.HELD:
            return f"is to hold version {row.id} again"
        case _:
            return f"{request.state}: {request.note}"


def _rewind_facts(found: Rewind) -> dict[str, object]:
    from docferry.core.rewind import PutBack

    steps = [
        {"what": "put-back", "path": step.path, "version": step.version.id}
        if isinstance(step, PutBack)
        else {"what": "take-away", "path": step.path, "version": step.version}
        for step in found.steps
    ]
    return {
        "mirror": found.mirror,
        "below": found.below,
        "at": found.at,
        "steps": steps,
        "lost": found.lost,
        "hold": found.hold,
    }


def _show_rewind(found: Rewind) -> None:
    from docferry.core.rewind import PutBack

    _show_lost(found.lost)
    if found.hold is None:
        line(f"{found.mirror} is as it was then: there is nothing to do")
        return
    rows = (
        ("put back", step.path, step.version.id)
        if isinstance(step, PutBack)
        else ("take away", step.path, step.version)
        for step in found.steps[:_MOST]
    )
    emit_table(found.hold.reason, ("what", "path", "version"), rows)
    say_hidden(len(found.steps) - _MOST, f"docferry holds show {found.hold.id} --limit N")
    number = counted(len(found.steps), "path")
    line(f"{number}; to have it done: docferry holds approve {found.hold.id}")
