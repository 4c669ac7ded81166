"""Tell people, through the log and the metrics, what an operation changed."""

from __future__ import annotations

import re

from docferry.engine.task import Task
from docferry.logs import get_logger
from docferry.metrics import (
    CHANGE_TO_DISK_SECONDS,
    DROP_TO_BUCKET_SECONDS,
    OPERATION_BYTES,
    operation_meters,
)
from docferry.model import Download, Erase, Forget, KeepBoth, MarkSynced, Outcome, Ulid, Upload

log = get_logger(__name__)

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")
_KINDS: dict[type, str] = {}


def kind_of(operation: object) -> str:
    """Name an operation as logs, metrics and the history do: `keep_both`."""
    found = _KINDS.get(type(operation))
    if found is None:
        found = _KINDS[type(operation)] = _WORD_START.sub("_", type(operation).__name__).lower()
    return found


def tell(mirror: str, task: Task, outcome: Outcome, now_s: float) -> None:
    """Log one outcome, written down at *now_s* (monotonic), and count it."""
    operation = outcome.operation
    kind = kind_of(operation)
    done, seconds = operation_meters(mirror, kind)
    done.inc()
    seconds.observe(outcome.took_s)
    if isinstance(operation, MarkSynced | Forget | Erase):
        return  # nothing happened to a document, or nobody is to read its name any more
    if outcome.moved_bytes:
        direction = "up" if isinstance(operation, Upload) else "down"
        OPERATION_BYTES.labels(mirror, direction).inc(outcome.moved_bytes)
    if task.since_s is not None:
        _observe_latency(mirror, task, task.since_s, now_s)
    log.info(
        "operation.done",
        mirror=mirror,
        kind=kind,
        path=task.seen.path,
        operation=task.id,
        version=_version_of(outcome),
        size_bytes=outcome.synced.size if outcome.synced else None,
        moved_bytes=outcome.moved_bytes,
        took_s=round(outcome.took_s, 4),
        attempts=task.attempts,
    )
    if outcome.conflict_copy is not None:
        log.warning(
            "conflict.found",
            mirror=mirror,
            path=task.seen.path,
            operation=task.id,
            copy=outcome.conflict_copy,
        )


def _version_of(outcome: Outcome) -> Ulid | None:
    """Name what is at the path now, or what has left it."""
    if outcome.synced is not None:
        return outcome.synced.version
    return outcome.archived[0] if outcome.archived else None


def _observe_latency(mirror: str, task: Task, since_s: float, now_s: float) -> None:
    age_s = now_s - since_s
    if isinstance(task.operation, Upload):
        DROP_TO_BUCKET_SECONDS.labels(mirror).observe(age_s)
    elif isinstance(task.operation, Download | KeepBoth):
        CHANGE_TO_DISK_SECONDS.labels(mirror).observe(age_s)
