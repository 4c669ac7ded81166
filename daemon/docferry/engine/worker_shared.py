"""A result that was made already, of the same content by the same recipe: fetch it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from docferry.engine.put_result import Result, Target
from docferry.engine.stage import OpensVersions, copy
from docferry.errors import DocferryError, StaleError
from docferry.job import JobRow
from docferry.ledger import Ledger
from docferry.model import FileState
from docferry.storage.base import Content


class SharedResults:
    """
    Fetches results of other jobs. Thread-safe: it keeps no state.

    Args:
        targets: By mirror's name.
        contents_of: Gives what opens the contents of a mirror.
    """

    def __init__(
        self,
        ledger: Ledger,
        targets: Mapping[str, Target],
        contents_of: Callable[[str], OpensVersions],
    ) -> None:
        self._ledger = ledger
        self._targets = targets
        self._contents_of = contents_of

    def fetch(self, twin: JobRow, folder: pathlib.Path) -> Result | None:
        """Copy the result of *twin* below *folder*; None: it is not to be had, or not sound."""
        if twin.target_mirror not in self._targets:
            return None
        copied = folder / "shared"
        for opener in self._openers(twin):
            try:
                with opener() as content:
                    result = Result(copied, copy(content, copied), content.size)
            except DocferryError:  # perhaps the next place has it; else it is made anew
                continue
            if result.sha256 == twin.result_sha256:
                return result
            copied.unlink()
        return None

    def _openers(self, twin: JobRow) -> Iterator[Callable[[], Content]]:
        mirror, sha256 = twin.target_mirror, twin.result_sha256
        assert sha256 is not None  # else it is nobody's twin
        yield partial(self._in_folder, twin)
        version = next(iter(self._ledger.versions.with_content(mirror, sha256)), None)
        if version is not None:
            yield partial(self._contents_of(mirror).open, version)

    def _in_folder(self, twin: JobRow) -> Content:
        folder, path = self._targets[twin.target_mirror].folder, twin.result_path
        found = folder.stat(path) if path is not None else None
        if path is None or not isinstance(found, FileState):
            raise StaleError(f"{path} is not there")
        return folder.read(path, found.token)
