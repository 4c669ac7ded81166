"""
Write docferry(1), as roff, to the standard output: from the commands themselves.

    python packaging/manpage.py | man -l -
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version

import click

from docferry.cli import all_commands

FILES = (
    ("/etc/docferry/docferry.toml", "The configuration. Its comments explain every key."),
    ("/etc/docferry/credentials/", "A file for each secret, such as main.access_key_id."),
    ("/srv/docferry/", "Where the service may write without more ado: folders of mirrors."),
    ("/var/lib/docferry/", "The ledger, and what is under way: see state_dir."),
    ("/usr/share/doc/docferry/", "README, the runbook, alert rules, a dashboard."),
    ("FOLDER/.docferry/", "In each mirrored folder: its marker, and what was displaced."),
)
ENVIRONMENT = (
    ("DOCFERRY_CONFIG", "The configuration, where --config does not name it."),
    ("DOCFERRY_TABLE__NAME__KEY", "Sets a key of the configuration."),
    ("CREDENTIALS_DIRECTORY", "Where the secrets are; systemd sets it."),
    ("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY", "A store's key, where no file has it."),
)
EXIT_STATUS = (
    ("0", "Well."),
    ("1", "It ran, and something is not as it should be."),
    ("2", "The configuration or the request is wrong. check has more: see there."),
)


def main() -> None:
    group = all_commands()
    context = click.Context(group, info_name="docferry")
    summary = (group.help or "").rstrip(".")
    lines = [
        f'.TH DOCFERRY 1 "{_date()}" "docferry {version("docferry")}"',
        ".SH NAME",
        _text(f"docferry - {summary[0].lower()}{summary[1:]}"),
        ".SH SYNOPSIS",
        r".B docferry",
        r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]",
        *_described("OPTIONS", _options(context)),
        ".SH COMMANDS",
        *_commands(context),
        *_described("FILES", FILES),
        *_described("ENVIRONMENT", ENVIRONMENT),
        *_described("EXIT STATUS", EXIT_STATUS),
        ".SH SEE ALSO",
        _text("/usr/share/doc/docferry/README.md"),
        r".BR systemctl (1),",
        r".BR journalctl (1)",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _date() -> str:
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _commands(context: click.Context) -> Iterator[str]:
    """Describe each command, and those below it, in the order of their names."""
    group = context.command
    assert isinstance(group, click.Group)
    for name, command in sorted(group.commands.items()):
        below = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(below)
            continue
        pieces = " ".join(command.collect_usage_pieces(below))
        yield f'.SS "{_escaped(below.command_path.removeprefix("docferry "))}"'
        yield _text(f"{below.command_path} {pieces}")
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            yield ".PP"
            # \b begins a paragraph whose lines stay as they are.
            yield _text(paragraph if paragraph.startswith("\b\n") else " ".join(paragraph.split()))
        yield from _listed(_options(below))


def _options(context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in context.command.params:  # without --help, which all have
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield record


def _described(title: str, entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f".SH {title}"
    yield from _listed(entries)


def _listed(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in entries:
        yield ".TP"
        yield rf"\fB{_escaped(term)}\fR"
        yield _text(meaning)


def _text(text: str) -> str:
    """Give *text* as roff takes it: no line of it is a request."""
    lines = _escaped(text).removeprefix("\b\n").splitlines()
    return "\n.br\n".join(rf"\&{line}" if line[:1] in ".'" else line for line in lines)


def _escaped(text: str) -> str:
    # An unescaped - may become a hyphen, which nobody can paste into a shell.
    return text.replace("\\", r"\e").replace("-", r"\-")


if __name__ == "__main__":
    main()
