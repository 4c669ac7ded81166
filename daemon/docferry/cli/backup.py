"""Commands that put the ledger away and take it back: backup, restore-state."""

from __future__ import annotations

from pathlib import Path

import click

from docferry.cli import Context, as_json, confirm, pass_context
from docferry.cli.output import emit_json, line, size
from docferry.core.words import counted

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@_FILE
@as_json
@pass_context
def backup(context: Context, *, file: Path, is_json: bool) -> None:
    """
    Write the ledger to FILE, as of now, also while docferry runs.

    Documents and credentials are not in it; of API keys it has the hashes. It tells the names
    of all files, of erased ones too until a newer backup takes its place: keep it as you keep
    the documents.
    """
    from docferry.app.backup import back_up

    facts = back_up(context.config, file.absolute())
    if is_json:
        emit_json(facts)
    else:
        line(f"{file}: the ledger as of {facts.taken_at}, {size(file.stat().st_size)}")


@click.command("restore-state")
@_FILE
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@click.option(
    "--keep-keys",
    "keeps_keys",
    is_flag=True,
    help="No API key was revoked or rotated since the backup: they count as they did.",
)
@as_json
@pass_context
def restore_state(
    context: Context, *, file: Path, is_sure: bool, keeps_keys: bool, is_json: bool
) -> None:
    """
    Put the ledger of a backup in the place of the present one, which is set aside.

    The daemon must be stopped. What happened since the backup that ledger does not know:
    `docferry rebuild` takes it from the buckets, and is to be preferred while they answer.
    What waited (requests, holds) is not taken up again, and retention lets nothing go before
    you say so. API keys are those of the present ledger; where that is lost or damaged, all
    of them are revoked.
    """
    from docferry.app.backup import restore

    if not is_sure:
        confirm(f"Put the ledger in {file} in the place of the present one?")
    done = restore(context.config, file.absolute(), keeps_keys=keeps_keys)
    if is_json:
        emit_json(done)
        return
    if done.set_aside is not None:
        line(f"the ledger that was there is {done.set_aside}")
    line(f"{done.ledger} is as of {done.facts.taken_at}")
    if done.keys_revoked:
        line(
            f"{counted(done.keys_revoked, 'API key')} revoked: which of them were since, no ledger "
            "tells. Create new ones: docferry keys create",
            colour="yellow",
        )
    line("next: start docferry, then docferry verify; what was held since: docferry retention")
