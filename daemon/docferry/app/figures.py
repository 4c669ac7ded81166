"""What the running daemon tells Prometheus and the probes about itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from docferry.config import Config
from docferry.core.canary import LATE_IN_A_ROW
from docferry.core.patrol import coverage
from docferry.engine.health import Facts
from docferry.job import BreakerState
from docferry.ledger import Ledger
from docferry.ledger.jobs import Queue
from docferry.metrics import JobFigures, MirrorFigures, QueueFigures
from docferry.model import HoldState
from docferry.web.probes import Readiness

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
    return {name: _figures(name, loop.facts, ledger) for name, loop in loops.items()}


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

    Ready is which has finished its first full run, and whose canaries come through.
    """
    return {
        name: _readiness(loop.facts, canaries[name].late if name in canaries else 0)
        for name, loop in loops.items()
    }


def _readiness(facts: Facts, late: int) -> Readiness:
    has_run = facts.last_full_at is not None
    if late < LATE_IN_A_ROW:
        return Readiness(is_ready=has_run, health=facts.health, reason=facts.reason)
    reason = f"{late} canaries in a row are late" + (f"; {facts.reason}" if facts.reason else "")
    return Readiness(is_ready=False, health=facts.health, reason=reason)


def is_alive(loops: Mapping[str, Loop]) -> bool:
    """Say whether every loop has gone round lately."""
    now_s = time.monotonic()
    return all(
        loop.is_alive and now_s - loop.went_round_s < STUCK_AFTER_S for loop in loops.values()
    )


def _figures(name: str, facts: Facts, ledger: Ledger) -> MirrorFigures:
    holds = ledger.holds.all(name, (HoldState.OPEN,))
    files, size_bytes = ledger.synced.count(name)
    # Deletions that are held have not reached the other side either.
    waiting = [hold.created_at for hold in holds if hold.kind == "deletions"]
    if facts.oldest_dirty_at is not None:
        waiting.append(facts.oldest_dirty_at)
    versions, version_bytes = ledger.versions.totals(name)
    patrol = ledger.patrols.get(name)
    requests, oldest_request_at = ledger.requests.count_open(name)
    return MirrorFigures(
        health=facts.health,
        dirty_paths=facts.dirty,
        oldest_unsynced_at=min(waiting, default=None),
        last_poll_at=facts.last_poll_at,
        last_scan_at=facts.last_scan_at,
        holds=len(holds),
        held_deletions=sum(hold.count for hold in holds if hold.kind == "deletions"),
        conflicts=len(ledger.conflicts.all(name)),
        problems=len(ledger.problems.all(name)),
        versions=versions,
        version_bytes=version_bytes,
        synced_files=files,
        synced_bytes=size_bytes,
        patrol_coverage=coverage(patrol.checked, patrol.total) if patrol else 0.0,
        patrolled_at=(patrol.finished_at or patrol.began_at) if patrol else None,
        requests=requests,
        oldest_request_at=oldest_request_at,
    )
