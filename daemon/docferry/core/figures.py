"""What is true at the moment, in numbers: of a mirror, of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from docferry.model import MirrorHealth, RequestKind


@dataclass(frozen=True, slots=True)
class MirrorFigures:
    """What is true of one mirror right now."""

    health: MirrorHealth = MirrorHealth.STARTING
    dirty_paths: int = 0
    oldest_dirty_at: datetime | None = None  #: of the paths that wait; None: none does
    oldest_unsynced_at: datetime | None = None  #: of those and of held deletions
    last_poll_at: datetime | None = None  #: the begin of the last complete one; None: none yet
    last_scan_at: datetime | None = None  #: the same
    holds: int = 0
    held_deletions: int = 0
    held_changes: int = 0
    conflicts: int = 0
    problems: int = 0
    rotten: int = 0  #: of the problems
    versions: int = 0
    version_bytes: int = 0
    synced_files: int = 0
    synced_bytes: int = 0
    patrol_coverage: float = 0.0  #: of the cycle under way, or of the last one
    patrolled_at: datetime | None = None  #: when the last whole cycle ended, else the first began
    requests: Mapping[RequestKind, int] = field(default_factory=dict)  #: open ones, by kind
    oldest_request_at: datetime | None = None  #: of the open ones; None: there is none
    paused_since: datetime | None = None  #: None: it is not


@dataclass(frozen=True, slots=True)
class MachineFigures:
    """What is true of the machine, of the stores and of the configuration right now."""

    #: Bytes that docferry may still write, and all: by what for (state, mirror, drop) and its name.
    rooms: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    ledger_bytes: int = 0
    inotify_watches: int = 0
    inotify_watch_limit: int = 0
    degraded_watches: int = 0  #: folders that cannot be watched as they should be
    poll_s: Mapping[str, float] = field(default_factory=dict)  #: as it is now, by mirror
    patrol_s: Mapping[str, float] = field(default_factory=dict)  #: as configured; 0: never
    skews_s: Mapping[str, float] = field(default_factory=dict)  #: by store: its clock minus ours
    #: When a certificate ends: by whose (store, converter) and its name.
    certificates: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    credentials: Mapping[str, datetime] = field(default_factory=dict)  #: by store: their end
