"""What the running daemon tells Prometheus and the probes about itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from docferry.config import Config
from docferry.core.canary import LATE_IN_A_ROW
from docferry.core.figures import MirrorFigures
from docferry.core.patrol import coverage
from docferry.engine.health import Facts
from docferry.job import BreakerState, JobFigures, QueueFigures
from docferry.ledger import Ledger
from docferry.ledger.jobs import Queue
from docferry.ledger.mirror_figures import LedgerFigures
from docferry.model import MirrorHealth
from docferry.probes import Readiness

#: A loop that has not gone round for so long is stuck: the process wants a restart.
STUCK_AFTER_S = 300.0


class Loop(Protocol):
    """What is asked of a mirror's loop."""

    @property
    def facts(self) -> Facts: ...
    @property
    def is_alive(self) -> bool: ...
    @property
    def went_round_s(self) -> float: ...


class Bird(Protocol):
    """What is asked of a mirror's canary."""

    @property
    def late(self) -> int: ...


def mirror_figures(loops: Mapping[str, Loop], ledger: Ledger) -> dict[str, MirrorFigures]:
    """Give the figures of all mirrors, by name. Asks the ledger at each scrape."""
    known = ledger.figures.all()
    return {
        name: _figures(loop.facts, known.get(name, LedgerFigures())) for name, loop in loops.items()
    }


def job_figures(config: Config, ledger: Ledger) -> JobFigures:
    """Give the figures of all conversions; of a configured converter also if it has nothing."""
    chains = {rule.converter for rule in config.converts}
    closed = {name: BreakerState.CLOSED for rule in config.converts for name in rule.chain}
    rules = {rule.name for rule in config.converts}
    return JobFigures(
        states=ledger.jobs.counts(),
        queues=_by_converter(chains, ledger.jobs.queues()),
        breakers=closed
        | {row.name: row.state for row in ledger.converters.all() if row.name in closed},
        # As in status: what no rule asks for any more nobody waits for.
        dead={key: count for key, count in ledger.jobs.count_letters().items() if key[0] in rules},
    )


def _by_converter(chains: set[str], queues: Sequence[Queue]) -> list[QueueFigures]:
    found = {chain: QueueFigures(chain) for chain in sorted(chains)}
    for queue in queues:
        so_far = found.get(queue.converter, QueueFigures(queue.converter))
        ages = [at for at in (so_far.oldest_at, queue.oldest_at) if at is not None]
        found[queue.converter] = replace(
            so_far,
            queued=so_far.queued + queue.queued,
            running=so_far.running + queue.running,
            oldest_at=min(ages, default=None),
        )
    return list(found.values())


def readiness(loops: Mapping[str, Loop], canaries: Mapping[str, Bird]) -> dict[str, Readiness]:
    """
    Say of each mirror whether it is ready, and how it is.

    Ready is which has finished its first full run, and whose canaries come through; and which
    does what it is to do, if that is to rest: a restart, or a wait, would not change it.
    """
    return {
        name: _readiness(loop.facts, canaries[name].late if name in canaries else 0)
        for name, loop in loops.items()
    }


def _readiness(facts: Facts, late: int) -> Readiness:
    is_paused = facts.health is MirrorHealth.PAUSED
    has_run = facts.last_full_at is not None or is_paused
    if is_paused or late < LATE_IN_A_ROW:
        return Readiness(is_ready=has_run, health=facts.health, reason=facts.reason)
    reason = f"{late} canaries in a row are late" + (f"; {facts.reason}" if facts.reason else "")
    return Readiness(is_ready=False, health=facts.health, reason=reason)


def is_alive(loops: Mapping[str, Loop]) -> bool:
    """Say whether every loop has gone round lately."""
    now_s = time.monotonic()
    return all(
        loop.is_alive and now_s - loop.went_round_s < STUCK_AFTER_S for loop in loops.values()
    )


def _figures(facts: Facts, known: LedgerFigures) -> MirrorFigures:
    # Deletions that are held have not reached the other side either.
    waiting = [at for at in (facts.oldest_dirty_at, known.oldest_held_at) if at is not None]
    patrol = known.patrol
    return MirrorFigures(
        health=facts.health,
        dirty_paths=facts.dirty,
        oldest_dirty_at=facts.oldest_dirty_at,
        oldest_unsynced_at=min(waiting, default=None),
        last_poll_at=facts.last_poll_at,
        last_scan_at=facts.last_scan_at,
        holds=known.holds,
        held_deletions=known.held_deletions,
        held_changes=known.held_changes,
        conflicts=known.conflicts,
        problems=known.problems,
        rotten=known.rotten,
        versions=known.versions[0],
        version_bytes=known.versions[1],
        synced_files=known.synced[0],
        synced_bytes=known.synced[1],
        patrol_coverage=coverage(patrol.checked, patrol.total) if patrol else 0.0,
        patrolled_at=(patrol.finished_at or patrol.began_at) if patrol else None,
        requests=known.requests,
        oldest_request_at=known.oldest_request_at,
        paused_since=known.paused_since,
    )
