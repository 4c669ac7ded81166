"""One mirror's loop before a guard: what is held, what a person decides, what comes of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from docferry.engine.runs import Run
from docferry.errors import DocferryError, PermanentError, TemporaryError, UnreachableError
from docferry.model import HoldState, MirrorHealth, Side
from looped_mirror import Mirror
from processes import wait_for


def test_more_deletions_than_allowed_are_held_until_approved(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=2)
    for number in range(5):
        (mirror.root / f"f{number}").write_bytes(b"%d" % number)
    mirror.start()
    for number in range(3):
        mirror.remote.user_delete(f"f{number}")

    mirror.run()

    [hold] = mirror.ledger.holds.all("docs")
    assert hold.count == 3
    assert len(mirror.files) == 5
    assert mirror.health is MirrorHealth.BLOCKED

    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: len(mirror.files) == 2)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def test_a_discarded_hold_brings_the_files_back(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror(delete_limit=0)
    (mirror.root / "a").write_bytes(b"a")
    (mirror.root / "b").write_bytes(b"b")
    mirror.start()
    (mirror.root / "a").unlink()
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")

    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)

    wait_for(lambda: mirror.files == {"a": b"a", "b": b"b"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


@pytest.mark.parametrize("is_strangers", [True, False], ids=["stranger's", "ours"])
@pytest.mark.parametrize("where", Side)
def test_what_a_refused_deletion_brings_back_is_no_new_version(
    new_mirror: Callable[..., Mirror], where: Side, *, is_strangers: bool
) -> None:
    mirror = new_mirror(delete_limit=0)
    if is_strangers:
        mirror.remote.user_write("a", b"a")
    else:
        (mirror.root / "a").write_bytes(b"a")
    (mirror.root / "b").write_bytes(b"b")
    mirror.start()
    [before] = mirror.ledger.versions.of("docs", "a")
    if where is Side.LOCAL:
        (mirror.root / "a").unlink()
    else:
        mirror.remote.user_delete("a")
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")

    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: mirror.ledger.holds.get(hold.id).state is HoldState.DONE)
    wait_for(lambda: "a" in mirror.ledger.synced.get("docs", ["a"]))

    assert mirror.ledger.versions.of("docs", "a") == [before]
    assert mirror.ledger.synced.get("docs", ["a"])["a"].version == before.id


def test_what_is_back_in_the_bucket_just_as_it_was_is_held_no_more(
    new_mirror: Callable[..., Mirror],
) -> None:
    """By the listing alone nothing has changed since the last one."""
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    mirror.run(Run.POLL)
    held = mirror.remote.files["a"]
    mirror.remote.user_delete("a")
    mirror.loop.mark("a")
    wait_for(lambda: mirror.ledger.holds.all("docs") != [])

    mirror.remote.files["a"] = held
    mirror.run(Run.POLL)

    wait_for(lambda: not mirror.ledger.holds.all("docs"))
    assert mirror.files == mirror.remote.contents == {"a": b"a", "b": b"b"}


@pytest.mark.parametrize("decision", [HoldState.APPROVED, HoldState.DISCARDED])
@pytest.mark.parametrize("where", Side)
def test_what_is_decided_is_not_held_again_nor_called_in_step_before_it_is_done(
    new_mirror: Callable[..., Mirror], where: Side, decision: HoldState
) -> None:
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    if where is Side.LOCAL:
        (mirror.root / "a").unlink()
    else:
        mirror.remote.user_delete("a")
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")

    mirror.ledger.holds.decide(hold.id, decision, datetime.now(UTC))
    mirror.loop.request(Run.POLL)  # it goes round before it has heard of the decision

    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    stays = {"b": b"b"} if decision is HoldState.APPROVED else {"a": b"a", "b": b"b"}
    assert mirror.files == mirror.remote.contents == stays
    assert [each.id for each in mirror.ledger.holds.all("docs", tuple(HoldState))] == [hold.id]


def test_approved_deletions_wait_until_both_sides_are_themselves(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    (mirror.root / "a").unlink()
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")
    mirror.stop()
    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    marker = mirror.root / ".docferry/mirror.json"
    marker.rename(mirror.root.parent / "marker")
    mirror.loop = mirror.new_loop()

    mirror.loop.start()
    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)

    assert mirror.remote.contents == {"a": b"a", "b": b"b"}
    assert mirror.ledger.holds.all("docs", (HoldState.APPROVED,))
    (mirror.root.parent / "marker").rename(marker)
    wait_for(lambda: mirror.remote.contents == {"b": b"b"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def test_a_hold_outlives_a_plan_that_broke_off(new_mirror: Callable[..., Mirror]) -> None:
    """A side that is itself no more is no reason to believe that the files are back."""
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    (mirror.root / "a").unlink()
    mirror.run()
    mirror.stop()
    [hold] = mirror.ledger.holds.all("docs")
    mirror.loop = mirror.new_loop()
    mirror.loop.dirty.mark("may be the same file renamed", after_s=1.0)
    mirror.loop.start()
    wait_for(lambda: mirror.loop.has_run)

    mirror.remote.marker = None
    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED and mirror.loop.has_given_up)
    asked = mirror.proofs
    wait_for(lambda: mirror.proofs > asked + 1)

    assert mirror.ledger.holds.all("docs", (HoldState.OPEN,), kind="deletions") == [hold]


@pytest.mark.parametrize("where", Side)
def test_a_hold_ends_when_the_files_are_back(
    new_mirror: Callable[..., Mirror], where: Side
) -> None:
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    if where is Side.LOCAL:
        (mirror.root / "a").rename(mirror.root.parent / "a")
    else:
        mirror.remote.user_delete("a")
    mirror.run()
    assert mirror.health is MirrorHealth.BLOCKED

    if where is Side.LOCAL:
        (mirror.root.parent / "a").rename(mirror.root / "a")
    else:
        mirror.remote.user_write("a", b"a")
    mirror.loop.request(Run.RESCAN if where is Side.LOCAL else Run.POLL)

    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.ledger.holds.all("docs") == []
    assert mirror.files == mirror.remote.contents == {"a": b"a", "b": b"b"}


def test_a_hold_says_what_is_so_now(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror(delete_limit=0)
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    (mirror.root / "a").unlink()
    mirror.run()
    assert [hold.reason for hold in mirror.ledger.holds.all("docs")] == [
        "the folder holds no file any more: 1 file is gone from the folder and would be "
        "deleted in the bucket"
    ]

    (mirror.root / "new").write_bytes(b"new")
    mirror.loop.mark("new")

    wait_for(lambda: "new" in mirror.remote.contents)
    now = "1 file is gone from the folder and would be deleted in the bucket; delete_limit is 0"
    wait_for(lambda: [hold.reason for hold in mirror.ledger.holds.all("docs")] == [now])
    wait_for(lambda: mirror.loop.facts.reason == now)


def test_a_run_that_is_to_end_does_all_else_before_a_hold_ends_it(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    (mirror.root / "a").unlink()
    mirror.run()

    assert mirror.health is MirrorHealth.BLOCKED
    assert not mirror.loop.has_given_up
    wait_for(mirror.loop.is_quiet)


def test_an_approved_deletion_waits_for_a_side_that_is_not_itself(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    mirror.remote.user_delete("a")
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")
    marker, mirror.remote.marker = mirror.remote.marker, None

    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: any(hold.kind == "identity" for hold in mirror.ledger.holds.all("docs")))

    assert set(mirror.files) == {"a", "b"}

    mirror.remote.marker = marker
    wait_for(lambda: set(mirror.files) == {"b"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def held_and_approved(mirror: Mirror, names: str) -> int:
    """Let the files *names* of six be deleted here, be held, and be approved; give the hold."""
    for name in "abcdef":
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    for name in names:
        (mirror.root / name).unlink()
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")
    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    return hold.id


@pytest.mark.parametrize("error", [UnreachableError, TemporaryError])
def test_what_was_approved_and_could_not_be_done_is_done_later_without_asking_again(
    new_mirror: Callable[..., Mirror], error: type[DocferryError]
) -> None:
    mirror = new_mirror(delete_limit=0)
    hold = held_and_approved(mirror, "abcd")
    answers = iter([True, False])

    def answer(name: str) -> None:
        if name == "before delete" and not next(answers, True):
            raise error("the store does not answer")

    mirror.remote.step = answer
    mirror.loop.request(Run.HOLDS)

    wait_for(lambda: set(mirror.remote.contents) == {"e", "f"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    rows = mirror.ledger.holds.all("docs", tuple(HoldState))
    assert [(row.id, row.state) for row in rows] == [(hold, HoldState.DONE)]


def test_an_approved_hold_is_not_done_while_one_of_its_deletions_fails(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=1)
    hold = held_and_approved(mirror, "abc")
    deleting = iter(range(100))

    def refuse(name: str) -> None:
        if name == "before delete" and next(deleting) >= 2:  # the third, each time
            raise PermanentError("no right to delete it")

    mirror.remote.step = refuse
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: len(mirror.remote.contents) == 4)
    wait_for(lambda: mirror.health is MirrorHealth.WAITING)

    [left] = mirror.ledger.holds.items(hold)
    assert {left.path} == set(mirror.remote.contents) - set(mirror.files)
    assert mirror.ledger.holds.get(hold).state is HoldState.APPROVED

    mirror.remote.step = lambda name: None
    mirror.restart()  # what it may do by now it tries at once
    mirror.start()
    wait_for(lambda: mirror.remote.contents == mirror.files)
    assert mirror.ledger.holds.get(hold).state is HoldState.DONE


def test_other_deletions_do_not_wait_for_an_approved_one_that_fails(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=1)
    hold = held_and_approved(mirror, "abc")

    def refuse(name: str) -> None:
        if name == "before delete":
            raise PermanentError("no right to delete it")

    mirror.remote.step = refuse
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: mirror.health is MirrorHealth.WAITING)
    mirror.remote.step = lambda name: None
    mirror.remote.user_delete("f")

    mirror.run(Run.POLL)

    wait_for(lambda: set(mirror.files) == {"d", "e"})
    assert len(mirror.ledger.holds.items(hold)) == 3


def test_what_was_approved_and_was_touched_since_is_asked_about_again(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=0)
    for name in "ab":
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    mirror.remote.user_delete("a")
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")

    os.utime(mirror.root / "a", ns=(1, 1))
    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)

    wait_for(lambda: mirror.ledger.holds.get(hold.id).state is HoldState.DONE)
    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)
    [again] = mirror.ledger.holds.all("docs")
    assert (again.id != hold.id, again.count) == (True, 1)
    assert set(mirror.files) == {"a", "b"}


def test_an_emptied_bucket_deletes_nothing(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    mirror.remote.user_delete("a")

    mirror.run(Run.POLL)

    assert mirror.files == {"a": b"a"}
    [hold] = mirror.ledger.holds.all("docs")
    assert "no file" in hold.reason


@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "as it was"])
def test_what_a_folder_that_is_joined_anew_holds_or_gets_again_is_no_new_version(
    new_mirror: Callable[..., Mirror], *, is_empty: bool
) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    mirror.stop()
    [before] = mirror.ledger.versions.of("docs", "a")
    shutil.rmtree(mirror.root / ".docferry")
    if is_empty:
        (mirror.root / "a").unlink()
    mirror.loop = mirror.new_loop()
    mirror.loop.start()
    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)
    [hold] = mirror.ledger.holds.all("docs")

    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)

    assert mirror.files == {"a": b"a"}
    assert mirror.ledger.versions.of("docs", "a") == [before]
    assert mirror.ledger.synced.get("docs", ["a"])["a"].version == before.id
    assert mirror.ledger.versions.to_bring_up("docs", 10) == []


@pytest.mark.parametrize("content", [b"a", b"changed"])
def test_what_goes_up_into_a_bucket_that_was_emptied_is_a_new_version_only_if_it_changed(
    new_mirror: Callable[..., Mirror], content: bytes
) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    mirror.stop()
    [before] = mirror.ledger.versions.of("docs", "a")
    mirror.remote.files.clear()
    mirror.remote.marker = None
    if content != b"a":
        (mirror.root / "a").write_bytes(content)
    mirror.loop = mirror.new_loop()
    mirror.loop.start()
    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)
    [hold] = mirror.ledger.holds.all("docs")

    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)

    newest, *older = mirror.ledger.versions.of("docs", "a")
    assert [row.id for row in older] == ([] if content == b"a" else [before.id])
    assert mirror.remote.files["a"].attributes.version == newest.id
    assert mirror.ledger.synced.get("docs", ["a"])["a"].version == newest.id
    assert newest.is_current


def test_a_folder_that_lost_its_marker_stops_everything(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    mirror.stop()
    shutil.rmtree(mirror.root)
    mirror.root.mkdir()
    mirror.loop = mirror.new_loop()

    mirror.loop.start()
    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)

    assert mirror.remote.contents == {"a": b"a"}
    [hold] = mirror.ledger.holds.all("docs")
    assert hold.kind == "identity"

    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: mirror.files == {"a": b"a"})
