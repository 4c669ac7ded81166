"""
Let people edit both sides while docferry works, crashes and works again.

Whatever happens, once everybody rests: both sides are equal, the next plan is empty,
every content a person left standing stands, and every content that ever came to rest
on a side can still be had.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from docferry.core.merge import Difference, merge
from docferry.core.plan import decide
from docferry.engine.execute import Executor
from docferry.engine.task import Learned, Task
from docferry.errors import StaleError
from docferry.model import NEVER_SEEN, Operation, Outcome, SyncedState, Upload, VersionRow
from docferry.storage.memory import MemoryStorage, sha256_of

PATHS = st.sampled_from(["a", "b.pdf", "dir/c.pdf"])
HINTS = PATHS | st.just("never/there")
SIDES = st.sampled_from(["local", "remote"])
ORDERS = st.integers(0, 2**32)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class CrashError(Exception):
    """The process dies here."""


class Notes:
    """What the ledger would know: agreements and intents."""

    def __init__(self) -> None:
        self.synced: dict[str, SyncedState] = {}
        self.intents: set[tuple[str, str]] = set()
        self.told: set[str] = set()  # versions of which the ledger has heard

    def find_sha256(self, mirror: str, sha256: str) -> tuple[str, SyncedState] | None:
        return next(((p, s) for p, s in sorted(self.synced.items()) if s.sha256 == sha256), None)

    def is_intended(self, mirror: str, path: str, version: str) -> bool:
        return (path, version) in self.intents

    def intended(self, mirror: str, paths: Sequence[str]) -> set[str]:
        return {path for path, _ in self.intents}.intersection(paths)

    def unagreed(self, mirror: str, path: str) -> tuple[str, str] | None:
        return None

    def intend(self, mirror: str, path: str, version: str) -> None:
        self.intents.add((path, version))

    def newest(self, mirror: str, path: str) -> str | None:
        return None

    def parent_of(self, version: str) -> str | None:
        return None

    def made_at(self, mirror: str, path: str, sha256: object) -> None:
        return None

    def begin_conflict(self, displaced: VersionRow, copy_path: str) -> None:
        self.told.add(displaced.id)

    def record(self, outcome: Outcome) -> None:
        path = outcome.operation.path
        self.told |= {outcome.synced.version} if outcome.synced else set()
        if outcome.synced is not None:
            self.synced[path] = outcome.synced
            self.intents.discard((path, outcome.synced.version))
        else:
            self.synced.pop(path, None)


class SyncMachine(RuleBasedStateMachine):
    @initialize(knows_sha256=st.booleans())
    def start(self, *, knows_sha256: bool) -> None:
        self.local = MemoryStorage(knows_sha256=False)
        self.remote = MemoryStorage(knows_sha256=knows_sha256)
        self.sides = {"local": self.local, "remote": self.remote}
        self.notes = Notes()
        self.numbers = itertools.count()
        self.standing: set[bytes] = set()  # written, and not overwritten or deleted by people
        self.at_rest: set[bytes] = set()  # were on both sides, and not destroyed on both by people
        self.busy_with = "a"
        self.executor = Executor(
            "m",
            self.local,
            self.remote,
            self.notes,
            writer="this",
            now=lambda: NOW,
            new_ulid=self.new_ulid,
        )

    def new_ulid(self) -> str:
        return f"{next(self.numbers):026d}"

    # People.

    @rule(side=SIDES, path=PATHS)
    def person_writes(self, side: str, path: str) -> None:
        storage = self.sides[side]
        content = b"content %d" % next(self.numbers)
        self.standing.discard(storage.contents.get(path, b""))
        self.standing.add(content)
        with self.by_a_person():
            storage.user_write(path, content)

    @rule(side=SIDES, path=PATHS)
    def person_touches(self, side: str, path: str) -> None:
        storage = self.sides[side]
        if path in storage.files:
            storage.user_write(path, storage.contents[path], storage.files[path].attributes)

    @rule(side=SIDES, path=PATHS)
    def person_deletes(self, side: str, path: str) -> None:
        storage = self.sides[side]
        if path in storage.files:
            self.standing.discard(storage.contents[path])
            with self.by_a_person():
                storage.user_delete(path)

    @rule(side=SIDES, old=PATHS, new=PATHS)
    def person_renames(self, side: str, old: str, new: str) -> None:
        storage = self.sides[side]
        if old in storage.files and old != new:
            content = storage.contents[old]
            self.standing.discard(storage.contents.get(new, b""))
            agreed = self.notes.synced.get(new)
            if agreed is None or agreed.sha256 != sha256_of(content):
                self.standing.add(content)  # else it is back as it was: no edit, and may give way
            with self.by_a_person():
                storage.user_delete(old)
                storage.user_write(new, content)

    @rule(path=PATHS)
    def person_copies_by_hand(self, path: str) -> None:
        if path in self.local.files and path not in self.remote.files:
            self.remote.user_write(path, self.local.contents[path])

    @contextmanager
    def by_a_person(self) -> Iterator[None]:
        """What people destroy by themselves, on the side that alone has it, is their own doing."""
        before = self.to_be_had()
        yield
        self.at_rest -= before - self.to_be_had()

    # docferry.

    @rule(order=ORDERS)
    def docferry_works(self, order: int) -> None:
        self.work(order)

    @rule(path=HINTS)
    def somebody_hints(self, path: str) -> None:
        """A path is looked at by itself, whether or not anything changed there."""
        local, remote = self.local.stat(path), self.remote.stat(path)
        self.carry_all([Difference(path, local, remote, self.notes.synced.get(path))])
        self.require_that_nothing_is_lost()

    @rule(order=ORDERS, after=st.integers(0, 8))
    def docferry_crashes(self, order: int, after: int) -> None:
        """Die before or after the nth change; before the nth note in particular."""
        left = itertools.count(after, -1)

        def step(name: str) -> None:
            if next(left) == 0:
                raise CrashError(name)

        self.with_steps(step, order)

    @rule(order=ORDERS, side=SIDES, at=st.integers(1, 4))
    def person_writes_in_mid_operation(self, order: int, side: str, at: int) -> None:
        """Hit the very file that is on its way, between two steps."""
        left = itertools.count(at - 1, -1)

        def step(name: str) -> None:
            if next(left) == 0:
                self.person_writes(side, self.busy_with)

        self.with_steps(step, order)

    @rule(order=ORDERS, side=SIDES, path=PATHS, at=st.integers(0, 3))
    def person_writes_between_operations(self, order: int, side: str, path: str, at: int) -> None:
        self.work(order, between=lambda n: self.person_writes(side, path) if n == at else None)

    @rule()
    def the_newest_note_is_lost(self) -> None:
        """A crash after the change and before the note."""
        if self.notes.synced:
            path, state = self.notes.synced.popitem()
            self.notes.intents.add((path, state.version))

    @rule()
    def the_ledger_is_rebuilt(self) -> None:
        """Known is what the bucket tells; of the folder nothing."""
        self.notes.intents.clear()
        self.notes.synced = {
            path: SyncedState(
                sha256_of(held.content),
                NEVER_SEEN,
                held.token,
                self.version_of(path, sha256_of(held.content)),
                len(held.content),
            )
            for path, held in self.remote.files.items()
        }
        self.notes.told |= {state.version for state in self.notes.synced.values()}

    @rule(order=ORDERS)
    def everybody_rests(self, order: int) -> None:
        for _ in range(16):
            if not self.work(order):
                break
        else:
            raise AssertionError("still busy after 16 rounds")
        assert self.local.contents == self.remote.contents
        assert set(self.notes.synced) == set(self.local.files)
        assert self.standing <= set(self.local.contents.values())
        self.at_rest |= set(self.local.contents.values())

    def version_of(self, path: str, sha256: str) -> str:
        agreed = self.notes.synced.get(path)
        if agreed is None or agreed.sha256 != sha256:
            return self.new_ulid()
        return agreed.version

    # How.

    def with_steps(self, step: Callable[[str], None], order: int) -> None:
        for side in self.sides.values():
            side.step = step
        try:
            self.work(order)
        except CrashError:
            pass
        finally:
            for side in self.sides.values():
                side.step = lambda name: None

    def work(self, order: int, between: Callable[[int], None] = lambda n: None) -> bool:
        """Plan once, carry it out in some order; say whether there was anything to do."""
        try:
            return self.work_unchecked(order, between)
        finally:
            self.require_that_nothing_is_lost()

    def require_that_nothing_is_lost(self) -> None:
        assert self.at_rest <= self.to_be_had()
        assert self.notes.told >= {*self.local.archive, *self.remote.archive}

    def to_be_had(self) -> set[bytes]:
        """Give every content that is on a side or in an archive."""
        return {
            held.content
            for side in self.sides.values()
            for held in (*side.files.values(), *side.archive.values())
        }

    def work_unchecked(self, order: int, between: Callable[[int], None]) -> bool:
        synced = sorted(self.notes.synced.items())
        seen = merge(self.local.scan(), self.remote.scan(), synced)
        tasks = [one for one in seen if isinstance(one, Difference)]
        random.Random(order).shuffle(tasks)  # the order within one plan must not matter
        self.carry_all(tasks, between)
        return bool(tasks)

    def carry_all(
        self, tasks: Sequence[Difference], between: Callable[[int], None] = lambda n: None
    ) -> None:
        for number, difference in enumerate(tasks):
            between(number)
            self.busy_with = difference.path
            try:
                self.carry(difference)
            except StaleError:
                continue

    def carry(self, difference: Difference) -> None:
        operation: Operation | None = None
        while (operation := self.decide(difference)) is not None:
            version = self.new_ulid()
            if isinstance(operation, Upload):
                self.notes.intents.add((operation.path, version))
            result = self.executor.execute(Task(operation, difference, version))
            if not isinstance(result, Learned):
                self.notes.record(result)
                return
            difference = result.seen

    def decide(self, seen: Difference) -> Operation | None:
        return decide(seen.path, seen.local, seen.remote, seen.synced)


TestSync = SyncMachine.TestCase


def test_an_upload_whose_note_was_lost_is_known_as_our_own() -> None:
    machine = SyncMachine()
    machine.start(knows_sha256=False)
    machine.local.user_write("a", b"first")
    machine.work(0)
    state = machine.notes.synced.pop("a")
    machine.notes.intents.add(("a", state.version))
    machine.local.user_write("a", b"second")

    machine.everybody_rests(0)

    assert machine.remote.contents == {"a": b"second"}


def test_the_same_content_of_a_stranger_is_no_conflict() -> None:
    machine = SyncMachine()
    machine.start(knows_sha256=False)
    machine.local.user_write("a", b"same")
    machine.remote.user_write("a", b"same")

    machine.everybody_rests(0)

    assert machine.notes.synced["a"].sha256 == sha256_of(b"same")
    assert set(machine.local.contents) == {"a"}
