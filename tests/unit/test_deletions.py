"""Deletions: what is parked, judged, held, and what makes a hold grow, shrink and end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from docferry.core.filters import Filter
from docferry.core.merge import Unseen
from docferry.engine.deletions import Deletions
from docferry.engine.look import is_empty
from docferry.model import DeleteRemote, HoldState, Mode, Path, Side, Unknown
from docferry.storage.memory import MemoryStorage
from unit.desk import LONG_S, Desk


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
    here, there = ("folder", "bucket") if side is Side.LOCAL else ("bucket", "folder")
    assert hold.reason == (
        f"the {here} holds no file any more: 1 file is gone from the {here} and would be "
        f"deleted in the {there}"
    )


def test_what_the_mirror_does_not_take_makes_no_side_full() -> None:
    side = MemoryStorage()
    takes = Filter(exclude=["*.tmp"]).takes

    side.user_write("left.tmp", b"by an editor")
    with_droppings = is_empty(side, takes)
    side.user_write("document", b"1")

    assert with_droppings
    assert not is_empty(side, takes)


def test_what_is_not_to_be_deleted_any_more_leaves_its_hold(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(delete_limit=1)
    desk.agree("back", "edited there", "still gone", "stays")
    contents = dict(desk.mirror.local.contents)
    for path in ("back", "edited there", "still gone"):
        desk.mirror.local.user_delete(path)
    desk.consider("back", "edited there", "still gone")
    assert desk.judge() == []

    desk.mirror.local.user_write("back", contents["back"])
    desk.mirror.remote.user_write("edited there", b"edited")
    desk.consider("back", "edited there", "still gone", is_snapshot=False)
    desk.work()

    assert desk.judge(is_complete=False) == []
    [hold] = desk.ledger.holds.all("docs", (HoldState.OPEN,))
    assert [item.path for item in desk.ledger.holds.items(hold.id)] == ["still gone"]
    assert hold.reason == (
        "1 file is gone from the folder and would be deleted in the bucket, and what was held "
        "before is not decided yet"
    )
    desk.mirror.local.user_write("still gone", contents["still gone"])
    desk.consider("still gone", is_snapshot=False)
    desk.work()
    assert desk.judge(is_complete=False) == []
    assert desk.ledger.holds.all("docs", (HoldState.OPEN,)) == []


@pytest.mark.parametrize("is_holding", [False, True])
def test_what_comes_back_before_it_is_judged_is_not_held(
    new_desk: Callable[..., Desk], *, is_holding: bool
) -> None:
    """A person who is asked about it would find it on both sides."""
    desk = new_desk(delete_limit=0)
    desk.agree("before", "back", "gone", "stays")
    if is_holding:
        desk.mirror.local.user_delete("before")
        desk.consider("before")
        assert desk.judge() == []
    for path in ("back", "gone"):
        desk.mirror.local.user_delete(path)
    desk.consider("back", "gone", is_snapshot=True)

    desk.mirror.local.user_write("back", b"written anew")
    desk.consider("back")
    desk.work()

    assert desk.judge(is_complete=False) == []
    [hold] = desk.ledger.holds.all("docs", (HoldState.OPEN,))
    held = {item.path for item in desk.ledger.holds.items(hold.id)}
    assert held == ({"before", "gone"} if is_holding else {"gone"})


def test_a_touched_file_that_is_gone_there_stays_held(new_desk: Callable[..., Desk]) -> None:
    """Until its content is read it looks edited, and an edit beats a deletion."""
    desk = new_desk(delete_limit=0)
    desk.agree("p", "other")
    content = desk.mirror.local.contents["p"]
    desk.mirror.remote.user_delete("p")
    desk.consider("p")
    assert desk.judge() == []

    desk.mirror.local.user_write("p", content)
    desk.consider("p", is_snapshot=False)

    assert desk.judge(is_complete=False) == []
    assert [hold.count for hold in desk.ledger.holds.all("docs", (HoldState.OPEN,))] == [1]


def test_a_touched_file_that_was_read_is_deleted_without_reading_it_again(desk: Desk) -> None:
    desk.agree("p", "other")
    content = desk.mirror.local.contents["p"]
    desk.mirror.remote.user_delete("p")
    desk.mirror.local.user_write("p", content)
    desk.consider("p")
    desk.work()
    wanted = {one.path: one for one in desk.judge()}

    desk.planner.carry_deletions([desk.look("p")], dict(wanted))
    desk.work()

    assert "p" not in desk.mirror.local.files
    assert [held.content for held in desk.mirror.local.archive.values()] == [content]


def test_a_file_that_was_edited_after_it_was_read_is_not_deleted(desk: Desk) -> None:
    desk.agree("p", "other")
    content = desk.mirror.local.contents["p"]
    desk.mirror.remote.user_delete("p")
    desk.mirror.local.user_write("p", content)
    desk.consider("p")
    desk.work()
    wanted = {one.path: one for one in desk.judge()}
    desk.mirror.local.user_write("p", b"edited since")

    desk.planner.carry_deletions([desk.look("p")], dict(wanted))
    desk.work()

    assert desk.mirror.local.contents["p"] == b"edited since"


def test_what_comes_on_top_of_a_hold_is_told_with_it(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(delete_limit=1)
    desk.agree("a", "b", "c", "stays")
    for path in ("a", "b"):
        desk.mirror.local.user_delete(path)
    desk.consider("a", "b")
    assert desk.judge() == []

    desk.mirror.local.user_delete("c")
    desk.consider("c", is_snapshot=False)

    assert desk.judge(is_complete=False) == []
    [hold] = desk.ledger.holds.all("docs", (HoldState.OPEN,))
    gone = "3 files are gone from the folder and would be deleted in the bucket"
    assert (hold.count, hold.reason) == (3, f"{gone}; delete_limit is 1")


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


def test_what_is_parked_while_others_are_let_through_is_judged_the_next_time(desk: Desk) -> None:
    desk.agree("a", "b", "other")
    desk.mirror.local.user_delete("a")
    desk.mirror.local.user_delete("b")
    desk.consider("b")

    groups = []
    for group in desk.judged():
        groups.append([one.path for one in group])
        desk.consider("a")

    assert groups == [["b"]]  # nobody has judged "a"
    assert desk.deletions.are_to_be_judged
    assert [one.path for one in desk.judge()] == ["a"]
    assert not desk.deletions.are_to_be_judged


@pytest.mark.parametrize("path", ["c", "c/d"])
def test_a_path_is_parked_as_soon_as_something_at_or_below_it_is(desk: Desk, path: Path) -> None:
    desk.agree("c/d", "cc", "other")
    desk.mirror.local.user_delete("c/d")
    desk.mirror.local.user_delete("cc")

    desk.consider("c/d", "cc")

    assert desk.deletions.is_parked(path)
    assert not desk.deletions.is_parked("d")
    desk.judge()
    assert not desk.deletions.is_parked(path)


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


@pytest.mark.parametrize("change", [{"mode": Mode.PULL}, {"exclude": ("p",)}])
def test_a_held_deletion_is_not_carried_out_where_the_configuration_says_otherwise_by_now(
    new_desk: Callable[..., Desk], change: dict[str, object]
) -> None:
    desk = new_desk()
    desk.agree("p", "other")
    desk.mirror.local.user_delete("p")
    wanted = DeleteRemote("p", desk.mirror.synced["p"].remote_token)
    desk.options = replace(desk.options, **change)  # type: ignore[arg-type]
    desk.planner = desk.new_planner()

    desk.planner.carry_deletions([desk.look("p")], {"p": wanted})
    desk.work()

    assert "p" in desk.mirror.remote.files


def test_a_deletion_is_not_carried_out_while_its_side_cannot_be_seen(desk: Desk) -> None:
    desk.agree("p", "other")
    token = desk.mirror.synced["p"].remote_token
    unseen = Unseen(Side.LOCAL, Unknown("p", "locked"))

    desk.planner.carry_deletions([unseen], {"p": DeleteRemote("p", token)})
    desk.work()

    assert "p" in desk.mirror.remote.files
