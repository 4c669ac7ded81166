"""What a person orders of a mirror: to rest, to go on, to look now. For every face."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from docferry.app.mirrors import mirror_named
from docferry.app.wake import next_look_s
from docferry.config import Config
from docferry.core.orders import why_paused
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.ledger.lock import is_held
from docferry.ledger.orders import RunOrder
from docferry.model import HoldState, MirrorHealth, OrderedRun, Pause

MOST_REASON = 500  #: characters


def pause(
    ledger: Ledger, config: Config, mirror: str, at: datetime, reason: str | None = None
) -> tuple[Pause, bool]:
    """
    Let *mirror* begin nothing more, until somebody lets it go on.

    Returns:
        The pause, and whether it is a new one.

    Raises:
        UserError: There is no such mirror, or the reason is a letter.
    """
    if reason is not None and len(reason) > MOST_REASON:
        raise UserError(f"the reason has {len(reason)} characters: {MOST_REASON} are enough")
    return ledger.orders.pause(mirror_named(config, mirror).name, reason or None, at)


def resume(ledger: Ledger, config: Config, mirror: str, at: datetime) -> Pause | None:
    """
    Let *mirror* go on, and give the pause that is over; None: it was not paused.

    Raises:
        UserError: There is no such mirror.
    """
    return ledger.orders.resume(mirror_named(config, mirror).name, at)


def run_now(
    ledger: Ledger, config: Config, mirror: str, run: OrderedRun, at: datetime
) -> tuple[RunOrder, bool]:
    """
    Have *mirror* polled or walked as soon as it can be.

    Returns:
        The order, and whether it is a new one: who orders the same before it has begun gets
        the same answer.

    Raises:
        UserError: There is no such mirror.
    """
    return ledger.orders.ask(mirror_named(config, mirror).name, run, at)


def has_heard(ledger: Ledger, mirror: str, *, paused: bool) -> bool:
    """Say whether the mirror's loop rests, or does not any more."""
    row = ledger.mirrors.get(mirror)
    return row is not None and (row.health is MirrorHealth.PAUSED) is paused


def is_answered(ledger: Ledger, order: int) -> bool:
    """Say whether a run has answered that order; one that is gone was answered long ago."""
    row = ledger.orders.get(order)
    return row is None or row.answered_at is not None


def why_it_waits(ledger: Ledger, config: Config, mirror: str) -> str:
    """Say why a run that was ordered of *mirror* has not answered yet, as far as is known."""
    if is_held(config.state_dir) is None:
        return "docferry is not running"
    return why_nothing_travels(ledger, mirror) or "it is under way, or its turn comes"


def why_nothing_travels(ledger: Ledger, mirror: str) -> str | None:
    """Say what keeps the whole of *mirror* waiting; a hold of deletions does not."""
    found = ledger.orders.pause_of(mirror)
    if found is not None:
        return f"the mirror is {why_paused(found)}; docferry mirrors resume {mirror}"
    row = ledger.mirrors.get(mirror)
    if row is not None and row.health is MirrorHealth.UNREACHABLE:
        return f"the mirror is unreachable: {row.reason}"
    held = ledger.holds.all(mirror, (HoldState.OPEN,), kind="identity")
    return f"nothing travels before hold {held[0].id} is over" if held else None


def wait_until(is_so: Callable[[], bool], state_dir: Path, wait_s: float) -> bool:
    """Wait until it is so; for so long at the most, and only while a daemon runs that may do it."""
    began_s = time.monotonic()
    while not (found := is_so()):
        waited_s = time.monotonic() - began_s
        if is_held(state_dir) is None or waited_s >= wait_s:
            break
        time.sleep(next_look_s(waited_s))
    return found
