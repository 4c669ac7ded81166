"""Make the plans of mirrors without a daemon: `docferry plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from docferry.app.sides import LEDGER_NAME, Sides, UlidSource, mirror_named, open_sides
from docferry.config import Config
from docferry.engine.dry_run import DryRun, Rehearsal
from docferry.errors import PermanentError, TemporaryError
from docferry.ledger import Ledger
from docferry.storage.memory import MemoryStorage


def rehearse(config: Config, mirrors: Sequence[str]) -> dict[str, DryRun]:
    """
    Give the plan of each mirror, by name.

    Raises:
        UserError: There is no such mirror.
    """
    for name in mirrors:
        mirror_named(config, name)
    path = config.state_dir / LEDGER_NAME
    if path.exists():
        with Ledger.open(path, read_only=True) as ledger:
            return _plans(config, mirrors, ledger)
    # Before the first run there is nothing agreed: an empty ledger says just that.
    with (
        TemporaryDirectory(prefix="docferry-plan-") as empty,
        Ledger.open(Path(empty) / LEDGER_NAME) as ledger,
    ):
        return _plans(config, mirrors, ledger)


def _plans(config: Config, mirrors: Sequence[str], ledger: Ledger) -> dict[str, DryRun]:
    new_ulid = UlidSource()
    plans = {}
    for name in mirrors:
        sides = open_sides(config, name, ledger, new_ulid, connections=config.transfers)
        try:
            plans[name] = _rehearsal(_as_first_run(sides, ledger), ledger).plan()
        except (TemporaryError, PermanentError) as error:
            # A side that does not answer keeps its own mirror still, and no other.
            plans[name] = DryRun(refused=str(error))
    return plans


def _as_first_run(sides: Sides, ledger: Ledger) -> Sides:
    """Take a folder that the first run is going to make for an empty one."""
    row = ledger.mirrors.get(sides.options.name)
    is_new = row is None or row.marker_id is None
    if sides.options.local.exists() or not is_new:
        return sides
    places = replace(sides.places, local=MemoryStorage())
    return replace(sides, places=places)


def _rehearsal(sides: Sides, ledger: Ledger) -> Rehearsal:
    return Rehearsal(sides.options, sides.places, ledger, sides.executor)
