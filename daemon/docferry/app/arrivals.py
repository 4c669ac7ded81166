"""What became of documents that a crash caught while they got their name."""

from __future__ import annotations

from collections.abc import Sequence

from docferry.config import Config
from docferry.core.audit import Action
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.ledger.arrivals import Arrival
from docferry.logs import get_logger
from docferry.model import FileState
from docferry.storage.local import LocalStorage

log = get_logger(__name__)


def settle_arrivals(config: Config, ledger: Ledger, begun: Sequence[Arrival]) -> None:
    """
    Write into the audit what became of those that are not over.

    One whose folder cannot be looked at stays for the next time. A folder may not answer at all.

    Args:
        begun: By a process that is gone: none is under way.
    """
    for one in begun:
        options = config.mirrors.get(one.mirror)
        if options is None:
            continue
        try:
            local = LocalStorage(options.local, needs_marker=True)
            is_there = _is_there(ledger, local, one)
            ledger.arrivals.note(one, Action.FILE_RECEIVED if is_there else Action.FILE_UNCONFIRMED)
        except DocferryError as error:
            log.error("ledger.failed", mirror=one.mirror, reason=str(error))  # noqa: TRY400


def _is_there(ledger: Ledger, local: LocalStorage, one: Arrival) -> bool:
    """Say whether it got its name: it has it still, or was seen there by the loop since."""
    found = local.stat(one.path)
    if isinstance(found, FileState) and found.token == one.token:
        return True
    agreed = ledger.synced.get(one.mirror, [one.path]).get(one.path)
    return agreed is not None and agreed.local_token == one.token
