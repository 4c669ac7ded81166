"""What was asked for, as commands show it and take it back."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.requests import Failure, NewRequest
from docferry.model import HoldState, MirrorHealth, RequestKind, RequestState, Ulid
from ledger_rows import MINUTE, NOW, deleted, ulid_of, uploaded

VERSION = ulid_of("a")


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        yield ledger


def restore(path: str = "a.txt") -> NewRequest:
    return NewRequest("docs", path, RequestKind.RESTORE, VERSION)


def state_of(ledger: Ledger, request: int) -> RequestState:
    row = ledger.requests.get(request)
    assert row is not None
    return row.state


def test_what_is_open_is_listed_with_all_that_is_asked(desk: Desk, ledger: Ledger) -> None:
    since = datetime.now(UTC) - timedelta(minutes=5)
    [request] = ledger.requests.add([restore()], since)

    said = desk.asks("requests", "list")
    [facts] = desk.asks("requests", "list", "docs", "--json").json

    assert said.code == 0
    shown = next(line for line in said.text.splitlines() if VERSION in line)
    for word in (str(request), "docs", "restore", "a.txt", "open, 5 min ago", "is not running"):
        assert word in shown
    assert facts == {
        "id": request,
        "mirror": "docs",
        "kind": "restore",
        "path": "a.txt",
        "version": VERSION,
        "state": "open",
        "since": since.isoformat(),
        "hold": None,
        "why": "docferry is not running",
        "retry_at": None,
    }


@pytest.mark.usefixtures("ledger")
def test_that_nothing_is_asked_for_is_said(desk: Desk) -> None:
    said = desk.asks("requests", "list")

    assert (said.code, said.text) == (0, "nothing is asked for\n")


@pytest.mark.usefixtures("ledger")
def test_a_mirror_that_is_not_there_is_refused(desk: Desk) -> None:
    said = desk.asks("requests", "list", "nope")

    assert said.code == 2
    assert "there is no mirror 'nope'" in said.errors


def test_what_is_over_or_held_is_listed_only_if_that_is_asked(desk: Desk, ledger: Ledger) -> None:
    [done] = ledger.requests.add([restore()], NOW)
    ledger.requests.finish(done, RequestState.SKIPPED, NOW, "it has changed")
    hold = ledger.holds.hold_rewind("docs", "rewind", [restore("b.txt")], NOW)

    shown = desk.asks("requests", "list", "--json").json
    held, over = desk.asks("requests", "list", "--all", "--json").json

    assert shown == []
    assert (over["id"], over["state"], over["why"]) == (done, "skipped", "it has changed")
    assert (held["hold"], held["state"]) == (hold.id, "held")


def test_of_many_the_oldest_are_shown_and_it_is_said_that_there_are_more(
    desk: Desk, ledger: Ledger
) -> None:
    ledger.requests.add([restore("a.txt"), restore("b.txt"), restore("c.txt")], NOW)

    said = desk.asks("requests", "list", "--limit", "2")
    exact = desk.asks("requests", "list", "--limit", "3")

    assert "b.txt" in said.text
    assert "c.txt" not in said.text
    assert "... and more: --limit N, or --json" in said.text
    assert "and more" not in exact.text


def why(desk: Desk) -> str:
    with StateLock(desk.state):  # as a daemon that runs
        [one] = desk.asks("requests", "list", "--json").json
    return str(one["why"])


def test_why_one_waits_is_what_its_last_try_failed_of(desk: Desk, ledger: Ledger) -> None:
    [request] = ledger.requests.add([restore()], NOW)
    before = why(desk)
    ledger.requests.note_failures([Failure(request, "a proxy hiccups", NOW)])

    with StateLock(desk.state):
        said = desk.asks("requests", "list")

    assert before == "it is under way, or its turn comes"
    assert why(desk) == "a proxy hiccups"
    assert f"a proxy hiccups; tried again {NOW.astimezone():%H:%M:%S}" in said.words
    stopped = desk.asks("requests", "list").words
    assert "docferry is not running; the last try: a proxy hiccups" in stopped


def test_why_one_waits_is_what_keeps_its_file_from_going_up(desk: Desk, ledger: Ledger) -> None:
    ledger.requests.add([restore()], NOW)
    ledger.problems.put("docs", "a.txt", kind="io", message="too long", at=NOW, retry_at=None)

    assert why(desk) == "too long"


def test_why_one_waits_is_what_keeps_the_whole_mirror(desk: Desk, ledger: Ledger) -> None:
    [request] = ledger.requests.add([restore()], NOW)
    ledger.requests.note_failures([Failure(request, "an older trouble", NOW)])
    ledger.mirrors.put("docs", health=MirrorHealth.UNREACHABLE, reason="no route", since=NOW)

    assert why(desk) == "the mirror is unreachable: no route"


def test_why_one_waits_is_the_hold_of_a_side_that_is_not_itself(desk: Desk, ledger: Ledger) -> None:
    ledger.requests.add([restore()], NOW)
    hold = ledger.holds.hold_identity("docs", "the folder lacks its marker", NOW)

    assert why(desk) == f"nothing travels before hold {hold} is over"


def test_an_erasure_is_listed_with_its_path_until_it_is_done_and_its_report_is_not_shown(
    desk: Desk, ledger: Ledger
) -> None:
    [request] = ledger.requests.add([NewRequest("docs", "jane.txt", RequestKind.ERASE)], NOW)
    before = desk.asks("requests", "list")
    ledger.erasures.note(request, '{"left": []}', is_erased=True)
    ledger.erasures.finish(request, RequestState.DONE, NOW)

    after = desk.asks("requests", "list", "--all")

    assert "jane.txt" in before.text
    assert "jane.txt" not in after.text
    assert "left" not in after.text


def test_status_names_what_is_open_by_kind_and_where_to_look(desk: Desk, ledger: Ledger) -> None:
    erase = NewRequest("docs", "c.txt", RequestKind.ERASE)
    ledger.requests.add([restore(), restore("b.txt"), erase], NOW)

    said, facts = desk.asks("status"), desk.asks("status", "--json").json["mirrors"][0]

    assert "asked for: 3 requests (1 erase, 2 restore), the oldest" in said.text
    assert "docferry requests list docs" in said.text
    assert facts["asked_kinds"] == {"restore": 2, "erase": 1}


# Taking back.


def test_an_open_request_is_taken_back(desk: Desk, ledger: Ledger) -> None:
    [request] = ledger.requests.add([restore()], NOW)

    said = desk.asks("requests", "cancel", str(request))
    [listed] = desk.asks("requests", "list", "--all", "--json").json

    assert (said.code, said.text) == (0, f"request {request}: cancelled\n")
    assert listed["state"] == "cancelled"


def test_while_a_daemon_runs_no_more_is_promised_than_is_so(desk: Desk, ledger: Ledger) -> None:
    [request] = ledger.requests.add([restore()], NOW)

    with StateLock(desk.state):
        said = desk.asks("requests", "cancel", str(request))

    assert said.code == 0
    assert "may still come to be" in said.words


def test_what_cannot_be_taken_back_is_named_with_its_reason(desk: Desk, ledger: Ledger) -> None:
    erase = NewRequest("docs", "c.txt", RequestKind.ERASE)
    done, begun, open_one = ledger.requests.add([restore(), erase, restore("d.txt")], NOW)
    ledger.requests.finish(done, RequestState.DONE, NOW)
    ledger.erasures.begin(begun, NOW)
    hold = ledger.holds.hold_rewind("docs", "rewind", [restore("b.txt")], NOW)
    [held] = ledger.requests.in_hold(hold.id, 1)
    ids = [str(one) for one in (done, begun, open_one, held.id)]

    said = desk.asks("requests", "cancel", *ids)

    assert said.code == 1
    assert said.text.splitlines() == [
        f"request {done}: it is done already",
        f"request {begun}: a part of it is erased already: it cannot be taken back",
        f"request {open_one}: cancelled",
        f"request {held.id}: hold {hold.id} waits for you: docferry holds discard {hold.id}",
    ]
    assert state_of(ledger, begun) is RequestState.OPEN


def test_a_number_that_nobody_gave_takes_nothing_back(desk: Desk, ledger: Ledger) -> None:
    [request] = ledger.requests.add([restore()], NOW)

    said = desk.asks("requests", "cancel", str(request), "999")

    assert said.code == 2
    assert "there is no request 999; nothing was cancelled" in said.errors
    assert state_of(ledger, request) is RequestState.OPEN


@pytest.mark.usefixtures("ledger")
def test_it_is_to_be_said_which(desk: Desk) -> None:
    said = desk.asks("requests", "cancel")

    assert said.code == 2
    assert "docferry requests list tells their numbers" in said.errors


def test_the_rest_of_a_rewind_that_was_approved_can_be_taken_back_at_once(
    desk: Desk, ledger: Ledger
) -> None:
    wanted = [restore("a.txt"), restore("b.txt"), restore("c.txt")]
    hold = ledger.holds.hold_rewind("docs", "rewind", wanted, NOW)
    too_early = desk.asks("requests", "cancel", "--hold", str(hold.id))
    ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    first, *_ = ledger.requests.in_hold(hold.id, 10)
    ledger.requests.finish(first.id, RequestState.DONE, NOW)

    said = desk.asks("requests", "cancel", "--hold", str(hold.id), "--json")

    assert too_early.code == 2
    assert f"hold {hold.id} is no approved rewind" in too_early.errors
    assert [one["is_cancelled"] for one in said.json] == [True, True]
    assert ledger.requests.counts(hold.id) == {RequestState.DONE: 1, RequestState.CANCELLED: 2}


# Asked twice.


@pytest.fixture
def gone(ledger: Ledger) -> Ulid:
    """A version of b.txt, which was deleted."""
    ledger.record("docs", [uploaded("b.txt")], at=NOW)
    ledger.record("docs", [deleted("b.txt")], at=NOW + MINUTE)
    return ulid_of("b.txt")


def test_the_same_restore_asked_twice_is_one_request(
    desk: Desk, ledger: Ledger, gone: Ulid
) -> None:
    first = desk.asks("restore", gone)
    second = desk.asks("restore", "b.txt")
    third = desk.asks("restore", gone, "--json")

    [request] = ledger.requests.open("docs", 10)
    assert "asked for already" not in first.text
    assert f"b.txt: asked for already (request {request.id}, 0 s ago)" in second.text
    assert [one["id"] for one in third.json] == [request.id]


def test_the_second_who_asks_waits_for_the_first_ones_answer(
    desk: Desk, ledger: Ledger, gone: Ulid
) -> None:
    [request] = desk.asks("restore", gone, "--json").json

    with StateLock(desk.state):  # a daemon that is at it
        waiting = desk.asks("restore", gone, "--wait", "0.1")

    assert waiting.code == 1
    assert f"b.txt: asked for already (request {request['id']}, " in waiting.text
    assert "docferry is still at it" in waiting.text
    assert [row.id for row in ledger.requests.open("docs", 10)] == [request["id"]]


def test_a_restore_to_another_path_is_another_request(
    desk: Desk, ledger: Ledger, gone: Ulid
) -> None:
    desk.asks("restore", gone)
    said = desk.asks("restore", gone, "--to", "c.txt")

    assert "asked for already" not in said.text
    assert [row.path for row in ledger.requests.open("docs", 10)] == ["b.txt", "c.txt"]


@pytest.mark.usefixtures("gone")
def test_the_same_undelete_asked_twice_is_one_request(desk: Desk, ledger: Ledger) -> None:
    desk.asks("restore", "b.txt")  # whatever is there: another one
    desk.asks("undelete", "b.txt")
    said = desk.asks("undelete", "b.txt")

    assert "b.txt: asked for already (request 2, " in said.text
    assert [row.expect for row in ledger.requests.open("docs", 10)] == [None, ""]
