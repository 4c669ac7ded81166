"""Bars for long work, for whoever waits at a terminal for `docferry run --once`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from docferry.app.daemon import Daemon
from docferry.cli.output import safe

_EVERY_S = 0.2


@contextmanager
def bars(daemon: Daemon) -> Iterator[None]:
    """Show a line for each mirror as long as the block runs."""
    progress = Progress(
        SpinnerColumn(finished_text="-"),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} done"),
        TextColumn("{task.fields[facts]}"),
        TimeElapsedColumn(),
    )
    lines = {name: progress.add_task(safe(name), total=None, facts="") for name in daemon.loops}
    is_over = threading.Event()

    def follow() -> None:
        while True:
            for name, line in lines.items():
                loop = daemon.loops[name]
                total = loop.done + loop.waiting
                facts = loop.facts.reason or loop.facts.health.value
                progress.update(line, completed=loop.done, total=total, facts=safe(facts))
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
