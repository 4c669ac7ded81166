"""Which files of a mirror are at rest, and which are gone for good, as far as time tells."""

from __future__ import annotations

from docferry.core.settle import Sighting, Taken, rest
from docferry.engine.timing import Timing
from docferry.model import FileState, Path


class Settling:
    """
    What was seen of files that still move, or are missing. Used by its loop alone.

    Args:
        absence_s: For so long a missing file may be in the middle of an editor's save.
    """

    def __init__(self, timing: Timing, absence_s: float) -> None:
        self._timing = timing
        self._absence_s = absence_s
        self._sightings: dict[Path, Sighting] = {}
        self._absent_since: dict[Path, float] = {}  # monotonic

    def unrest_s(self, path: Path, state: FileState, settle_s: float) -> float | None:
        """Seconds after which to look again at a file that still moves; None: it is at rest."""
        found = rest(
            state,
            self._sightings.get(path),
            now_ns=self._timing.time_ns(),
            now_s=self._timing.monotonic(),
            settle_s=settle_s,
        )
        if not isinstance(found, Taken):
            self._sightings[path] = found.sighting  # until it rests: it may have to be read first
            return found.for_s
        return None  # whether somebody has it open for writing is seen when it is opened

    def absence_s(self, path: Path) -> float | None:
        """Seconds to wait until a missing file counts as deleted; None: it does."""
        now_s = self._timing.monotonic()
        wait_s = self._absent_since.setdefault(path, now_s) + self._absence_s - now_s
        if wait_s > 0:
            return wait_s
        self._absent_since.pop(path, None)
        return None

    def forget(self, path: Path) -> None:
        """Note that *path* is as agreed, or has been carried."""
        self._sightings.pop(path, None)
        self._absent_since.pop(path, None)
