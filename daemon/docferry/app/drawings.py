"""Pages of PDF documents as pictures, for who looks at a version: few at a time, none for long."""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from docferry.app.content import readable, require_room
from docferry.config import Config
from docferry.convert import leftovers
from docferry.convert.base import ConversionError
from docferry.convert.drawing import Drawer, Drawn, Undrawn
from docferry.core.disk import Disk
from docferry.engine.disk_guard import disk_of
from docferry.errors import NotFoundError, TemporaryError
from docferry.ledger import Ledger
from docferry.model import Sha256, VersionRow

#: Larger documents are not drawn: each page has all of it staged.
MOST_BYTES = 128 * 1024 * 1024
_AT_ONCE = 2
_WAIT_S = 2.0  # for others to end: who waits has one of the few threads
_MOST_KEPT = 8  # of at most 8 MiB: a page is asked for, and its picture right after
_REFUSED_FOR_S = 60.0  # what took too long may not, on a machine that has less to do

_Key: TypeAlias = tuple[Sha256, int]
_Page: TypeAlias = Drawn | Undrawn
_Outcome: TypeAlias = _Page | ConversionError | NotFoundError


class Drawings:
    """
    For any thread.

    Args:
        folder: Where documents are staged, in the state directory; nobody else works in it. It
            need not be there.
    """

    def __init__(
        self,
        folder: Path,
        drawer: Drawer | None = None,
        wait_s: float = _WAIT_S,
        *,
        look: Callable[[Path], Disk | None] = disk_of,
    ) -> None:
        self._folder = folder
        self._drawer = drawer or Drawer()
        self._wait_s = wait_s
        self._look = look
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, tuple[_Outcome, float]] = OrderedDict()
        self._is_swept = False

    def page(self, config: Config, ledger: Ledger, row: VersionRow, number: int) -> _Page:
        """
        Give page *number*, from 1, of a version that is a PDF document.

        Raises:
            NotFoundError: It has no such page.
            ConversionError: None of its pages can be drawn.
            UserError: What draws is not installed; or the bytes were let go.
            PermanentError: The bytes are nowhere, or damaged.
            FullError: There is no room to stage it.
            TemporaryError: Others are being drawn, or something else came in between.
        """
        key = (row.sha256, number)
        found = self._known(key)
        if found is None:
            found = self._drawn(config, ledger, row, number)
            self._keep(key, found)
        if isinstance(found, _Page):
            return found
        raise type(found)(str(found))

    def sweep(self) -> None:
        """Take away, once, what a process before this one has left, if it was cut off."""
        with self._lock:
            if not self._is_swept:
                leftovers.remove(self._folder)
                self._is_swept = True

    def _drawn(self, config: Config, ledger: Ledger, row: VersionRow, number: int) -> _Outcome:
        if row.size > MOST_BYTES:
            return ConversionError(f"it has more than {MOST_BYTES // 1024**2} MiB")
        if not self._free.acquire(timeout=self._wait_s):
            raise TemporaryError("other pages are being drawn: try again in a few seconds")
        try:
            with self._staging() as place:
                document = place / "document.pdf"
                require_room(config, row, self._look)
                _stage(config, ledger, row, document)
                work = place / "work"
                work.mkdir()
                return self._drawer.draw(document, number, work)
        except (ConversionError, NotFoundError) as error:
            return error.with_traceback(None)
        finally:
            self._free.release()

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        try:
            self.sweep()
            self._folder.mkdir(mode=0o700, exist_ok=True)
            place = Path(tempfile.mkdtemp(dir=self._folder))
        except OSError as error:
            raise TemporaryError(f"cannot stage it in {self._folder}: {error}") from error
        try:
            yield place
        finally:
            leftovers.remove(place)

    def _known(self, key: _Key) -> _Outcome | None:
        with self._lock:
            outcome, until_s = self._kept.get(key, (None, 0.0))
            if outcome is None or time.monotonic() > until_s:
                return None
            self._kept.move_to_end(key)
            return outcome

    def _keep(self, key: _Key, outcome: _Outcome) -> None:
        lasts_s = math.inf if isinstance(outcome, Drawn) else _REFUSED_FOR_S
        with self._lock:
            self._kept[key] = (outcome, time.monotonic() + lasts_s)
            self._kept.move_to_end(key)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)


def _stage(config: Config, ledger: Ledger, row: VersionRow, document: Path) -> None:
    with readable(config, ledger, row) as content:
        try:
            with document.open("xb") as file:
                for piece in content.pieces(0, row.size):
                    file.write(piece)
        except OSError as error:
            raise TemporaryError(f"cannot stage it: {error}") from error
