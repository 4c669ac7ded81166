"""
What became of documents that were getting their name: each has its row of the audit in the end.

Those that a crash caught are looked for in their folders. Of others the outcome is known, and the
ledger did not take the row just then: it is kept here, and tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from docferry.config import Config
from docferry.core.audit import Action
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.ledger.arrivals import Arrival
from docferry.logs import get_logger
from docferry.model import FileState, Ulid
from docferry.storage.local import LocalStorage

log = get_logger(__name__)

#: The ledger is asked again so often to take what it did not take.
RETRY_S = 60.0


class Owed:
    """Rows of a process that the ledger has yet to take. For any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[Ulid, tuple[Arrival, Action]] = {}

    def note(self, ledger: Ledger, one: Arrival, action: Action) -> bool:
        """Write the row. False: the ledger does not take it, so it is kept."""
        try:
            ledger.arrivals.note(one, action)
        except DocferryError as error:
            with self._lock:
                self._rows[one.id] = one, action
            log.error("ledger.failed", mirror=one.mirror, reason=str(error))  # noqa: TRY400
            return False
        with self._lock:
            self._rows.pop(one.id, None)
        return True

    def settle(self, ledger: Ledger) -> None:
        """Write those that are kept, up to the first that is not taken."""
        with self._lock:
            rows = [*self._rows.values()]
        all(self.note(ledger, one, action) for one, action in rows)


def settle_arrivals(
    config: Config, ledger: Ledger, begun: Sequence[Arrival], owed: Owed | None = None
) -> None:
    """
    Write into the audit what became of those that are not over.

    One whose folder cannot be looked at stays for the next start. A folder may not answer at all.

    Args:
        begun: By a process that is gone: none is under way.
        owed: Keeps what the ledger does not take.
    """
    owed = owed or Owed()
    for one in begun:
        options = config.mirrors.get(one.mirror)
        if options is None:
            continue
        try:
            local = LocalStorage(options.local, needs_marker=True)
            is_there = _is_there(ledger, local, one)
        except DocferryError as error:
            log.warning("path.unseen", mirror=one.mirror, path=one.path, reason=str(error))
            continue
        owed.note(ledger, one, Action.FILE_RECEIVED if is_there else Action.FILE_UNCONFIRMED)


def by_mirror(begun: Sequence[Arrival]) -> list[list[Arrival]]:
    """Give those of each mirror: the folder of one may not answer."""
    found: dict[str, list[Arrival]] = {}
    for one in begun:
        found.setdefault(one.mirror, []).append(one)
    return [*found.values()]


def _is_there(ledger: Ledger, local: LocalStorage, one: Arrival) -> bool:
    """Say whether it got its name: it has it still, or was seen there by the loop since."""
    found = local.stat(one.path)
    if isinstance(found, FileState) and found.token == one.token:
        return True
    agreed = ledger.synced.get(one.mirror, [one.path]).get(one.path)
    return agreed is not None and agreed.local_token == one.token
