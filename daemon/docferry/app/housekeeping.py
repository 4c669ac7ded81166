"""Housekeeping, wired: what is cared for, and how often."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from docferry.app.sides import Sides
from docferry.config import Config
from docferry.engine.housekeeping import LedgerCare, clear_state_dir
from docferry.engine.timers import Timers
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.logs import get_logger

log = get_logger(__name__)

LEDGER_EVERY_S = 30.0
LEDGER_FOR_S = 0.5  #: a part of the time that others may want to write in
KEPT_EVERY_S = 60.0
FILES_EVERY_S = 6 * 3600.0


def start_housekeeping(
    config: Callable[[], Config],
    ledger: Ledger,
    sides: Mapping[str, Sides],
    recipes: Callable[[], Collection[str]],
    timers: Timers,
) -> None:
    """Have it done from now on; *config* and *recipes* give what is in force at the time."""
    care = LedgerCare(ledger.pruning, recipes, lambda: datetime.now(UTC))
    timers.every(LEDGER_EVERY_S, "housekeeping-ledger", lambda: care.go_on(LEDGER_FOR_S))
    timers.every(
        FILES_EVERY_S,
        "housekeeping-files",
        lambda: _clear_state_dir(config()),
        at_once=True,
    )
    timers.every(KEPT_EVERY_S, "housekeeping-kept", lambda: _look_at_kept(sides))


def _clear_state_dir(config: Config) -> None:
    clear_state_dir(config.state_dir, config.mirrors, datetime.now(UTC))


def _look_at_kept(sides: Mapping[str, Sides]) -> None:
    """Give back what somebody has gone on writing to, in every folder that is there."""
    for mirror, one in sides.items():
        with suppress(DocferryError):  # it is away: its loop says so
            for path in one.local.look_at_kept():
                log.warning("path.recovered", mirror=mirror, path=path)
