"""
How a mirror is, in one word and one sentence, for people and for other processes.

The row in the ledger is what `docferry status` shows; it is written when something
changed, and at most once a second while work is going on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime

from docferry.core.words import counted
from docferry.engine.timing import MACHINE, Timing
from docferry.errors import DocferryError
from docferry.ledger import Ledger, MirrorRow
from docferry.logs import get_logger
from docferry.model import MirrorHealth

log = get_logger(__name__)

#: A side that lets the loop wait longer for one answer is named: it may hang.
SILENT_S = 5.0
_WRITE_EVERY_S = 1.0
#: Work goes on for many rounds, and each would ask the ledger.
JUDGE_EVERY_S = 0.1
_TROUBLE = (MirrorHealth.BLOCKED, MirrorHealth.UNREACHABLE)
#: Of these it is known why nothing travels.
_KNOWN = (*_TROUBLE, MirrorHealth.PAUSED)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the loop knows about its mirror right now."""

    health: MirrorHealth = MirrorHealth.STARTING
    reason: str | None = None
    hold: int | None = None  #: the hold that *reason* is of: its sentence grows, file by file
    dirty: int = 0
    oldest_dirty_at: datetime | None = None
    last_poll_at: datetime | None = None  #: when the last complete listing began; None: never
    last_scan_at: datetime | None = None  #: when the last complete walk of the folder began
    last_full_at: datetime | None = None  #: None: there was no full run since the start
    progress: str | None = None  #: what a long run is at; None: no long run


def judge(
    *, held: str | None, is_working: bool, problems: int, unsettled: int
) -> tuple[MirrorHealth, str | None]:
    """
    Say how a mirror is that answers, and why.

    Args:
        held: The reason of its open hold.
        problems, unsettled: Files with a problem; files not yet at rest.
    """
    if held is not None:
        return MirrorHealth.BLOCKED, held
    if is_working:
        return MirrorHealth.WORKING, None
    if problems:
        return MirrorHealth.WAITING, f"{counted(problems, 'file')} with a problem"
    if unsettled:
        return MirrorHealth.WAITING, f"{counted(unsettled, 'file')} not yet at rest"
    return MirrorHealth.IN_STEP, None


def _as_known(row: MirrorRow | None) -> Facts:
    """Give what a daemon knows that has just started: an earlier one has polled and scanned."""
    if row is None:
        return Facts()
    return Facts(last_poll_at=row.last_poll_at, last_scan_at=row.last_scan_at)


class Health:
    """Publishes the facts about one mirror. Reading `facts` is safe from any thread."""

    def __init__(self, mirror: str, ledger: Ledger, timing: Timing = MACHINE) -> None:
        self.mirror = mirror
        self._ledger = ledger
        self._timing = timing
        self._written: Facts | None = None
        self._written_s = 0.0
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()  # apart: the ledger may let a thread wait for long
        self._told_silence_since_s = 0.0
        self._is_ledger_failing = False
        self.facts = _as_known(ledger.mirrors.get(mirror))
        self.went_round_s = self._timing.monotonic()  #: when the loop last showed life
        self.thread_id: int | None = None  #: the kernel's, of the loop; None: it has shown none yet
        self.judged_s = 0.0  #: monotonic; when its health was told last

    def round(self) -> None:
        """Note that the loop is alive."""
        self.went_round_s = self._timing.monotonic()
        self.thread_id = threading.get_native_id()

    def is_told(self, under_way: int) -> bool:
        """Say whether it was told a moment ago that it is at work, as so many operations say."""
        is_lately = self._timing.monotonic() - self.judged_s <= JUDGE_EVERY_S
        return under_way > 0 and self.facts.health is MirrorHealth.WORKING and is_lately

    def note(self, **changes: object) -> None:
        """
        Change some facts.

        Trouble is logged, also where it changes its reason, and its end; a hold that grows is not:
        a thousand files that are held one by one would be a thousand lines.
        """
        with self._lock:
            is_news = self._change(changes)
        self.publish(now=is_news)

    def rest(self, why: str, **waiting: object) -> None:
        """Note that a person has paused the mirror."""
        self.note(health=MirrorHealth.PAUSED, reason=why, progress=None, **waiting)

    def tell_silence(self, *places: str) -> None:
        """Say so where the loop has waited long for one of *places* ("": none). For any thread."""
        with self._lock:
            since_s = self.went_round_s
            silent_s = self._timing.monotonic() - since_s
            if silent_s <= SILENT_S or self.facts.health in _KNOWN:
                return
            named = ", ".join(filter(None, (*places, f"the ledger {self._ledger.path}")))
            reason = f"it has been waiting {silent_s:.0f} s for one of these: {named}"
            if self._told_silence_since_s != since_s:
                log.warning("mirror.silent", mirror=self.mirror, reason=reason)
                self._told_silence_since_s = since_s
            is_news = self._change({"health": MirrorHealth.WAITING, "reason": reason})
        self.publish(now=is_news)

    def publish(self, *, now: bool = False) -> None:
        """Write the row, if there is news and the last time is a while ago."""
        with self._write_lock:
            is_due = now or self._timing.monotonic() - self._written_s >= _WRITE_EVERY_S
            if is_due and self.facts != self._written:
                self._try_to_write()

    def _change(self, changes: dict[str, object]) -> bool:
        """Change the facts, and say whether that is news."""
        if "health" in changes:
            self.judged_s = self._timing.monotonic()
        before = self.facts
        if "reason" in changes:
            changes = {"hold": None} | changes
        self.facts = replace(before, **changes)  # type: ignore[arg-type]
        is_news = before.health is not self.facts.health or before.reason != self.facts.reason
        does_grow = self.facts.hold is not None and before.hold == self.facts.hold
        if is_news and not does_grow:
            self._log_change(before)
        return is_news

    def _try_to_write(self) -> None:
        self._written_s = self._timing.monotonic()
        try:
            self._write(self.facts)
        except DocferryError as error:  # the mirroring goes on; the row is tried again
            if not self._is_ledger_failing:
                log.error("ledger.failed", mirror=self.mirror, reason=str(error))  # noqa: TRY400
            self._is_ledger_failing = True
            return
        if self._is_ledger_failing:
            log.info("ledger.recovered", mirror=self.mirror)
        self._is_ledger_failing = False

    def _write(self, facts: Facts) -> None:
        since = {}
        if self._written is None or self._written.health is not facts.health:
            since = {"since": self._timing.now()}
        # None only says that there was none since the start.
        full = {} if facts.last_full_at is None else {"last_full_at": facts.last_full_at}
        self._ledger.mirrors.put(
            self.mirror,
            health=facts.health,
            reason=facts.reason,
            dirty=facts.dirty,
            oldest_dirty_at=facts.oldest_dirty_at,
            last_poll_at=facts.last_poll_at,
            last_scan_at=facts.last_scan_at,
            progress=facts.progress,
            updated_at=self._timing.now(),
            **since,
            **full,
        )
        self._written = facts

    def _log_change(self, before: Facts) -> None:
        facts = self.facts
        if facts.health is MirrorHealth.BLOCKED:
            log.error("mirror.blocked", mirror=self.mirror, reason=facts.reason)
        elif facts.health is MirrorHealth.UNREACHABLE:
            log.error("mirror.unreachable", mirror=self.mirror, reason=facts.reason)
        elif facts.health is MirrorHealth.PAUSED:
            log.info("mirror.paused", mirror=self.mirror, reason=facts.reason)
        elif before.health is MirrorHealth.PAUSED:
            log.info("mirror.resumed", mirror=self.mirror)
        elif before.health in _TROUBLE:
            log.info("mirror.recovered", mirror=self.mirror, was=before.health)
