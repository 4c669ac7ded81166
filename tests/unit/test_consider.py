"""The planner: what becomes of a difference before and after an operation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from docferry.core.merge import Difference, Seen, Unseen
from docferry.core.retry import PERMANENT_BASE_S
from docferry.engine.aliased import BLOCKED_BEFORE_ALIAS
from docferry.engine.asked import Hands
from docferry.engine.consider import PUT_WITHIN_S
from docferry.engine.together import TOGETHER_S
from docferry.errors import BlockedPathError, PermanentError, TemporaryError, UnreachableError
from docferry.ledger.requests import NewRequest
from docferry.model import (
    Asked,
    Mode,
    Origin,
    Outcome,
    Path,
    RequestKind,
    Restore,
    Side,
    Unknown,
)
from ledger_rows import NOW, version
from processes import wait_for
from unit.desk import LONG_S, Desk

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


def test_an_edit_from_a_clock_ahead_goes_up_once_it_was_seen_at_rest(
    new_desk: Callable[..., Desk],
) -> None:
    """Of the same size it has to be read first, and what was seen before must not be forgotten."""
    desk = new_desk(settle_s=0.05)
    desk.agree("p")
    desk.mirror.local.user_write("p", b"q")
    ahead_ns = time.time_ns() + 3600 * 10**9

    def goes_up() -> bool:
        desk.planner.consider(desk.look("p", changed_ns=ahead_ns), is_snapshot=True)
        desk.work()
        return desk.mirror.remote.files["p"].content == b"q"

    wait_for(goes_up, 10.0)


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


def test_a_path_that_moves_when_a_full_run_begins_is_looked_at_by_itself(desk: Desk) -> None:
    """The run may read one tree before the operation, and another after it."""
    desk.mirror.local.user_write("moves", b"1")
    desk.consider("moves")
    desk.planner.run_begins()
    seen = desk.look("moves")
    desk.consider("looked at meanwhile", is_snapshot=False)

    outdated = [desk.planner.is_outdated(desk.look(p)) for p in ("looked at meanwhile", "rests")]

    assert desk.planner.is_outdated(seen)
    assert outdated == [True, False]
    assert set(desk.dirty.paths()) == {"moves", "looked at meanwhile"}
    desk.planner.run_ended()
    assert not desk.planner.is_outdated(seen)


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


def test_of_two_new_objects_that_cannot_both_keep_their_names_the_first_keeps_it(
    desk: Desk,
) -> None:
    """Whichever was down first kept it: a plan could not say which."""
    desk.mirror.remote.user_write("a", b"a file")
    desk.mirror.remote.user_write("a/b", b"below it")

    desk.consider("a", "a/b")

    assert desk.planner.carrier.under_way == 1
    assert desk.dirty.paths() == ["a/b"]


def test_a_newcomer_waits_for_the_deletion_of_what_is_in_its_way(desk: Desk) -> None:
    desk.agree("a", "other")
    desk.mirror.remote.user_delete("a")
    desk.mirror.remote.user_write("a/b", b"below it")
    desk.consider("a")
    failing(desk, BlockedPathError("a is a file", blocked_by="a"))

    for _ in range(BLOCKED_BEFORE_ALIAS + 1):
        desk.mirror.remote.user_write("a/b", b"once more")
        desk.consider("a/b")
        desk.work()

    assert desk.ledger.aliases.all("docs") == {}


def test_only_what_others_did_in_the_bucket_is_told_of(desk: Desk) -> None:
    for path in ("both", "deleted", "edited"):
        desk.mirror.agree(path, b"agreed")
    desk.mirror.local.user_write("ours", b"ours")
    desk.mirror.remote.user_write("theirs", b"theirs")
    desk.mirror.remote.user_write("edited", b"edited there")
    for side in (desk.mirror.local, desk.mirror.remote):
        side.user_write("equal", b"the same on both sides")
    desk.mirror.local.user_write("both", b"edited here")
    desk.mirror.remote.user_write("both", b"edited there")

    for path in ("ours", "theirs", "edited", "equal", "both"):
        desk.consider(path)
        desk.work()

    assert sorted(desk.by_others) == ["both", "edited", "equal", "theirs"]


# What is not looked at.


def test_a_path_with_an_operation_under_way_is_looked_at_once_that_is_over(desk: Desk) -> None:
    """The watcher tells of what docferry does itself, too: each look would ask the store."""
    desk.mirror.remote.user_write("busy", b"on its way down")
    desk.consider("busy")

    now = desk.planner.to_be_looked_at(["busy", "idle"], {})

    assert now == ["idle"]
    assert desk.dirty.paths() == ["busy"]


def test_what_was_had_back_is_looked_at_once_the_others_are_in_the_folder(desk: Desk) -> None:
    first, second = begun_restores(desk, "first", "second")
    desk.asked.recorded(Outcome(first, synced=None, placed="l1"))

    before = desk.planner.to_be_looked_at(["first", "other"], {})
    is_marked = desk.dirty.paths() == ["first"]
    desk.asked.recorded(Outcome(second, synced=None, placed="l2"))
    desk.asked.begin(hands(lambda seen, operation: None))

    assert before == ["other"]
    assert is_marked
    assert desk.planner.to_be_looked_at(["first", "second"], {}) == ["first", "second"]


def begun_restores(desk: Desk, *paths: Path) -> list[Restore]:
    """Ask for a version of each of *paths*, and set that on its way."""
    begun: list[Restore] = []
    for path in paths:
        row = replace(version(path), left_at=NOW)
        desk.ledger.versions.add([row])
        wanted = NewRequest("docs", path, RequestKind.RESTORE, row.id)
        desk.ledger.requests.add([wanted], NOW)

    def carry(seen: Difference, operation: Asked) -> None:
        assert isinstance(operation, Restore)
        begun.append(operation)

    desk.asked.begin(hands(carry))
    return begun


def hands(carry: Callable[[Difference, Asked], None]) -> Hands:
    def look(paths: Sequence[Path]) -> Iterator[Seen]:
        return (Difference(path, None, None, None) for path in paths)

    return Hands(look, look, lambda path: False, carry)


# Results of conversions.


def test_a_stream_of_results_is_looked_at_some_at_a_time(desk: Desk) -> None:
    for number in range(100):
        desk.planner.hint(f"{number}.md", Origin.CONVERSION)
        desk.planner.hint(f"{number}.md", None)

    first = desk.dirty.take_due(1000)
    wait_s = desk.dirty.next_due_s()

    assert "0.md" in first
    assert len(first) < 100
    assert wait_s is not None
    assert 0 < wait_s <= TOGETHER_S


def test_a_persons_file_never_waits_for_a_stream_of_results(desk: Desk) -> None:
    for number in range(100):
        desk.planner.hint(f"{number}.md", Origin.CONVERSION)
        desk.planner.hint(f"{number}.md", None)
    desk.dirty.take_due(1000)

    desk.planner.hint("letter.txt", None)
    desk.planner.hint("dropped.txt", Origin.DROP)

    assert sorted(desk.dirty.take_due(1000)) == ["dropped.txt", "letter.txt"]


def test_a_result_that_is_about_to_be_put_is_looked_for_though_nobody_tells_of_it(
    desk: Desk,
) -> None:
    desk.planner.hint("a.md", Origin.CONVERSION)

    assert desk.dirty.take_due(1000) == {}
    assert desk.planner.are_results_coming()
    assert desk.dirty.next_due_s() == pytest.approx(PUT_WITHIN_S, abs=0.5)


def test_only_the_upload_of_a_persons_file_wakes_the_loop_at_once(
    new_desk: Callable[..., Desk],
) -> None:
    desk = new_desk()
    for path, origin in (("a.md", Origin.CONVERSION), ("b.txt", None)):
        desk.mirror.local.user_write(path, b"content")
        desk.planner.hint(path, origin)
        desk.dirty.take_due(1000)
    desk.consider("a.md")
    desk.planner.carrier.collect()
    desk.pool.run()
    after_result = desk.wakes

    desk.consider("b.txt")
    desk.planner.carrier.collect()
    desk.pool.run()

    assert (after_result, desk.wakes) == (0, 1)
