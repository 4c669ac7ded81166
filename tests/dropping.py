"""A drop folder at work, and the mirror's folder that it feeds."""

from __future__ import annotations

import os
import pathlib
import queue
from collections.abc import Callable, Iterator
from typing import Literal

from ulid import ULID

from docferry.config import DropConfig
from docferry.engine.drop import Destination, DropFolder
from docferry.model import Attributes, Token
from docferry.storage.base import Content
from docferry.storage.local import LocalStorage
from watching import PATIENCE_S, wait_until


class Drops:
    """A drop folder and the mirror's folder that it feeds."""

    def __init__(self, folder: pathlib.Path, mirror: pathlib.Path) -> None:
        self.folder = folder
        self.mirror = mirror
        self.storage = LocalStorage(mirror)
        self.storage.write_marker(b"{}")
        self.placed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.safe: set[str] = set()
        self.left_out: set[str] = set()
        self.versions: list[str] = []
        self.before_placed: Callable[[str], None] = lambda path: None
        self.trouble: str | None = None
        self.problems: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
        self._running: list[DropFolder] = []

    def start(
        self,
        *,
        naming: Literal["path", "ulid"] = "path",
        subfolder: str = "",
        settle_s: float = 0.0,
        step: Callable[[str], None] = lambda name: None,
    ) -> DropFolder:
        options = DropConfig("inbox", self.folder, "documents", subfolder, naming, settle_s)
        destination = Destination(
            self.storage,
            lambda path: path not in self.left_out,
            lambda path, token: path in self.safe,
            self._replace,
            self._on_placed,
            self._on_problem,
            lambda: self.trouble,
        )
        drop = DropFolder(options, destination, step=step)
        self._running.append(drop)
        drop.start()
        return drop

    def stop(self) -> None:
        for drop in self._running:
            assert drop.stop()
        self._running.clear()

    def wait_for(self, *targets: str) -> None:
        missing = set(targets)
        while missing:
            missing.discard(self.placed.get(timeout=PATIENCE_S))

    def wait_until_empty(self) -> None:
        wait_until(lambda: not self.left())

    def left(self) -> list[str]:
        """The files in the drop folder, docferry's own included."""
        return files_in(self.folder)

    def mirrored(self) -> list[str]:
        return [path for path in files_in(self.mirror) if not path.startswith(".docferry/")]

    def _on_problem(self, path: str, problem: str | None) -> None:
        self.problems.put((path, problem))

    def _on_placed(self, path: str) -> None:
        self.before_placed(path)
        self.placed.put(path)

    def _replace(self, path: str, content: Content, attributes: Attributes, token: Token) -> None:
        self.versions.append(str(ULID()))
        archive = Attributes(version=self.versions[-1])
        self.storage.write(path, content, attributes, expect=token, archive=archive)


def files_in(folder: pathlib.Path) -> list[str]:
    return sorted(
        os.path.relpath(pathlib.Path(above, name), folder)
        for above, _, names in os.walk(folder)  # unlike rglob, it bears folders that vanish
        for name in names
    )


def fresh(folder: pathlib.Path, mirror: pathlib.Path) -> Iterator[Drops]:
    folder.mkdir()
    mirror.mkdir()
    drops = Drops(folder, mirror)
    yield drops
    drops.stop()
