"""Guarded disks, wired to the mirrors whose folders, and whose ledger, lie on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from docferry.config import Config
from docferry.core.disk import Disk
from docferry.engine.disk_guard import DiskGuard, disk_of
from docferry.engine.loop import MirrorLoop
from docferry.engine.runs import Run
from docferry.engine.timers import Timers
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.metrics import DISK_SHORT
from docferry.storage.local_batch import Room

CHECK_EVERY_S = 2.0
#: What stands among the problems of a mirror that takes nothing in.
PROBLEM_PATH, PROBLEM_KIND = ".docferry", "disk"


class Disks:
    """
    The disks of all mirrors and of the state directory, where all that comes in is noted.

    Args:
        loops: By mirror, as they come and go.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        loops: Mapping[str, MirrorLoop],
        *,
        look: Callable[[Path], Disk | None] = disk_of,
    ) -> None:
        self._ledger = ledger
        self._loops = loops
        self._state_dir = config.state_dir
        self._folders: dict[str, Path] = {}  # by mirror
        self._short: dict[Path, str] = {}
        self._guard = DiskGuard(config.disk_reserve, self._watched, self._tell, look=look)

    def room_in(self, mirror: str, folder: Path) -> Room:
        """
        Watch the disk of *mirror* from now on.

        Returns:
            What is entered with the size of each content that comes into it.
        """
        self._folders[mirror] = folder
        self._ledger.problems.clear(mirror, [PROBLEM_PATH])  # an earlier daemon's answer
        return partial(self._taking, folder)

    def leave(self, mirror: str) -> None:
        """Watch the disk of *mirror* no more."""
        if self._folders.pop(mirror, None) is not None:
            DISK_SHORT.remove("mirror", mirror)

    @contextmanager
    def for_conversion(self, size: int) -> Iterator[None]:
        """Let a document of *size* bytes be staged while the block lasts."""
        with self._guard.taking(self._state_dir, size):
            yield

    def start(self, timers: Timers) -> None:
        """Look at the disks from now on."""
        timers.every(CHECK_EVERY_S, "disks", self.check, at_once=True)

    def check(self) -> None:
        """Look at all disks, and tell what is new."""
        self._guard.check()
        self._meter("state", "", self._state_dir)
        for mirror, folder in [*self._folders.items()]:
            self._meter("mirror", mirror, folder)

    def _meter(self, of: str, name: str, folder: Path) -> None:
        DISK_SHORT.labels(of, name).set(folder in self._short)

    def _watched(self) -> list[Path]:
        return [*dict.fromkeys((self._state_dir, *self._folders.values()))]

    @contextmanager
    def _taking(self, folder: Path, size: int) -> Iterator[Callable[[int], None]]:
        with self._guard.taking(self._state_dir, 0), self._guard.taking(folder, size) as came:
            yield came

    def _tell(self, folder: Path, why: str | None) -> None:
        if why is None:
            self._short.pop(folder, None)
        else:
            self._short[folder] = why
        for mirror, local in [*self._folders.items()]:
            if folder in (local, self._state_dir):
                self._show(mirror, self._short.get(local) or self._short.get(self._state_dir))

    def _show(self, mirror: str, why: str | None) -> None:
        with suppress(DocferryError):  # the ledger's own disk may be the full one: it is logged
            if why is not None:
                self._ledger.problems.put(
                    mirror,
                    PROBLEM_PATH,
                    kind=PROBLEM_KIND,
                    message=f"nothing is taken in: {why}",
                    at=datetime.now(UTC),
                    retry_at=None,
                )
                return
            self._ledger.problems.clear(mirror, [PROBLEM_PATH])
        if mirror in self._loops:
            self._loops[mirror].request(Run.RESCAN)  # what has waited for room is tried at once
