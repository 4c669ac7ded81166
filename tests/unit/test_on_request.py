"""Several versions had back at once: each as if alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from docferry.core.merge import Difference
from docferry.core.paths import conflict_copy_path
from docferry.engine.on_request import OnRequest
from docferry.engine.task import Task
from docferry.errors import DocferryError, PermanentError, StaleError, UnreachableError
from docferry.model import (
    Attributes,
    Outcome,
    Path,
    RequestState,
    Restore,
    Side,
    SyncedState,
    Ulid,
    VersionRow,
)
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent, MemoryStorage, sha256_of
from ledger_rows import ulid_of, version


class Kept:
    """The contents of versions, some damaged where they are found first."""

    def __init__(self) -> None:
        self.contents: dict[Ulid, bytes] = {}
        self.damaged: set[Ulid] = set()
        self.is_gone = False  #: the store does not answer
        self.asked: list[str] = []
        self.open_now = 0

    def open(self, version: VersionRow) -> Content:
        self._ask(f"open {version.path}")
        if version.id not in self.contents:
            raise PermanentError("the bytes are nowhere")
        found = self.contents[version.id]
        return Opened(found[::-1] if version.id in self.damaged else found, self)

    def open_sound(self, version: VersionRow) -> Content:
        self._ask(f"open sound {version.path}")
        return Opened(self.contents[version.id], self)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.is_gone:
            raise UnreachableError("the store does not answer")


class Opened(BytesContent):
    def __init__(self, content: bytes, kept: Kept) -> None:
        super().__init__(content, Attributes())
        self._kept = kept
        kept.open_now += 1

    def close(self) -> None:
        self._kept.open_now -= 1


class Bench:
    """A folder, what was agreed on in it, and contents that are to be had back."""

    def __init__(self) -> None:
        self.local = MemoryStorage(knows_sha256=False, keeps_references=False)
        self.kept = Kept()
        self.synced: dict[Path, SyncedState] = {}
        self.on_request = OnRequest(
            self.local,
            MemoryStorage(),
            self.kept,
            lambda version_id: None,
            heal=lambda operation, synced: Outcome(operation, synced),
        )

    def agree(self, path: Path) -> None:
        content = f"{path}, agreed on".encode()
        token = self.local.user_write(path, content)
        version_id = ulid_of(f"agreed {path}")
        self.synced[path] = SyncedState(sha256_of(content), token, "etag", version_id, len(content))

    def task(self, path: Path) -> Task:
        """Ask for an older content of *path*, as it is seen now."""
        wanted = old(path)
        row = replace(version(path, path), sha256=sha256_of(wanted), size=len(wanted))
        self.kept.contents[row.id] = wanted
        state = self.local.stat(path)
        seen = Difference(path, state, None, self.synced.get(path))
        operation = Restore(path, 1, row, expect_local=None if state is None else state.token)
        return Task(operation, seen, ulid_of(f"new {path}"))

    def kept_id(self, path: Path) -> Ulid:
        return version(path, path).id


def old(path: Path) -> bytes:
    return f"{path}, as it was".encode()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def new(bench: Bench, path: Path) -> Task:
    return bench.task(path)


def agreed(bench: Bench, path: Path) -> Task:
    bench.agree(path)
    return bench.task(path)


def touched(bench: Bench, path: Path) -> Task:
    bench.agree(path)
    bench.local.user_write(path, bench.local.contents[path])
    return bench.task(path)


def edited(bench: Bench, path: Path) -> Task:
    bench.agree(path)
    bench.local.user_write(path, b"somebody's own work")
    return bench.task(path)


def put_back_before(bench: Bench, path: Path) -> Task:
    bench.agree(path)
    bench.local.user_write(path, old(path))
    return bench.task(path)


def damaged(bench: Bench, path: Path) -> Task:
    task = agreed(bench, path)
    bench.kept.damaged.add(bench.kept_id(path))
    return task


def nowhere(bench: Bench, path: Path) -> Task:
    task = agreed(bench, path)
    del bench.kept.contents[bench.kept_id(path)]
    return task


def moved_on(bench: Bench, path: Path) -> Task:
    task = agreed(bench, path)
    bench.local.user_write(path, b"saved a moment ago")
    return task


CASES: dict[Path, Callable[[Bench, Path], Task]] = {
    "new.txt": new,
    "agreed.txt": agreed,
    "touched.txt": touched,
    "edited.txt": edited,
    "put back.txt": put_back_before,
    "damaged.txt": damaged,
    "nowhere.txt": nowhere,
    "moved on.txt": moved_on,
    "last.txt": agreed,
}


def one_by_one(bench: Bench, tasks: list[Task]) -> list[Outcome | DocferryError]:
    found: list[Outcome | DocferryError] = []
    for task in tasks:
        assert isinstance(task.operation, Restore)
        try:
            found.append(bench.on_request.execute(task, task.operation))
        except DocferryError as error:
            found.append(error)
    return found


def comparable(found: list[Outcome | DocferryError]) -> list[object]:
    return [
        replace(one, placed=one.placed and "there") if isinstance(one, Outcome) else repr(one)
        for one in found
    ]


def test_what_comes_of_each_is_what_would_have_come_of_it_alone(bench: Bench) -> None:
    alone = Bench()
    expected = one_by_one(alone, [make(alone, path) for path, make in CASES.items()])

    found = bench.on_request.restore([make(bench, path) for path, make in CASES.items()])

    assert comparable(found) == comparable(expected)
    assert bench.local.contents == alone.local.contents
    assert {each: held.content for each, held in bench.local.archive.items()} == {
        each: held.content for each, held in alone.local.archive.items()
    }
    assert bench.kept.open_now == 0


def test_each_is_at_its_path_or_beside_it_or_says_why_not(bench: Bench) -> None:
    tasks = [make(bench, path) for path, make in CASES.items()]

    found = dict(zip(CASES, bench.on_request.restore(tasks), strict=True))

    copy = conflict_copy_path("edited.txt", sha256_of(old("edited.txt")))
    there = bench.local.contents
    for path in ("new.txt", "agreed.txt", "touched.txt", "put back.txt", "damaged.txt", "last.txt"):
        assert there[path] == old(path)
    assert (there["edited.txt"], there[copy]) == (b"somebody's own work", old("edited.txt"))
    assert there["moved on.txt"] == b"saved a moment ago"
    assert isinstance(found["nowhere.txt"], PermanentError)
    assert isinstance(found["moved on.txt"], StaleError)
    beside, replaced = found["edited.txt"], found["agreed.txt"]
    assert isinstance(beside, Outcome)
    assert beside.answers is not None
    assert beside.answers.state is RequestState.CONFLICT
    assert isinstance(replaced, Outcome)
    assert replaced.archived == (bench.synced["agreed.txt"].version, Side.LOCAL)
    assert replaced.archived[0] in bench.local.archive


def test_when_the_store_is_gone_nobody_waits_for_each_version_of_a_group(bench: Bench) -> None:
    tasks = [agreed(bench, path) for path in ("a.txt", "b.txt", "c.txt")]
    before = bench.local.contents
    bench.kept.is_gone = True

    found = bench.on_request.restore(tasks)

    assert [type(one) for one in found] == [UnreachableError] * 3
    assert bench.kept.asked == ["open a.txt", "open sound a.txt"]
    assert bench.local.contents == before
