"""The planner: what becomes of a difference before and after an operation."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from docferry.config import MirrorConfig
from docferry.core.merge import Difference, Unseen
from docferry.core.retry import PERMANENT_BASE_S
from docferry.engine.consider import BLOCKED_BEFORE_ALIAS, Planner, Tools
from docferry.engine.deletions import Deletions
from docferry.engine.dirty import DirtyPaths
from docferry.engine.gate import Gate
from docferry.errors import BlockedPathError, PermanentError, TemporaryError, UnreachableError
from docferry.ledger import Ledger
from docferry.model import DeleteRemote, Deletion, HoldState, Mode, Path, Side, Unknown
from ledger_rows import fresh_ledger
from unit.memory_mirror import HeldPool, MemoryMirror

LONG_AGO_NS = 1
LONG_S = 1000.0


class Desk:
    """A planner over a mirror in memory, with a real ledger and a pool that runs on demand."""

    def __init__(self, ledger: Ledger, options: MirrorConfig) -> None:
        self.ledger = ledger
        self.mirror = MemoryMirror()
        self.pool = HeldPool()
        self.dirty = DirtyPaths(threading.Event())
        self.deletions = Deletions("docs", ledger, options.delete_limit)
        self.options = options
        self.planner = self.new_planner()

    def new_planner(self) -> Planner:
        tools = Tools(
            options=self.options,
            ledger=self.ledger,
            local=self.mirror.local,
            pool=self.pool,
            looks=self.pool,
            gate=Gate(4),
            look_gate=Gate(4),
            aliases={},
            jobs_for=lambda version: (),
            new_ulid=self.mirror.new_ulid,
            prepare=lambda: None,
            on_jobs=lambda: None,
        )
        return Planner(
            tools,
            self.mirror.executor,
            self.dirty,
            self.deletions,
            lambda: None,
            lambda: None,
        )

    def look(self, path: Path, *, changed_ns: int = LONG_AGO_NS) -> Difference:
        seen = self.mirror.look(path)
        if seen.local is None:
            return seen
        return replace(seen, local=replace(seen.local, changed_ns=changed_ns))

    def consider(self, *paths: Path, is_snapshot: bool = True) -> None:
        for path in paths:
            self.planner.consider(self.look(path), is_snapshot=is_snapshot)

    def work(self) -> None:
        """Carry out all that was begun, with what follows from it."""
        carrier = self.planner.carrier
        while carrier.under_way:
            carrier.collect()
            self.pool.run()
        self.mirror.synced = dict(self.ledger.synced.scan("docs"))

    def judge(self) -> list[Deletion]:
        """Give the deletions that may travel."""
        sides = {Side.LOCAL: self.mirror.local, Side.REMOTE: self.mirror.remote}
        groups = self.deletions.judge(
            datetime.now(UTC), lambda side: not sides[side].files, is_complete=True
        )
        return [deletion for group in groups for deletion in group]

    def agree(self, *paths: Path) -> None:
        """Let both sides hold *paths*, and the ledger know it."""
        for path in paths:
            self.mirror.local.user_write(path, path.encode())
        self.consider(*paths)
        self.work()
        assert set(paths) <= set(self.mirror.synced)


@pytest.fixture
def new_desk(tmp_path: pathlib.Path) -> Iterator[Callable[..., Desk]]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        options = MirrorConfig(name="docs", store="s", bucket="b", local=tmp_path, settle_s=0.0)
        yield lambda **others: Desk(ledger, replace(options, **others))


@pytest.fixture
def desk(new_desk: Callable[..., Desk]) -> Desk:
    return new_desk()


# What is not begun.


def test_a_file_that_still_moves_is_put_off(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(settle_s=LONG_S)
    desk.mirror.local.user_write("p", b"half")

    desk.planner.consider(desk.look("p", changed_ns=time.time_ns()), is_snapshot=True)
    desk.work()

    assert desk.mirror.remote.files == {}
    assert desk.dirty.next_due_s() == pytest.approx(LONG_S, abs=5)


def test_a_file_that_somebody_writes_is_put_off_though_it_seems_at_rest(desk: Desk) -> None:
    desk.mirror.local.user_write("p", b"half")
    desk.mirror.local.open_for_writing.add("p")

    desk.consider("p")
    desk.work()

    assert desk.mirror.remote.files == {}
    assert len(desk.dirty) == 1


@pytest.mark.parametrize("path", ["~$letter.docx", "a/.docferry/../x.tmp", ".docferry/mirror.json"])
def test_what_the_mirror_does_not_take_is_left_alone(desk: Desk, path: Path) -> None:
    desk.mirror.local.user_write(path, b"not ours")

    desk.consider(path)
    desk.work()

    assert desk.mirror.remote.files == {}


@pytest.mark.parametrize("side", Side)
def test_a_file_that_a_new_filter_leaves_out_is_never_deleted(desk: Desk, side: Side) -> None:
    desk.agree("p.log", "other")
    desk.options = replace(desk.options, exclude=("*.log",))
    desk.planner = desk.new_planner()

    gone = desk.mirror.local if side is Side.LOCAL else desk.mirror.remote
    gone.user_delete("p.log")
    desk.consider("p.log")
    desk.work()

    assert desk.judge() == []


@pytest.mark.parametrize(("mode", "side"), [(Mode.PUSH, Side.REMOTE), (Mode.PULL, Side.LOCAL)])
def test_a_mode_keeps_the_source_from_being_deleted(
    new_desk: Callable[..., Desk], mode: Mode, side: Side
) -> None:
    desk = new_desk()
    desk.agree("p", "other")
    desk.options = replace(desk.options, mode=mode)
    desk.planner = desk.new_planner()

    gone = desk.mirror.local if side is Side.LOCAL else desk.mirror.remote
    gone.user_delete("p")
    desk.consider("p")

    assert desk.judge() == []


def test_what_could_not_be_seen_is_shown_and_left_alone(desk: Desk) -> None:
    desk.agree("a/p")
    unknown = Unknown("a", "the folder cannot be read", below=True)

    desk.planner.consider(Unseen(Side.LOCAL, unknown), is_snapshot=True)
    desk.work()

    [problem] = desk.ledger.problems.all("docs")
    assert (problem.path, problem.message) == ("a", "local side: the folder cannot be read")
    assert desk.judge() == []


def test_a_path_on_which_work_is_under_way_is_looked_at_later(desk: Desk) -> None:
    desk.mirror.local.user_write("p", b"p")
    desk.consider("p")

    desk.mirror.local.user_write("p", b"edited")
    desk.consider("p")

    assert desk.planner.carrier.under_way == 1
    assert len(desk.dirty) == 1


# Around an operation.


def test_an_intent_is_durable_before_its_upload_is_begun(desk: Desk) -> None:
    desk.mirror.local.user_write("p", b"p")
    intended: list[bool] = []

    def look(name: str) -> None:
        version = f"{int(desk.mirror.new_ulid()) - 1:026d}"
        intended.append(desk.ledger.intents.is_intended("docs", "p", version))

    desk.mirror.remote.step = look
    desk.consider("p")
    desk.planner.carrier.collect()
    desk.pool.run()

    assert intended[0]


def test_nothing_is_agreed_on_before_it_is_done(desk: Desk) -> None:
    """A crash between the two must leave work to do, not a note of what never was."""
    desk.mirror.local.user_write("p", b"p")
    failing(desk, TemporaryError("the process dies here"))

    desk.consider("p")
    desk.planner.carrier.collect()
    before = desk.ledger.synced.get("docs", ["p"])
    desk.work()

    assert before == desk.ledger.synced.get("docs", ["p"]) == {}


def test_an_operation_that_found_the_world_moved_is_planned_anew(desk: Desk) -> None:
    desk.mirror.local.user_write("p", b"planned")
    desk.consider("p")
    desk.mirror.local.user_write("p", b"edited since")

    desk.work()

    assert desk.mirror.remote.files == {}
    assert len(desk.dirty) == 1


def failing(desk: Desk, error: Exception) -> None:
    def fail(name: str) -> None:
        raise error

    desk.mirror.remote.step = desk.mirror.local.step = fail


def test_a_failure_is_shown_and_tried_again_at_its_time(desk: Desk) -> None:
    desk.mirror.local.user_write("p", b"p")
    failing(desk, TemporaryError("the store hiccups"))
    desk.consider("p")
    desk.work()

    [problem] = desk.ledger.problems.all("docs")
    assert (problem.path, problem.message) == ("p", "the store hiccups")
    assert problem.retry_at is not None
    assert len(desk.dirty) == 1


def test_a_hint_before_its_time_does_not_lose_the_next_try(desk: Desk) -> None:
    """It took the mark for the next try with it: the file waited for the next rescan."""
    desk.mirror.local.user_write("p", b"p")
    failing(desk, PermanentError("refused"))
    desk.consider("p")
    desk.work()

    desk.dirty.mark("p")
    assert set(desk.dirty.take_due(10)) == {"p"}
    desk.consider("p")

    assert desk.planner.carrier.under_way == 0
    due_s = desk.dirty.next_due_s()
    assert due_s is not None
    assert PERMANENT_BASE_S / 2 - 1 < due_s < PERMANENT_BASE_S


def test_an_edit_of_a_failing_file_is_tried_at_once(desk: Desk) -> None:
    desk.mirror.local.user_write("p", b"p")
    failing(desk, PermanentError("refused"))
    desk.consider("p")
    desk.work()

    desk.mirror.local.user_write("p", b"edited")
    desk.consider("p")

    assert desk.planner.carrier.under_way == 1


def test_a_side_that_is_down_is_the_loops_business_and_no_files_problem(desk: Desk) -> None:
    desk.mirror.local.user_write("p", b"p")
    failing(desk, UnreachableError("no answer"))
    desk.consider("p")
    desk.work()

    assert desk.planner.side_is_down is not None
    assert desk.ledger.problems.all("docs") == []
    assert len(desk.dirty) == 1


def test_an_object_whose_name_stays_blocked_gets_another_one(desk: Desk) -> None:
    failing(desk, BlockedPathError("a is a file", blocked_by="a"))

    for number in range(BLOCKED_BEFORE_ALIAS):
        desk.mirror.remote.user_write("a/b", b"below a file, version %d" % number)
        desk.consider("a/b")
        desk.work()

    assert desk.ledger.aliases.all("docs") == {"a/b": "%_~/a/b"}


# Deletions.


def test_a_deletion_waits_until_it_is_judged(desk: Desk) -> None:
    desk.agree("p", "other")
    desk.mirror.local.user_delete("p")

    desk.consider("p")
    desk.work()

    assert "p" in desk.mirror.remote.files
    assert [one.path for one in desk.judge()] == ["p"]


def test_a_file_missing_between_two_looks_may_be_an_editors_save(
    new_desk: Callable[..., Desk],
) -> None:
    desk = new_desk()
    desk.agree("p", "other")
    desk.options = replace(desk.options, settle_s=LONG_S)
    desk.planner = desk.new_planner()
    desk.mirror.local.user_delete("p")

    desk.consider("p", is_snapshot=False)

    assert desk.judge() == []
    assert desk.dirty.next_due_s() == pytest.approx(LONG_S, abs=5)


def test_more_deletions_than_the_limit_become_a_hold(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(delete_limit=2)
    desk.agree("a", "b", "c", "stays")
    for path in ("a", "b", "c"):
        desk.mirror.local.user_delete(path)

    desk.consider("a", "b", "c")

    assert desk.judge() == []
    [hold] = desk.ledger.holds.all("docs", (HoldState.OPEN,))
    assert hold.count == 3


def test_deletions_shortly_before_count_too(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(delete_limit=2)
    desk.agree("a", "b", "c", "stays")
    travelled: list[Path] = []
    for path in ("a", "b", "c"):
        desk.mirror.local.user_delete(path)
        desk.consider(path)
        allowed = {one.path: one for one in desk.judge()}
        travelled += allowed
        desk.planner.carry_deletions([desk.look(each) for each in allowed], dict(allowed))
        desk.work()

    assert travelled == ["a", "b"]
    assert set(desk.mirror.remote.files) == {"c", "stays"}


def test_a_renamed_file_is_no_loss(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(delete_limit=0)
    desk.agree("old", "other")
    desk.mirror.local.user_delete("old")
    desk.mirror.local.user_write("new", b"old")

    desk.consider("new", "old")
    desk.work()

    assert [one.path for one in desk.judge()] == ["old"]


@pytest.mark.parametrize("side", Side)
def test_a_side_that_holds_nothing_any_more_deletes_nothing(desk: Desk, side: Side) -> None:
    desk.agree("p")
    gone = desk.mirror.local if side is Side.LOCAL else desk.mirror.remote
    gone.user_delete("p")

    desk.consider("p")

    assert desk.judge() == []
    [hold] = desk.ledger.holds.all("docs", (HoldState.OPEN,))
    assert hold.reason == f"the {side} side holds no file any more"


def test_what_was_parked_by_a_plan_that_broke_off_is_never_carried_out(desk: Desk) -> None:
    desk.agree("p", "other")
    desk.mirror.local.user_delete("p")
    desk.consider("p")

    desk.deletions.forget()

    assert desk.judge() == []


def test_what_was_parked_before_a_crash_is_never_carried_out(desk: Desk) -> None:
    desk.agree("p", "other")
    planned = DeleteRemote("p", desk.mirror.synced["p"].remote_token)
    desk.ledger.holds.park("docs", [(planned, desk.mirror.synced["p"].sha256)])

    Deletions("docs", desk.ledger, limit=100)

    assert desk.ledger.holds.parked("docs") == 0


def test_a_deletion_that_is_called_for_no_more_is_not_carried_out(desk: Desk) -> None:
    """A hold may be approved days later: the trees decide, not the plan of then."""
    desk.agree("p", "other")
    desk.mirror.local.user_delete("p")
    desk.consider("p")
    wanted = {one.path: one for one in desk.judge()}
    desk.mirror.remote.user_write("p", b"edited since")

    desk.planner.carry_deletions([desk.look("p")], dict(wanted))
    desk.work()

    assert desk.mirror.remote.contents["p"] == b"edited since"
    assert len(desk.dirty) == 1


def test_a_deletion_held_before_both_sides_were_joined_anew_is_not_carried_out(
    desk: Desk,
) -> None:
    desk.agree("p", "other")
    desk.mirror.local.user_delete("p")
    wanted = DeleteRemote("p", desk.mirror.synced["p"].remote_token)
    desk.ledger.synced.forget_all("docs")
    desk.mirror.synced.clear()

    desk.planner.carry_deletions([desk.look("p")], {"p": wanted})
    desk.work()

    assert "p" in desk.mirror.remote.files
    assert desk.mirror.remote.archive == {}
    assert len(desk.dirty) == 1


def test_a_deletion_is_not_carried_out_while_its_side_cannot_be_seen(desk: Desk) -> None:
    desk.agree("p", "other")
    token = desk.mirror.synced["p"].remote_token
    unseen = Unseen(Side.LOCAL, Unknown("p", "locked"))

    desk.planner.carry_deletions([unseen], {"p": DeleteRemote("p", token)})
    desk.work()

    assert "p" in desk.mirror.remote.files
