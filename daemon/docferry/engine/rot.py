"""What rot a person sees: the log, the figures, and a problem for as long as nothing mends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from docferry.core.verify import Held, Sight, Unreadable
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import PATROL_FINDINGS
from docferry.model import ARCHIVE_PREFIX, Path, Side, Ulid

log = get_logger(__name__)

KIND = "rot"


def archived_path(version: Ulid) -> Path:
    """Give the path under which an archived version's problem stands: no document has it."""
    return f"{ARCHIVE_PREFIX}{version}"


class RotProblems:
    """The problems of kind "rot" of one mirror."""

    def __init__(self, mirror: str, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._mirror = mirror
        self._ledger = ledger
        self._now = now
        self._shown: set[Path] = set()

    def look(self) -> None:
        """Learn which problems stand there; what mends a path takes its problem away."""
        rows = self._ledger.problems.all(self._mirror)
        self._shown = {row.path for row in rows if row.kind == KIND}

    def found(self, path: Path, side: Side, sight: Sight, *, of: str, version: Ulid) -> None:
        """Tell of rot on one side. Whether it can be mended is seen next."""
        PATROL_FINDINGS.labels(self._mirror, of, side).inc()
        log.warning(
            "rot.found",
            mirror=self._mirror,
            path=path,
            side=side,
            of=of,
            version=version,
            what=_words(sight),
        )

    def show(self, path: Path, message: str) -> None:
        """Show a problem that only a person can mend."""
        self._shown.add(path)
        self._ledger.problems.put(
            self._mirror, path, kind=KIND, message=message, at=self._now(), retry_at=None
        )
        log.error("rot.lasting", mirror=self._mirror, path=path, reason=message)

    def mended(self, path: Path) -> None:
        """Take a problem away: it is sound again."""
        if path in self._shown:
            self._shown.discard(path)
            self._ledger.problems.clear(self._mirror, [path])

    def sweep(self) -> None:
        """Take away the problems of what nobody has any more."""
        self.look()
        for path in list(self._shown):
            if path.startswith(ARCHIVE_PREFIX):
                row = self._ledger.versions.get(path.removeprefix(ARCHIVE_PREFIX))
                is_over = row is None or row.gone_at is not None
            else:
                is_over = path not in self._ledger.synced.get(self._mirror, [path])
            if is_over:
                self.mended(path)


def _words(sight: Sight) -> str:
    match sight:
        case Held(size=size, sha256=sha256):
            return f"{size} bytes, sha256 {sha256}"
        case Unreadable(why):
            return why
        case _:
            return "the archive lacks it"
