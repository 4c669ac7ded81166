"""The command that gathers what whoever helps needs to know: doctor."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from docferry.cli import Context, pass_context
from docferry.cli.output import line


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to; else docferry-doctor-TIME.tar.gz in this folder.",
)
@click.option(
    "--with-names",
    is_flag=True,
    help="Tell the names of files too, and what errors said of them.",
)
@pass_context
def doctor(context: Context, *, output: Path | None, with_names: bool) -> None:
    """
    Write a bundle for whoever helps: versions, configuration, checks, counts, metrics, stacks.

    No secrets and no contents are in it, and no names of files unless --with-names: they are
    other ones, which tell one file from another. Look through it before you give it away.
    """
    from docferry.app.doctor import Doctor, of_faulty, write_bundle
    from docferry.config.faults import ConfigError

    file = output or Path(f"docferry-doctor-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    try:
        found = Doctor(context.config, os.environ, with_names=with_names, fetch=_fetch).bundle()
    except ConfigError as error:
        found = of_faulty(error)
    write_bundle(found, file)
    line(f"{file}: {', '.join(found)}")


def _fetch(address: str) -> str:
    """Get a page of the daemon's own port: whatever proxy others go through."""
    from urllib.request import ProxyHandler, build_opener

    with build_opener(ProxyHandler({})).open(address, timeout=10) as answer:
        return str(answer.read().decode())
