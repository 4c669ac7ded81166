"""Housekeeping: what crashes and lost answers leave behind, and nothing needs any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from docferry.core.intents import (
    INTENT_LIFE,
    is_lately_begun,
    is_spent,
    is_still_to_come_down,
    is_still_to_go_up,
)
from docferry.core.paths import is_reserved
from docferry.engine.identity import Places
from docferry.engine.look import Looks, look_at
from docferry.errors import DocferryError, StaleError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import Path

log = get_logger(__name__)

#: So many at a time: the rest has time until the next.
_MOST_INTENTS = 1000


def tidy(mirror: str, places: Places, ledger: Ledger, looks: Looks, now: datetime) -> None:
    """
    Forget what was announced long ago, and take away transfers that nobody goes on with.

    Raises:
        UnreachableError: A side does not answer.
    """
    _forget_spent_intents(mirror, places, ledger, looks, now)

    def is_wanted(path: Path, size: int, begun_at: datetime) -> bool:
        if not is_lately_begun(begun_at, now):
            return False
        if is_reserved(path):  # on its way into the archive: no tree tells of it
            return True
        [seen] = look_at([path], mirror, places, ledger, looks)
        return is_still_to_go_up(seen, size)

    for failure in places.remote.sweep_uploads(is_wanted):
        log.warning("upload.left", mirror=mirror, error=str(failure))
    _drop_begun_downloads(mirror, places, ledger, looks, now)


def recover_conflicts(
    mirror: str, places: Places, ledger: Ledger, is_busy: Callable[[Path], bool], now: datetime
) -> None:
    """
    List the conflicts whose content was displaced and whose note was lost.

    Only the archive can tell: both sides are equal by now. Both have proven themselves.
    """
    for begun in ledger.conflicts.begun(mirror):
        path = begun.displaced.path
        if is_busy(path):
            continue
        try:
            places.local.read_archived(begun.displaced.id).close()
        except StaleError:
            ledger.conflicts.drop(begun)
        except DocferryError as error:  # not known by now: it is asked again
            log.debug("operation.stale", mirror=mirror, path=path, reason=str(error))
        else:
            ledger.conflicts.recover(begun, now)
            log.warning("conflict.found", mirror=mirror, path=path, copy=begun.copy_path)


def _drop_begun_downloads(
    mirror: str, places: Places, ledger: Ledger, looks: Looks, now: datetime
) -> None:
    def is_wanted(path: Path, size: int, last_at: datetime) -> bool:
        if not is_lately_begun(last_at, now):
            return False
        if is_reserved(path):
            return True
        [seen] = look_at([path], mirror, places, ledger, looks)
        return is_still_to_come_down(seen, size)

    places.local.drop_begun(is_wanted)


def _forget_spent_intents(
    mirror: str, places: Places, ledger: Ledger, looks: Looks, now: datetime
) -> None:
    old = ledger.intents.before(mirror, now - INTENT_LIFE, limit=_MOST_INTENTS)
    paths = [*dict.fromkeys(path for path, _ in old)]
    looked_at = look_at(paths, mirror, places, ledger, looks)
    spent = [is_spent(seen) for seen in looked_at]
    done = {path for path, is_done in zip(paths, spent, strict=True) if is_done}
    ledger.intents.forget(mirror, [(path, version) for path, version in old if path in done])
