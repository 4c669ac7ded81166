"""The command that holds both sides against the ledger: verify."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, pass_context
from docferry.cli.output import aside, emit_json, line, say_hidden, size
from docferry.core.words import counted
from docferry.errors import DocferryError

if TYPE_CHECKING:
    from docferry.app.verify import Report
    from docferry.core.verify import Finding

_SHA256 = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
#: What a person does about each kind of finding. A restore of the version that a path is said
#: to hold would answer that it holds it already.
TO_DO = {
    "missing": "docferry restore VERSION, while any place still has its bytes",
    "size": "docferry cat VERSION > FILE gives a sound copy, to be put over it; look at the disk",
    "content": "a running docferry heals it when its patrol comes by; at once: "
    "docferry cat VERSION > FILE, and put that over it",
    "unreadable": "see what was found: who may read it, or the disk; then verify again",
    "not-synced": "let docferry run; docferry status tells what it waits for",
    "archive-missing": "docferry cat VERSION tells whether another place has the bytes",
    "archive-content": "docferry cat VERSION tells whether another place has sound bytes",
    "not-kept": "nothing: no archive ever had it",
    "unknown-archived": "nothing: it stays where it is",
}
_MOST = 50  # findings of a mirror are listed: the rest of the answer must stay in sight


@click.command()
@click.argument("mirrors", nargs=-1)
@click.option("--read", "reads_all", is_flag=True, help="Fetch and hash everything, archives too.")
@click.option(
    "--side", type=click.Choice(["local", "remote"]), help="Look at one side only, not at both."
)
@as_json
@pass_context
def verify(
    context: Context, mirrors: tuple[str, ...], *, reads_all: bool, side: str | None, is_json: bool
) -> None:
    """
    Compare the ledger, the folder and the bucket of MIRRORS (all, if none is named).

    Every file of the folder and of its archive is read and hashed. Of the bucket, the
    store's checksum is compared for each document, and presence and size for what is
    archived; with --read everything is fetched and hashed. Nothing is changed; webhooks are
    told what was found.

    Exit code 0: all is well; 1: something is damaged, or not carried over yet, or a side
    could not be looked at.
    """
    from docferry.app.onlooker import Onlooker
    from docferry.app.verify import verify as verify_mirrors
    from docferry.cli.progress import counter
    from docferry.model import Side

    with context.ledger() as ledger, counter() as count:
        reports = verify_mirrors(
            context.config,
            ledger,
            mirrors or tuple(context.config.mirrors),
            side=None if side is None else Side(side),
            reads_all=reads_all,
            onlooker=Onlooker(aside, count),
        )
    if any(report.counts for report in reports):
        _tell(context, reports)
    if is_json:
        emit_json([_facts(report) for report in reports])
    else:
        for report in reports:
            _show(report)
    sys.exit(0 if all(report.is_well for report in reports) else EXIT_TROUBLE)


def _tell(context: Context, reports: list[Report]) -> None:
    from docferry.app.verify import tell_found

    if not context.config.webhooks:
        return
    try:
        with context.ledger(read_only=False) as ledger:
            tell_found(context.config, ledger, reports, datetime.now(UTC))
    except DocferryError as error:  # who may only look is still to see what was found
        aside(f"webhooks are not told of this: {error}")


def _facts(report: Report) -> dict[str, object]:
    return {
        "mirror": report.mirror,
        "sides": report.sides,
        "is_well": report.is_well,
        "refused": report.refused,
        "files": report.files,
        "versions": report.versions,
        "read_bytes": report.read_bytes,
        "counts": dict(report.counts),
        "findings": report.findings,
        "unlisted": report.unlisted,
    }


def _show(report: Report) -> None:
    name = report.mirror
    if report.findings:
        line(f"{name}: {counted(report.counts.total(), 'finding')}")
        for one in report.findings[:_MOST]:
            _show_finding(one)
        say_hidden(report.counts.total() - _MOST, "docferry verify --json")
    looked_at = (
        f"{name}: looked at {counted(report.files, 'file')} and "
        f"{counted(report.versions, 'displaced version')}, read {size(report.read_bytes)}"
    )
    if len(report.sides) == 1:
        looked_at += f", on the {report.sides[0]} side only"
    line(looked_at)
    if report.refused is not None:
        line(f"{name}: not looked at to the end: {report.refused}", colour="red")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.counts.items()))
    for kind in sorted(report.counts):
        line(f"{name}: {kind}: {TO_DO[kind]}")
    if report.has_trouble:
        line(f"{name}: {kinds}", colour="red")
    elif report.is_well:
        line(f"{name}: all is well{f' ({kinds})' if kinds else ''}", colour="green")


def _show_finding(one: Finding) -> None:
    """Say it in two lines: six columns would be folded beyond reading."""
    what = " ".join(word for word in (one.path, one.version) if word)
    line(f"  {one.kind}, {one.side or 'both sides'}: {what or 'nobody knows of which path'}")
    expected, found = (_SHA256.sub(r"\1", text) for text in (one.expected, one.found))
    line(f"    expected: {expected}; found: {found}")
