"""Say it to a person, with rich, or to a program, as JSON. Nothing else prints."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import PurePath

import click

from docferry.errors import DocferryError, PermanentError

_NO_ASCII = re.compile(r"[^\n -~]")
#: Columns that are not folded.
_WHOLE = frozenset({"version", "of version", "came at", "when", "displaced", "job"})


def emit_json(value: object) -> None:
    """Print *value* (dataclasses, times and enums too) as one JSON document."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False)
    with _writing():
        click.echo(_NO_ASCII.sub(_escaped, text))


def emit_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """
    Print a table; names from the bucket cannot change the terminal, or pass for other rows.

    Where it is wider than the terminal, names are folded, and versions stay whole: they are
    there to be copied.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        table.add_row(*(Text(in_one_line(_words(cell))) for cell in row))
    with _writing():
        console = Console(soft_wrap=False)
        # A title of the table's own is folded to the table's width, however narrow.
        console.print(Text(in_one_line(title), style="table.title"), soft_wrap=True)
        console.print(table)


def line(text: str = "", *, colour: str | None = None) -> None:
    """Print one line, and an empty one before it where *text* begins so."""
    gap = "\n" if text.startswith("\n") else ""
    with _writing():
        click.secho(gap + in_one_line(text.removeprefix(gap)), fg=colour)


def aside(text: str) -> None:
    """Say to a person what is no part of the answer: a program reads that alone."""
    click.secho(in_one_line(f"docferry: {text}"), err=True)


def complain(error: DocferryError) -> None:
    """Say on the standard error what is wrong; a name in it makes no lines of its own."""
    text = f"docferry: {error}"
    click.secho(safe(text) if error.has_lines else in_one_line(text), err=True)


@contextmanager
def _writing() -> Iterator[None]:
    """Say what went wrong with the output itself: `> file` on a full disk."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):  # what is buffered cannot be written at the exit, either
            sys.stdout.close()
        raise PermanentError(f"cannot write the answer: {error.strerror}") from error


def _escaped(found: re.Match[str]) -> str:
    """JSON may hold U+009B, with which a name steers a terminal as with ESC, and U+202E."""
    char = found[0]
    return char if char.isprintable() else json.dumps(char)[1:-1]


def say_hidden(count: int, where: str) -> None:
    """Say that *count* more are not shown, and what shows them; nothing if there are none."""
    if count > 0:
        line(f"  ... and {count} more: {where}")


def safe(text: str) -> str:
    """Make control characters visible: a file's name must not speak to the terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text
    )


def in_one_line(text: str) -> str:
    """Make line breaks visible too: a file's name must not look like docferry's next words."""
    return safe(text).replace("\n", "\\n")


def ago(at: datetime | None) -> str:
    """Say how long ago *at* was, the way one says it."""
    if at is None:
        return "never"
    seconds = (datetime.now(UTC) - at).total_seconds()
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def lasted(span: timedelta) -> str:
    """Say how long something took, the way one says it."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def size(size_bytes: int) -> str:
    """Give a size with a unit people know."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def _words(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, datetime):
        return cell.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return str(cell)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _plain(one) for name, one in fields.items()}
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath):
        return str(value)
    return value
