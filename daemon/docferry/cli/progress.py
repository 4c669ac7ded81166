"""Bars and counts for long work, for whoever waits at a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from docferry.cli.output import in_one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from docferry.app.daemon import Daemon

# rich takes a tenth of a second to load: it is loaded only where there is a terminal to show it on.

_EVERY_S = 0.2


@contextmanager
def counter(console: Console | None = None) -> Iterator[Callable[[str, int], None]]:
    """
    Give what shows how many entries of a mirror were looked at.

    One line, over itself, once a second, on the standard error; none where that is no terminal.
    """
    if console is None and not sys.stderr.isatty():
        yield lambda mirror, entries: None
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    shown_on = console or Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}: {task.completed} looked at", markup=False),
        TimeElapsedColumn(),
        console=shown_on,
        refresh_per_second=1,
        transient=True,
        disable=not shown_on.is_terminal,
    )
    lines: dict[str, TaskID] = {}

    def count(mirror: str, entries: int) -> None:
        if mirror not in lines:
            for before in lines.values():
                progress.update(before, visible=False)
            lines[mirror] = progress.add_task(in_one_line(mirror), total=None)
        progress.update(lines[mirror], completed=entries)

    with progress:
        yield count


@contextmanager
def stages(console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """
    Give what shows the stage that something long has come to, and how long it takes.

    One line on the standard error; none where that is no terminal.
    """
    if console is None and not sys.stderr.isatty():
        yield lambda stage: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    shown_on = console or Console(stderr=True)
    progress = Progress(
        *columns, console=shown_on, transient=True, disable=not shown_on.is_terminal
    )
    shown = progress.add_task("", total=None)
    with progress:
        yield lambda stage: progress.update(shown, description=in_one_line(stage))


@contextmanager
def bars(daemon: Daemon) -> Iterator[None]:
    """Show a line for each mirror as long as the block runs."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    progress = Progress(
        SpinnerColumn(finished_text="-"),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} done"),
        TextColumn("{task.fields[facts]}", markup=False),
        TimeElapsedColumn(),
    )
    lines = {
        name: progress.add_task(in_one_line(name), total=None, facts="") for name in daemon.loops
    }
    is_over = threading.Event()

    def follow() -> None:
        while True:
            for name, line in lines.items():
                loop = daemon.loops[name]
                total = loop.done + loop.waiting
                facts = loop.facts.reason or loop.facts.health.value
                progress.update(line, completed=loop.done, total=total, facts=in_one_line(facts))
            if is_over.wait(_EVERY_S):
                return

    follower = threading.Thread(target=follow, name="bars", daemon=True)
    with progress:
        follower.start()
        try:
            yield
        finally:
            is_over.set()
            follower.join()
