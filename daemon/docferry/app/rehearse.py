"""Make the plans of mirrors without a daemon: `docferry plan`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from docferry.app.mirrors import LEDGER_NAME, mirror_named
from docferry.app.onlooker import Onlooker, store_of
from docferry.app.sides import Known, Sides, UlidSource, note_mirror, open_sides
from docferry.config import Config
from docferry.core.guards import counts_since
from docferry.engine.dry_run import DryRun, Rehearsal
from docferry.engine.identity import Places
from docferry.errors import PermanentError, TemporaryError
from docferry.ledger import Ledger
from docferry.ledger.damage import refuse_set_aside
from docferry.ledger.scratch import Scratch
from docferry.model import HoldState
from docferry.storage.local import LocalStorage
from docferry.storage.memory import MemoryStorage


def rehearse(
    config: Config, mirrors: Sequence[str], onlooker: Onlooker | None = None
) -> dict[str, DryRun]:
    """
    Give the plan of each mirror, by name. *onlooker* hears of a store that does not answer.

    Raises:
        UserError: There is no such mirror.
    """
    for name in mirrors:
        mirror_named(config, name)
    with (
        TemporaryDirectory(prefix="docferry-plan-") as folder,
        Scratch.open(Path(folder) / LEDGER_NAME) as scratch,
        ThreadPoolExecutor(config.transfers, thread_name_prefix="rehearse") as pool,
    ):
        # Before the first run nothing is agreed: an empty ledger says just that.
        refuse_set_aside(path := config.state_dir / LEDGER_NAME)
        if path.exists():
            with Ledger.open(path, read_only=True) as ledger:
                scratch.take_over(ledger, mirrors, deletions_since=_count_since(ledger))
        onlooker = onlooker or Onlooker()
        return {name: _plan(config, name, scratch, pool, onlooker) for name in mirrors}


def _count_since(ledger: Ledger) -> datetime:
    """Give the time from which deletions count for any mirror."""
    now = datetime.now(UTC)
    held = ledger.holds.all(states=(HoldState.OPEN,), kind="deletions")
    return min(
        (counts_since(now, hold.created_at) for hold in held), default=counts_since(now, None)
    )


def _plan(config: Config, name: str, scratch: Scratch, pool: Pool, onlooker: Onlooker) -> DryRun:
    new_ulid = UlidSource()
    sides = open_sides(config, name, scratch, new_ulid, connections=config.transfers)
    places = _as_first_run(sides, scratch)
    note_mirror(scratch, sides.options)
    rehearsal = Rehearsal(
        sides.options,
        places,
        scratch,
        Known(scratch),
        aliases=sides.aliases,
        pool=pool,
        new_ulid=new_ulid,
    )
    try:
        with onlooker.waiting(store_of(config, name)):
            sides.remote.check_bucket()
        return rehearsal.plan()
    except (TemporaryError, PermanentError) as error:
        # A side that does not answer keeps its own mirror still, and no other.
        return DryRun(refused=str(error))


def _as_first_run(sides: Sides, ledger: Ledger) -> Places:
    """
    Take a folder that the first run is going to make for an empty one.

    The marker that a folder is going to get is only imagined, so that it is read without.
    """
    row = ledger.mirrors.get(sides.options.name)
    is_new = row is None or row.marker_id is None
    if sides.options.local.exists() or not is_new:
        return replace(sides.places, local=LocalStorage(sides.options.local))
    return replace(sides.places, local=MemoryStorage())
