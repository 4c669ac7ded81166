"""The command that makes a lost ledger anew: rebuild."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from docferry.cli import EXIT_TROUBLE, Context, as_json, confirm, pass_context
from docferry.cli.output import aside, emit_json, line, size
from docferry.core.words import counted

if TYPE_CHECKING:
    from docferry.app.rebuild import MirrorRebuilt

_MOST = 20  # of what could not be had is named


@click.command()
@click.option(
    "--from-objects", is_flag=True, help="Look at every object, and at no snapshot of the ledger."
)
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@as_json
@pass_context
def rebuild(context: Context, *, from_objects: bool, is_sure: bool, is_json: bool) -> None:
    """
    Make a lost or damaged ledger anew from the buckets, and bring the folders back.

    Making the ledger writes nothing to a bucket. Then both sides are brought in step: what
    only a folder holds goes up, and where it differs both contents are kept. API keys have to
    be created anew. The daemon must be stopped. Exit code 1: something could not be had, or
    is not in step.
    """
    from docferry import logs
    from docferry.app.onlooker import Onlooker
    from docferry.app.rebuild import bring_back, refuse_sound
    from docferry.app.rebuild import rebuild as make_anew
    from docferry.cli.progress import bars, counter

    config = context.config
    refuse_sound(config)
    if not is_sure:
        for options in config.mirrors.values():
            aside(f"{options.name}: s3://{options.bucket}/{options.prefix} -> {options.local}")
        confirm("Make the ledger anew from these buckets?")
    is_watched = sys.stdout.isatty() and not is_json
    logs.configure("warning", config.log_format)
    with counter() as count:
        done = make_anew(
            config,
            from_objects=from_objects,
            tell=_nobody if is_json else line,
            onlooker=Onlooker(aside, count),
        )
    with bring_back(config, done) as daemon, bars(daemon) if is_watched else nullcontext():
        is_in_step = daemon.run(once=True)
    with context.ledger() as ledger:
        conflicts = [(one.path, one.copy_path) for one in ledger.conflicts.all()]
    if is_json:
        emit_json({"rebuilt": done, "is_in_step": is_in_step, "conflicts": conflicts})
    else:
        if done.set_aside is not None:
            line(f"the damaged ledger is {done.set_aside}")
        for mirror in done.mirrors:
            _show(mirror)
        for path, copy in conflicts:
            line(
                f"{path} differed in the folder, which is kept beside it as {copy}", colour="yellow"
            )
        line("API keys are in no bucket: those of before do not count, docferry keys create")
        line("every folder is as its bucket" if is_in_step else "not all is in step: see status")
    is_whole = all(one.result is not None and not one.result.lost_count for one in done.mirrors)
    sys.exit(0 if is_in_step and is_whole else EXIT_TROUBLE)


def _nobody(text: str) -> None:
    """Let a program read its JSON alone."""


def _show(mirror: MirrorRebuilt) -> None:
    result = mirror.result
    if result is None:
        line(f"{mirror.name}: {mirror.remote} has no marker: nothing to rebuild from", colour="red")
        return
    source = f"snapshot {result.snapshot}" if result.snapshot else "the objects alone"
    line(f"{mirror.name}: from {source}, in {mirror.took_s:.1f} s")
    for refused in result.refused:
        line(f"  snapshot refused: {refused}", colour="yellow")
    line(f"  {counted(result.files, 'file')}, {counted(result.versions, 'version')}")
    line(
        f"  {counted(result.told, 'object')} newer than that told what they are, "
        f"{result.read} had to be read ({size(result.read_bytes)})"
    )
    line(f"  {result.archived} versions that the archive alone told of, {result.gone} files gone")
    line(f"  {mirror.folder}")
    if result.may_forget_held:
        line(
            "  which versions were held may be forgotten: retention lets nothing go before you "
            f"say so. See: docferry retention {mirror.name}",
            colour="yellow",
        )
    for lost in result.lost[:_MOST]:
        line(f"  could not be had: {lost}", colour="red")
    if result.lost_count > _MOST:
        line(f"  ... and {result.lost_count - _MOST} more", colour="red")
