"""
The backlog: jobs for what was there before its rule, or whose rows were lost.

Files that come while docferry runs get their jobs in the transaction of their version.
Here each rule goes through all files of its mirror, in small steps: once for what it says,
and again each day. A thousand jobs of it are queued at a time, so that a million files
neither fill the ledger at once nor stand in front of anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from docferry.core.rules import Rule, jobs_for
from docferry.job import JobRow, NewJob, Priority
from docferry.ledger import Ledger
from docferry.ledger.job_backlog import Passed
from docferry.model import Path, Sha256, Ulid, VersionRow

MOST_QUEUED = 1000  #: of the backlog of one rule
AGAIN_AFTER = timedelta(hours=24)
_CHUNK = 500  # files read at a time
#: Content, recipe and place: of each there is one job.
_Key: TypeAlias = tuple[Sha256, str, str]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a rule finds."""

    files: int  #: that it calls for
    missing: int  #: of those: the ones that it has no job of


@dataclass(slots=True)
class _Round:
    """How far a rule has come in going through its mirror."""

    rule: Rule
    fingerprint: str
    passed: Passed | None = None  # the last time, as it is; None: it never was
    began_at: datetime | None = None  # this time; None: it rests
    after: Path = ""
    is_new: bool = False  # the rule has not been gone through as it is
    orphans: dict[_Key, Ulid] = field(default_factory=dict)  # see `_orphans`

    def is_due(self, now: datetime) -> bool:
        return self.passed is None or now - self.passed.at >= AGAIN_AFTER


class Backlog:
    """
    For one thread: a timer's, say. The rules are those of the configuration, all of them.

    What came while a rule was away, or said something else, has no job of it. Made anew, this
    forgets what such rules had gone through: when they are back they go through all again.

    Args:
        paused: Names of rules that are there, but do nothing until the next start: their jobs
            wait, and what comes meanwhile is found by a round then.
    """

    def __init__(
        self,
        ledger: Ledger,
        rules: Sequence[Rule],
        now: Callable[[], datetime],
        *,
        most_queued: int = MOST_QUEUED,
        paused: Collection[str] = (),
    ) -> None:
        self._ledger = ledger.backlog
        self._letters = ledger.jobs
        self._now = now
        self._most_queued = most_queued
        self._rounds = [_Round(rule, fingerprint_of(rule)) for rule in rules]
        self._ledger.forget_passed_but({one.rule.name: one.fingerprint for one in self._rounds})
        for one in self._rounds:
            one.passed = self._ledger.passed(one.rule.name)
        self._names = {rule.name for rule in rules}.union(paused)
        self._removed: set[str] | None = None  # rules with queued jobs; None: not asked yet

    def step(self, budget: int = _CHUNK) -> bool:
        """
        Go on, with so many files at most; say whether there is more to do at once.

        False: all is gone through, or enough is queued. Ask again in a while.
        """
        now = self._now()
        if self._retires_removed(now, budget):
            return True
        return any(self._goes_on(one, now, budget) for one in self._rounds)

    def _retires_removed(self, now: datetime, budget: int) -> bool:
        if self._removed is None:
            self._removed = {*self._ledger.rules_queued()} - self._names
        for name in sorted(self._removed):
            reason = f"its rule {name!r} is not in the configuration any more"
            if self._ledger.retire(name, None, reason, now, budget):
                return True
        self._removed = set()
        return False

    def _goes_on(self, one: _Round, now: datetime, budget: int) -> bool:
        """Do a piece of a rule's round; False: there was nothing to do, or may not be."""
        if one.began_at is None:
            if not one.is_due(now):
                return False
            one.is_new = one.passed is None
            one.orphans = self._orphans(one.rule) if one.is_new else {}
            one.began_at, one.after = now, ""
        reason = f"its rule {one.rule.name!r} converts in another way now"
        if one.after == "" and self._ledger.retire(
            one.rule.name, one.rule.recipe, reason, now, budget
        ):
            return True
        room = self._most_queued - self._ledger.queued(one.rule.name)
        if room <= 0:
            return False
        files = self._ledger.files(one.rule.from_mirror, one.after, budget)
        one.after = self._derive(one, files, room, now)
        if not files:
            self._put_aside(one.rule)
            one.passed = Passed(one.fingerprint, one.began_at)
            self._ledger.note_passed(one.rule.name, one.passed)
            one.began_at = None
        return True

    def _orphans(self, rule: Rule) -> dict[_Key, Ulid]:
        """
        Find what a rule has given up on that is not there any more, and converted as *rule* does.

        It had another name, mostly. Nobody would be told of such a letter, nor could replay it.
        """
        return {
            _key_of(letter): letter.id
            for letter in self._letters.letters()
            if letter.recipe == rule.recipe and letter.rule not in self._names
        }

    def _take_over(self, one: _Round, jobs: Sequence[NewJob], now: datetime) -> None:
        """Try again, for the rule of now, what was given up on for one of another name."""
        found = {letter: job for job in jobs if (letter := one.orphans.pop(_key_of(job), None))}
        self._letters.take_over(found, now)

    def _put_aside(self, rule: Rule) -> None:
        """
        Discard what *rule* gave up on when it said something else: nobody waits for that.

        By the end of a round each document has a job of the present way, for its present place.
        While the letter stayed, a document would be called given up on that has its result by now.
        """
        letters = self._letters.letters(rule=rule.name)
        outdated = [letter.id for letter in letters if rule.why_outdated(letter) is not None]
        self._letters.discard(outdated, self._now())

    def _derive(self, one: _Round, files: Sequence[VersionRow], room: int, now: datetime) -> Path:
        """Queue what is missing, as far as there is room; give the path to go on after."""
        jobs = [replace(new, created_at=now) for new in _called_for(one.rule, files)]
        missing = self._ledger.missing(jobs, is_new=one.is_new)
        self._ledger.insert(missing[:room])
        self._take_over(one, jobs, now)
        if len(missing) > room:
            return missing[room - 1].path
        return files[-1].path if files else one.after


def _key_of(one: NewJob | JobRow) -> _Key:
    return one.sha256, one.recipe, one.place


def count(ledger: Ledger, rule: Rule) -> Counted:
    """Say what a round of *rule* would find, and queue nothing."""
    files, missing, after = 0, 0, ""
    while chunk := ledger.backlog.files(rule.from_mirror, after, _CHUNK):
        jobs = [*_called_for(rule, chunk)]
        files += len(jobs)
        missing += len(ledger.backlog.missing(jobs))
        after = chunk[-1].path
    return Counted(files, missing)


def fingerprint_of(rule: Rule) -> str:
    """Hash all that *rule* says: what has another one is gone through anew."""
    return hashlib.sha256(repr(rule).encode()).hexdigest()


def _called_for(rule: Rule, files: Sequence[VersionRow]) -> Iterator[NewJob]:
    for version in files:
        yield from jobs_for(version, (rule,), Priority.BACKLOG)
