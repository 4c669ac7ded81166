"""Changes in the ledger: counted as they travel, held, and what a decision asks for."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from docferry.app.decisions import decide, held
from docferry.core.brake import CHANGE_WINDOW, TOO_MANY, Change
from docferry.errors import ConflictError
from docferry.ledger import HoldRow, Ledger
from docferry.model import DeleteRemote, HoldState, Mode, Outcome, PutBack, RequestKind, Side
from ledger_rows import MINUTE, NOW, agreed, fresh_ledger, ulid_of, uploaded, version

LONG_AGO = NOW - CHANGE_WINDOW - timedelta(seconds=1)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with closing(fresh_ledger(tmp_path / "ledger.sqlite3")) as ledger:
        yield ledger


def edit(path: str, side: Side = Side.LOCAL, why: str | None = "it is no txt any more") -> Change:
    return Change(path, side, f"token of {path}", path, agreed(path).version, why)


def newcomer(path: str, victim: str) -> Change:
    return Change(path, Side.LOCAL, "t", victim, agreed(victim).version, "it looks encrypted")


def hold(ledger: Ledger, *changes: Change) -> HoldRow:
    """Hold *changes*; give the hold as it is then."""
    found = [ledger.changes.hold("docs", one, ulid_of(one.path + "!"), NOW)[0] for one in changes]
    return found[-1]


def asked(ledger: Ledger) -> list[tuple[object, ...]]:
    rows = ledger.requests.some(None, None, newest_first=False)
    return [
        (row.kind, row.path, row.version, row.expect, row.displaces, row.agreed) for row in rows
    ]


def told(ledger: Ledger) -> list[str]:
    return [row.action for row in ledger.audit.rows()]


def test_files_are_counted_that_suffer_and_not_changes(ledger: Ledger) -> None:
    for change in (edit("a"), replace(edit("a"), token="again"), newcomer("a.locked", "a")):
        ledger.changes.travels("docs", change, ulid_of("x"), NOW)
    ledger.changes.travels("docs", edit("b", why=None), ulid_of("x"), NOW)
    ledger.changes.travels("other", edit("c"), ulid_of("x"), NOW)

    lately = ledger.changes.lately("docs", Side.LOCAL, NOW)

    assert (lately.suspicious, lately.overwrites, lately.held_at) == (1, 2, None)


def test_what_travelled_long_ago_counts_no_more_and_comes_into_no_hold(ledger: Ledger) -> None:
    ledger.changes.travels("docs", edit("old"), ulid_of("x"), LONG_AGO)
    ledger.changes.travels("docs", edit("new"), ulid_of("x"), NOW - MINUTE)

    found = hold(ledger, edit("a"))

    assert (found.kind, found.count, found.changes) == ("changes", 1, 1)
    items = [(one.path, one.travelled) for one in ledger.changes.items(found.id)]
    assert items == [("a", False), ("new", True)]
    assert found.reason.endswith("; 1 change of this kind had travelled before")


def test_what_is_tried_again_does_not_count_against_itself(ledger: Ledger) -> None:
    for path in ("a", "b"):
        ledger.changes.travels("docs", edit(path), ulid_of("x"), NOW)

    lately = ledger.changes.lately("docs", Side.LOCAL, NOW, but_for="a")

    assert (lately.suspicious, lately.overwrites) == (1, 1)


def test_what_travelled_and_is_spoilt_again_much_later_is_had_back_as_it_was_before_both(
    ledger: Ledger,
) -> None:
    first = edit("twice")
    ledger.record("docs", [uploaded("twice"), uploaded("twice", "spoilt")], at=NOW)
    ledger.changes.travels("docs", first, ulid_of("x"), NOW - 2 * CHANGE_WINDOW)
    ledger.changes.hold("docs", edit("a"), ulid_of("a!"), NOW - 2 * CHANGE_WINDOW)
    again = replace(first, token="again", version=agreed("twice", "spoilt").version, why=None)

    found = hold(ledger, again)

    ledger.holds.decide(found.id, HoldState.DISCARDED, NOW)
    spoilt = agreed("twice", "spoilt").version
    wanted = (RequestKind.RESTORE, "twice", first.version, "again", ulid_of("twice!"), spoilt)
    assert wanted in asked(ledger)


def test_what_travelled_is_had_back_where_only_deletions_wait_in_the_hold_by_now(
    ledger: Ledger,
) -> None:
    ledger.record("docs", [uploaded("a", ulid_of("spoilt"))], at=NOW)
    ledger.changes.travels("docs", edit("a"), ulid_of("x"), NOW)
    found = hold(ledger, newcomer("b.locked", "b"))
    ledger.holds.park("docs", [(DeleteRemote("b", "etag"), agreed("b").sha256)])
    ledger.holds.hold("docs", "too many", NOW)
    ledger.changes.leave("docs", ["b.locked"], NOW)

    ledger.holds.decide(found.id, HoldState.DISCARDED, NOW)
    ledger.holds.leave_decided("docs", ["b"], NOW)

    assert [path for _, path, *_ in asked(ledger)] == ["a"]
    assert ledger.holds.get(found.id).state is HoldState.DONE


def test_a_hold_is_called_by_what_is_worst_in_it(ledger: Ledger) -> None:
    too_many = edit("a", why=f"{TOO_MANY}, which is 10")

    mild = hold(ledger, too_many)
    worse = hold(ledger, edit("b"))

    assert mild.reason == f"1 file in the folder changed: {TOO_MANY}, which is 10"
    assert worse.reason.endswith("as if by an encrypting program (b: it is no txt any more)")


def test_changes_and_deletions_wait_in_one_hold_whichever_came_first(ledger: Ledger) -> None:
    ledger.holds.park("docs", [(DeleteRemote("gone", "etag"), agreed("gone").sha256)])
    deletions = ledger.holds.hold("docs", "too many", NOW)
    assert deletions is not None

    found = hold(ledger, edit("a"), edit("z", Side.REMOTE, why=None))

    assert (found.id, found.kind, found.count) == (deletions.id, "changes", 3)
    assert [(one.what, one.path) for one in held(ledger, found, "", 9)] == [
        ("upload", "a"),
        ("delete_remote", "gone"),
        ("download", "z"),
    ]
    assert [one.path for one in held(ledger, found, "a", 1)] == ["gone"]
    [left] = [ledger.holds.get(found.id)] if not ledger.changes.leave("docs", ["a"], NOW) else []
    assert (left.kind, left.count) == ("changes", 2)


def test_a_hold_ends_when_its_last_change_leaves_it(ledger: Ledger) -> None:
    ledger.changes.travels("docs", edit("before"), ulid_of("x"), NOW)
    found = hold(ledger, edit("a"), edit("b"))
    assert ledger.changes.leave("docs", ["a"], NOW, before=NOW) == []

    assert ledger.changes.leave("docs", ["a"], NOW) == []
    [ended] = ledger.changes.leave("docs", ["b"], NOW)

    assert (ended.id, ended.state) == (found.id, HoldState.DONE)


def test_what_travelled_before_a_hold_that_ended_undecided_counts_and_is_had_back(
    ledger: Ledger,
) -> None:
    ledger.changes.travels("docs", edit("before"), ulid_of("x"), NOW)
    hold(ledger, edit("a"))
    ledger.changes.leave("docs", ["a"], NOW)

    assert ledger.changes.lately("docs", Side.LOCAL, NOW).suspicious == 1

    again = hold(ledger, edit("a"))
    items = [(one.path, one.travelled) for one in ledger.changes.items(again.id)]
    assert items == [("a", False), ("before", True)]


def test_what_travelled_counts_while_it_is_in_a_hold_that_the_other_side_has_brought_about(
    ledger: Ledger,
) -> None:
    ledger.changes.travels("docs", edit("before"), ulid_of("x"), NOW)
    found = hold(ledger, edit("a", Side.REMOTE))

    counts = [ledger.changes.lately("docs", side, NOW).suspicious for side in Side]

    assert dict(zip(Side, counts, strict=True)) == {Side.LOCAL: 1, Side.REMOTE: 0}
    ledger.holds.decide(found.id, HoldState.DISCARDED, NOW)
    assert ledger.changes.lately("docs", Side.LOCAL, NOW).suspicious == 0


def test_a_refusal_asks_for_what_was_there_before_the_burst_in_one_act(ledger: Ledger) -> None:
    names = ["held", "spread", "victim", "under way"]
    ledger.record("docs", [uploaded(name) for name in names], at=NOW)
    ledger.changes.travels("docs", edit("spread"), ulid_of("x"), NOW)
    ledger.changes.travels("docs", edit("under way"), ulid_of("x"), NOW)
    ledger.record("docs", [uploaded("spread", "noise")], at=NOW)
    found = hold(ledger, edit("held"), newcomer("victim.locked", "victim"))

    decided = decide(ledger, None, found.id, HoldState.DISCARDED, NOW)

    assert decided.state is HoldState.DISCARDED
    assert asked(ledger) == [
        (
            RequestKind.RESTORE,
            "held",
            agreed("held").version,
            "token of held",
            ulid_of("held!"),
            agreed("held").version,
        ),
        (
            RequestKind.RESTORE,
            "spread",
            agreed("spread").version,
            "token of spread",
            ulid_of("x"),
            agreed("spread", "noise").version,
        ),
        (
            RequestKind.RESTORE,
            "under way",
            agreed("under way").version,
            "token of under way",
            ulid_of("x"),
            agreed("under way").version,
        ),
        (RequestKind.REMOVE, "victim.locked", None, "t", ulid_of("victim.locked!"), ""),
    ]
    assert told(ledger) == ["hold.opened", "hold.discarded"]
    assert [one.path for one in ledger.changes.items(found.id)] == ["held", "victim.locked"]


def test_a_refusal_brings_back_a_file_whose_deletion_had_travelled(ledger: Ledger) -> None:
    found = hold(ledger, newcomer("victim.locked", "victim"))

    decide(ledger, None, found.id, HoldState.DISCARDED, NOW)

    assert asked(ledger)[1] == (
        RequestKind.RESTORE,
        "victim",
        agreed("victim").version,
        "",
        None,
        None,
    )


def test_what_was_there_before_a_burst_is_what_comes_back_not_what_it_made_of_it_first(
    ledger: Ledger,
) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.changes.travels("docs", edit("a"), ulid_of("x"), NOW)
    again = replace(edit("a"), version=agreed("a", "noise").version)

    found = hold(ledger, again)

    [item] = ledger.changes.items(found.id)
    assert (item.version, item.travelled) == (agreed("a").version, False)


def test_what_a_conflict_was_to_displace_is_had_back_as_its_last_try_displaced_it(
    ledger: Ledger,
) -> None:
    """The first came to nothing: there is no version of that name."""
    second = uploaded("a", "displaced")
    for displaced in (ulid_of("of the first try"), agreed("a", "displaced").version):
        conflict = replace(edit("a", Side.REMOTE), version=displaced)
        ledger.changes.travels("docs", conflict, ulid_of("x"), NOW)
    ledger.record("docs", [second], at=NOW)

    found = hold(ledger, edit("b"))

    [item, _] = ledger.changes.items(found.id)
    assert (item.path, item.version) == ("a", agreed("a", "displaced").version)


def test_what_was_refused_and_is_there_still_is_not_what_comes_back_by_a_second_refusal(
    ledger: Ledger,
) -> None:
    spoilt = agreed("a", "spoilt")
    row = replace(version("a", "spoilt"), parent=agreed("a").version)
    ledger.record("docs", [uploaded("a")], at=NOW)
    gave_way = PutBack("a", 7, Side.REMOTE, spoilt.remote_token, row.id, spoilt.remote_token)
    ledger.record("docs", [Outcome(gave_way, synced=spoilt, displaced=row)], at=NOW)

    found = hold(ledger, replace(edit("a"), version=spoilt.version))

    [item] = ledger.changes.items(found.id)
    assert item.version == agreed("a").version


def test_an_approval_asks_for_nothing_and_keeps_what_waits_until_it_has_travelled(
    ledger: Ledger,
) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.changes.travels("docs", edit("before"), ulid_of("x"), NOW)
    found = hold(ledger, edit("a"))

    decide(ledger, None, found.id, HoldState.APPROVED, NOW)

    standing = ledger.changes.standing("docs", "a")
    assert standing is not None
    assert standing.state is HoldState.APPROVED
    assert asked(ledger) == []
    ledger.record("docs", [uploaded("a", "noise")], at=NOW)
    assert ledger.changes.standing("docs", "a") is None
    assert ledger.holds.get(found.id).state is HoldState.DONE


def test_a_mirror_that_only_pulls_cannot_refuse_changes(ledger: Ledger) -> None:
    ledger.mirrors.put("docs", store="s", bucket="b", prefix="", local="/d", mode=Mode.PULL)
    found = hold(ledger, edit("a", Side.REMOTE))

    with pytest.raises(ConflictError, match="only pulls"):
        decide(ledger, None, found.id, HoldState.DISCARDED, NOW)

    assert ledger.holds.get(found.id).state is HoldState.OPEN


def test_an_ending_is_known_that_was_there_before_a_burst_can_have_brought_it(
    ledger: Ledger,
) -> None:
    ledger.record("docs", [uploaded("a.crypted"), uploaded("a.b_c")], at=NOW)
    beyond = "~" * 26

    assert ledger.changes.has_ending("docs", "crypted", beyond)
    assert not ledger.changes.has_ending("docs", "crypted", agreed("a.crypted").version)
    assert not ledger.changes.has_ending("docs", "bxc", beyond)
    assert not ledger.changes.has_ending("other", "crypted", beyond)
