"""The `docferry` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docferry.cli.output import complain, in_one_line
from docferry.errors import DocferryError, UserError

if TYPE_CHECKING:
    from docferry.config import Config, Reading, Source
    from docferry.ledger import Ledger

# Imports of what is heavy (boto3, the ledger) stand in the commands: `docferry --help`
# and a faulty configuration answer at once, and what only looks at the ledger loads no
# client of a store (`app.mirrors`, not `app.sides`).

EXIT_TROUBLE = 1  # it ran, and something is not as it should be
EXIT_USER = 2  # the configuration or the request is wrong
EXIT_TAKEN = 75  # EX_TEMPFAIL: `run` cannot have what another has now; the unit starts it again


class Context:
    """What every command shares: the configuration, read on first use."""

    def __init__(self, config_option: Path | None) -> None:
        self._option = config_option

    @property
    def config(self) -> Config:
        return self.reading.config

    @cached_property
    def source(self) -> Source:
        """Where the configuration is read."""
        from docferry.config import Source, config_path

        return Source(config_path(self._option, os.environ), os.environ)

    @cached_property
    def reading(self) -> Reading:
        """What was read there first."""
        return self.source.read()

    @property
    def has_run(self) -> bool:
        """
        Whether there is a ledger: the first run makes it.

        Raises:
            UserError: It was found damaged and set aside.
        """
        from docferry.ledger.damage import is_there, refuse_set_aside

        refuse_set_aside(self._ledger_path)
        return is_there(self._ledger_path)

    @property
    def _ledger_path(self) -> Path:
        from docferry.app.mirrors import LEDGER_NAME

        return self.config.state_dir / LEDGER_NAME

    @contextmanager
    def ledger(self, *, read_only: bool = True) -> Iterator[Ledger]:
        """Open the ledger; after the end of what was written to it, wake the daemon."""
        from docferry.app.actor import person
        from docferry.ledger import Ledger

        with Ledger.open(
            self._ledger_path, read_only=read_only, creates=False, actor=person()
        ) as ledger:
            yield ledger
        if not read_only:
            self.wake_daemon()

    def wake_daemon(self) -> None:
        """Let a running daemon look at once for what the ledger says is asked for."""
        from docferry.app.wake import wake

        wake(self.config.state_dir)


pass_context = click.make_pass_decorator(Context)
limit = click.option(
    "--limit", "most", default=100, show_default=True, help="So many lines at the most."
)
as_json = click.option("--json", "is_json", is_flag=True, help="Answer as one JSON document.")


def confirm(question: str) -> None:
    """
    Ask a person, on the terminal; no ends the command.

    Raises:
        UserError: There is nobody to be asked: it says what would have been enough.
    """
    if not sys.stdin.isatty():
        raise UserError(f"{question} Nobody can be asked here: add --yes if that is meant")
    click.confirm(in_one_line(question), abort=True, err=True)


class _Commands(click.Group):
    """The commands, none of which is given what no path can be."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        for argument in args:
            if any("\udc80" <= char <= "\udcff" for char in argument):  # a byte that is no text
                raise UserError(
                    f"{os.fsencode(argument)!r} is not valid UTF-8, and a file that is called so "
                    "is not mirrored: rename the file"
                )
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_option",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration; else $DOCFERRY_CONFIG, else /etc/docferry/docferry.toml.",
)
@click.version_option(package_name="docferry")
@click.pass_context
def cli(click_context: click.Context, config_option: Path | None) -> None:
    """Keep folders and S3 prefixes the same, both ways, and lose no version of anything."""
    click_context.obj = Context(config_option)


def all_commands() -> click.Group:
    """Give the command line with everything that it can do; the man page is made of it."""
    from docferry.cli import (
        audit,
        backup,
        convert,
        doctor,
        erase,
        inspect,
        jobs,
        keys,
        mirrors,
        process,
        rebuild,
        requests,
        retention,
        review,
        run,
        verify,
        versions,
        webhooks,
        why,
    )

    cli.add_command(run.run)
    cli.add_command(run.check)
    cli.add_command(doctor.doctor)
    cli.add_command(rebuild.rebuild)
    cli.add_command(backup.backup)
    cli.add_command(backup.restore_state)
    for command in (inspect.status, inspect.plan, inspect.ls, inspect.log):
        cli.add_command(command)
    cli.add_command(mirrors.mirrors)
    cli.add_command(review.holds)
    cli.add_command(review.conflicts)
    cli.add_command(requests.requests)
    cli.add_command(audit.audit)
    cli.add_command(keys.keys)
    for command in (jobs.jobs, jobs.dead, convert.convert, process.process, why.why):
        cli.add_command(command)
    cli.add_command(webhooks.webhooks)
    cli.add_command(verify.verify)
    cli.add_command(retention.retention)
    cli.add_command(erase.erase)
    for command in (versions.versions, versions.cat, versions.diff, versions.restore):
        cli.add_command(command)
    for command in (versions.undelete, versions.rewind, versions.hold, versions.unhold):
        cli.add_command(command)
    return cli


def main() -> None:
    """Run the command line. Errors docferry expects are shown without a traceback."""
    commands = all_commands()
    try:
        commands(prog_name="docferry")
    except UserError as error:
        complain(error)
        sys.exit(EXIT_USER)
    except DocferryError as error:
        complain(error)
        sys.exit(EXIT_TROUBLE)
    except BrokenPipeError:
        sys.stderr.close()  # `docferry ls | head`: nobody listens any more
        sys.exit(EXIT_TROUBLE)
