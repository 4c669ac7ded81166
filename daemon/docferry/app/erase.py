"""Erase a document for good, for a person: what would go, the request, what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from docferry.app.versions import mirror_of
from docferry.app.wake import next_look_s
from docferry.config import Config
from docferry.engine.erase import is_result
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest, RequestRow
from docferry.model import UNFINISHED, Path, RequestKind, RequestState, Ulid


@dataclass(frozen=True, slots=True)
class Doomed:
    """What would go."""

    mirror: str
    path: Path
    is_current: bool  #: the file is there now, on both sides
    versions: tuple[Ulid, ...]
    size_bytes: int  #: of all versions
    results: tuple[str, ...]  #: of conversions, "MIRROR/PATH"
    held: tuple[Ulid, ...]  #: these keep it from going


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a request; *facts*: what was erased, searched, found."""

    request: int
    mirror: str
    state: RequestState | None  #: None: it was erased together with its document
    facts: dict[str, Any]
    trouble: str = ""  #: where there are no facts: why not

    @property
    def is_done(self) -> bool:
        return self.state in (None, RequestState.DONE)


def doomed(ledger: Ledger, config: Config, mirror: str | None, path: Path) -> Doomed:
    """
    Say what would go with *path*.

    Raises:
        UserError: Nothing is known of it, or it is in several mirrors and none was named.
    """
    name = mirror_of(config, ledger, path, mirror)
    rows = ledger.versions.of(name, path)
    agreed = ledger.synced.get(name, [path]).get(path)
    if not rows and agreed is None:
        raise UserError(f"{name} has no version of {path!r}; `docferry log` tells what is known")
    jobs = ledger.erasures.jobs_of([*{row.sha256 for row in rows}], {row.id for row in rows})
    return Doomed(
        name,
        path,
        agreed is not None,
        tuple(row.id for row in rows),
        sum(row.size for row in rows),
        tuple(
            f"{job.target_mirror}/{job.result_path}"
            for job in jobs
            if job.result_path and is_result(ledger, job.target_mirror, job.result_path)
        ),
        tuple(row.id for row in rows if row.held),
    )


def ask(ledger: Ledger, mirror: str, path: Path, now: datetime) -> int:
    """Ask the daemon to erase *path*, if nobody has; give the request's number."""
    # What came after the request stays: the daemon's clock may be ahead of this one.
    last = ledger.versions.last()
    at = now if last is None else max(now, last[1])
    [(number, _)] = ledger.requests.add_once([NewRequest(mirror, path, RequestKind.ERASE)], at)
    return number


def wait(
    ledger: Ledger, number: int, timeout_s: float, wake_daemon: Callable[[], None]
) -> list[Ended]:
    """
    Wait for what comes of a request, and of those for its conversions' results.

    Args:
        wake_daemon: Called when the daemon has asked for more itself, of another mirror.

    Returns:
        Those that have ended in time.
    """
    began_s = time.monotonic()
    waiting, ended = [number], list[Ended]()
    while waiting:
        request = ledger.requests.get(waiting[0])
        if request is None or request.state not in UNFINISHED:
            ended.append(_ended(waiting.pop(0), request))
            if results := ended[-1].facts.get("results"):
                waiting += results
                wake_daemon()
        elif (waited_s := time.monotonic() - began_s) > timeout_s:
            break
        else:
            time.sleep(next_look_s(waited_s))
    return ended


def are_all_done(ended: Sequence[Ended]) -> bool:
    """Say whether the request and all that followed from it have come to a good end."""
    followers = sum(len(one.facts.get("results", [])) for one in ended)
    return len(ended) == 1 + followers and all(one.is_done for one in ended)


def _ended(number: int, request: RequestRow | None) -> Ended:
    if request is None:
        return Ended(number, "", None, {})
    try:
        facts = json.loads(request.note or "")
    except ValueError:
        return Ended(number, request.mirror, request.state, {}, request.note or "no reason given")
    return Ended(number, request.mirror, request.state, facts)
