"""Verifications that somebody asked for and does not wait for: begun, and looked at later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from ulid import ULID

from docferry.app.mirrors import mirror_named
from docferry.app.onlooker import Onlooker
from docferry.config import Config
from docferry.errors import ConflictError, DocferryError, NotFoundError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import Side, Ulid

if TYPE_CHECKING:
    from docferry.app.verify import Report

log = get_logger(__name__)

#: Of those that are over, the last ones are kept.
MOST_KEPT = 20


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"  # whatever was found
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What is to be verified.

    side: None: both.
    reads_all: Also what the bucket's checksums speak for.
    """

    mirrors: tuple[str, ...]
    side: Side | None = None
    reads_all: bool = False


@dataclass(slots=True)
class VerifyRun:
    """
    One verification. Its thread alone changes it.

    looked_at: entries, by mirror, so far.
    waits_for: what did not answer for a while; told once.
    why: it failed; or webhooks were not told.
    """

    id: Ulid
    wanted: Wanted
    began_at: datetime
    state: RunState = RunState.RUNNING
    looked_at: dict[str, int] = field(default_factory=dict)
    waits_for: str = ""
    reports: Sequence[Report] = ()
    why: str = ""

    def count(self, mirror: str, entries: int) -> None:
        self.looked_at[mirror] = entries

    def wait_for(self, whom: str) -> None:
        self.waits_for = whom


class VerifyRuns:
    """
    The runs of this process, one at a time: each reads all that a mirror holds.

    They are in memory: with the process, what was found goes, and is to be asked for again.
    """

    def __init__(self) -> None:
        self._runs: dict[Ulid, VerifyRun] = {}
        self._lock = threading.Lock()

    def start(
        self, config: Config, ledger: Ledger, wanted: Wanted, now: Callable[[], datetime]
    ) -> VerifyRun:
        """
        Begin one.

        Raises:
            NotFoundError: There is no such mirror.
            ConflictError: Another one runs.
        """
        for name in wanted.mirrors:
            mirror_named(config, name)
        with self._lock:
            if any(one.state is RunState.RUNNING for one in self._runs.values()):
                # Without its id: it may be about mirrors that whoever asks may not see.
                raise ConflictError("another verification is under way: one at a time")
            run = VerifyRun(str(ULID()), wanted, now())
            for old in [*self._runs][: max(0, len(self._runs) - MOST_KEPT + 1)]:
                del self._runs[old]
            self._runs[run.id] = run
        threading.Thread(
            target=_carry_out, args=(config, ledger, run, now), name="verify", daemon=True
        ).start()
        return run

    def all(self, mirrors: Collection[str] | None) -> list[VerifyRun]:
        """Give those that are about *mirrors* alone, the newest first; None: about any."""
        with self._lock:
            return [one for one in [*self._runs.values()][::-1] if _is_of(one, mirrors)]

    def get(self, run_id: Ulid, mirrors: Collection[str] | None) -> VerifyRun:
        """
        Raises:
            NotFoundError: There is no such run of *mirrors*, or it is long over.
        """
        with self._lock:
            found = self._runs.get(run_id.upper())
        if found is None or not _is_of(found, mirrors):
            raise NotFoundError(
                f"there is no verification {run_id!r}: the last {MOST_KEPT} are kept, as long as "
                "this process runs"
            )
        return found


def _is_of(run: VerifyRun, mirrors: Collection[str] | None) -> bool:
    return mirrors is None or all(name in mirrors for name in run.wanted.mirrors)


def _carry_out(config: Config, ledger: Ledger, run: VerifyRun, now: Callable[[], datetime]) -> None:
    from docferry.app.verify import verify  # loads the clients of stores

    try:
        run.reports = verify(
            config,
            ledger,
            run.wanted.mirrors,
            side=run.wanted.side,
            reads_all=run.wanted.reads_all,
            onlooker=Onlooker(run.wait_for, run.count),
        )
        _tell(config, ledger, run, now())
        run.state = RunState.DONE
    except DocferryError as error:
        run.why, run.state = str(error), RunState.FAILED
    except Exception as error:
        # Around one run, as around one request: whoever looks for it must not wait for ever.
        log.exception("request.failed", path="/verify", exc_info=error)
        run.why, run.state = "see docferry's log", RunState.FAILED


def _tell(config: Config, ledger: Ledger, run: VerifyRun, at: datetime) -> None:
    from docferry.app.verify import tell_found

    try:
        tell_found(config, ledger, run.reports, at, run.id)
    except DocferryError as error:  # what was found is worth more, and has cost hours
        run.why = f"webhooks were not told: {error}"
