"""Housekeeping: what crashes and lost answers leave behind, and nothing needs any more."""

from __future__ import annotations

from datetime import datetime

from docferry.core.intents import INTENT_LIFE, is_spent
from docferry.engine.identity import Places
from docferry.engine.look import Looks, look_at
from docferry.ledger import Ledger
from docferry.logs import get_logger

log = get_logger(__name__)

#: So many at a time: the rest has time until the next.
_MOST_INTENTS = 1000


def tidy(mirror: str, places: Places, ledger: Ledger, looks: Looks, now: datetime) -> None:
    """
    Forget what was announced long ago, and take away parts of uploads that were cut off.

    Raises:
        UnreachableError: A side does not answer.
    """
    _forget_spent_intents(mirror, places, ledger, looks, now)
    for failure in places.remote.sweep_uploads():
        log.warning("upload.left", mirror=mirror, error=str(failure))


def _forget_spent_intents(
    mirror: str, places: Places, ledger: Ledger, looks: Looks, now: datetime
) -> None:
    old = ledger.intents.before(mirror, now - INTENT_LIFE, limit=_MOST_INTENTS)
    paths = [*dict.fromkeys(path for path, _ in old)]
    looked_at = look_at(paths, mirror, places, ledger, looks)
    spent = [is_spent(seen) for seen in looked_at]
    done = {path for path, is_done in zip(paths, spent, strict=True) if is_done}
    ledger.intents.forget(mirror, [(path, version) for path, version in old if path in done])
