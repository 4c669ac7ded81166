"""A folder under watch, for the tests: collects hints and waits for them, never for time."""

from __future__ import annotations

import pathlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from docferry.engine.watch import Watch

PATIENCE_S = 20.0


class Watched:
    """A folder, its watch, and what the watch said so far."""

    def __init__(
        self, root: pathlib.Path, kind: Literal["auto", "inotify", "polling"] = "auto"
    ) -> None:
        self.root = root
        self.hints: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.losses: list[str] = []
        self.poison: str | None = None  # a hint that breaks its taker
        self.held = threading.Event()  # clear it to make the reader of events stand still
        self.held.set()
        self.watch = Watch(root, self._take, self.losses.append, kind=kind, poll_s=0.05)
        self.watch.start()

    def _take(self, path: str) -> None:
        if path == self.poison:
            raise RuntimeError(path)
        self.hints.put(path)
        self.held.wait(PATIENCE_S)

    def wait_for(self, *wanted: str) -> set[str]:
        """Collect hints until each wanted path was named, itself or by a folder above it."""
        seen: set[str] = set()
        missing = set(wanted)
        end = time.monotonic() + PATIENCE_S
        while missing:
            try:
                hint = self.hints.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no hint for {sorted(missing)[:5]}; hints: {sorted(seen)[:20]}")
            seen.add(hint)
            missing = {path for path in missing if not covers(hint, path)}
        return seen

    def wait_until_quiet(self) -> set[str]:
        """Give all hints up to now: a change of our own marks the end of the queue."""
        mark = f"mark-{time.monotonic_ns()}"
        (self.root / mark).touch()
        return {path for path in self.wait_for(mark) if not path.startswith("mark-")}

    def wait_for_loss(self) -> str:
        """Call `check` as the timers do, until it reports a loss."""

        def is_lost() -> bool:
            self.watch.check()
            return bool(self.losses)

        wait_until(is_lost)
        return self.losses.pop(0)


def covers(hint: str, path: str) -> bool:
    return path.startswith(hint) if hint.endswith("/") else path == hint


def wait_until(claim: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        pause.wait(0.01)


@contextmanager
def watching(tmp_path: pathlib.Path, kind: Literal["inotify", "polling"]) -> Iterator[Watched]:
    root = tmp_path / "root"
    (root / "old").mkdir(parents=True)
    (root / "old/file").write_text("old")
    watched = Watched(root, kind)
    try:
        yield watched
    finally:
        watched.held.set()
        watched.watch.stop()
