"""What the ledger notes for webhooks, and how deliveries are taken from it."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from docferry.core.failures import Failed
from docferry.core.webhooks import DeliveryState, Event, EventType, Missed
from docferry.job import Failure
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.ledger.webhook_deliveries import DeliveryRow
from docferry.ledger.webhook_events import REMOVED, NewDelivery
from docferry.model import (
    DeleteRemote,
    Forget,
    MarkSynced,
    Mode,
    Outcome,
    ReadLocal,
    RequestKind,
)
from ledger_rows import (
    MINUTE,
    NOW,
    agreed,
    deleted,
    forgotten,
    fresh_ledger,
    new_job,
    sha_of,
    uploaded,
    version,
)

MISSED = Missed("no", 500)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        ledger.webhook_events.begin(["crm"], NOW)
        yield ledger


def told(ledger: Ledger, webhook: str = "crm") -> list[Event]:
    """Give what the webhook was not told yet, and count it as told."""
    noted, _ = ledger.webhook_events.after([webhook], 1000)
    if noted:
        ledger.webhook_events.put([], noted[-1].seq)
    return [one.event for one in noted if one.event is not None]


def names(ledger: Ledger) -> list[tuple[str, str | None]]:
    return [(event.type.value, event.path) for event in told(ledger)]


def delivery(name: str, seq: int, *, webhook: str = "crm", path: str = "a") -> NewDelivery:
    key = f"docs/{path}"
    return NewDelivery(name, webhook, seq, "file.added", "docs", path, None, key, "{}", NOW)


def claim(ledger: Ledger, at: datetime = NOW, webhook: str = "crm") -> DeliveryRow | None:
    return ledger.deliveries.claim(webhook, at, at + MINUTE)


def claimed(ledger: Ledger, at: datetime = NOW) -> DeliveryRow:
    found = claim(ledger, at)
    assert found is not None
    return found


# What is noted.


def test_files_that_come_change_and_go_are_told_with_their_versions(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.record("docs", [uploaded("a", "2")], at=NOW)
    ledger.record("docs", [deleted("a")], at=NOW)
    ledger.record("docs", [uploaded("a", "3")], at=NOW)

    first, second, third = (version("a", content).id for content in ("", "2", "3"))
    events = told(ledger)
    assert [(event.type.value, event.version) for event in events] == [
        ("file.added", first),
        ("file.changed", second),
        ("file.removed", second),
        ("file.added", third),
    ]
    assert events[1].facts is not None
    assert events[1].facts["previous"] == first


def test_a_token_that_moved_and_a_file_that_was_read_are_no_news(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    told(ledger)
    moved = MarkSynced("a", sha_of("a"), 10, "10-2-2", "etag", is_new_content=False)
    read = Outcome(ReadLocal("a", "10-2-2"), None)
    ledger.record("docs", [Outcome(moved, agreed("a")), read], at=NOW)

    assert told(ledger) == []


def test_a_file_that_both_sides_lack_was_removed(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.record("docs", [forgotten("a")], at=NOW + MINUTE)

    assert names(ledger) == [("file.added", "a"), ("file.removed", "a")]


def test_a_file_that_comes_back_from_one_side_was_never_away(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.record("docs", [Outcome(Forget("a", stays=True), None)], at=NOW + MINUTE)
    ledger.record("docs", [replace(uploaded("a"), version=None)], at=NOW + 2 * MINUTE)

    assert names(ledger) == [("file.added", "a")]


def test_without_a_webhook_nothing_is_noted(tmp_path: pathlib.Path) -> None:
    with fresh_ledger(tmp_path / "other.sqlite3") as ledger:
        ledger.record("docs", [uploaded("a")], at=NOW)
        ledger.webhook_events.begin(["crm"], NOW)

        assert told(ledger) == []


def test_a_new_webhook_begins_at_now(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.webhook_events.begin(["crm", "late"], NOW)
    ledger.record("docs", [uploaded("b")], at=NOW)

    noted, cursors = ledger.webhook_events.after(["crm", "late"], 10)

    assert [one.event and one.event.path for one in noted] == ["a", "b"]
    assert cursors == {"crm": noted[0].seq - 1, "late": noted[0].seq}


def test_what_everybody_was_told_is_noted_no_more_and_no_number_comes_twice(
    ledger: Ledger,
) -> None:
    for path in "abc":
        ledger.record("docs", [uploaded(path)], at=NOW)
    [*_, last], _ = ledger.webhook_events.after(["crm"], 10)
    ledger.webhook_events.put([], last.seq)
    ledger.record("docs", [uploaded("d")], at=NOW)

    [after], _ = ledger.webhook_events.after(["crm"], 10)

    assert after.seq == last.seq + 1
    assert ledger.webhook_events.behind() == 1


def test_conversions_are_told_done_and_dead_and_not_what_they_said(ledger: Ledger) -> None:
    ledger.record("docs", [], [new_job("a"), new_job("b")], at=NOW)
    first = ledger.jobs.claim(NOW, NOW + MINUTE, rules=["to-markdown"])
    assert first is not None
    ledger.jobs.finish(first.id, NOW, "x.md", sha_of("x"))
    second = ledger.jobs.claim(NOW, NOW + MINUTE, rules=["to-markdown"])
    assert second is not None
    ledger.jobs.dead(second.id, NOW, Failed(Failure.CRASHED, "it said: secret words"))

    done, dead = told(ledger)

    assert (done.type, dead.type) == (EventType.CONVERSION_DONE, EventType.CONVERSION_DEAD)
    assert done.facts is not None
    assert done.facts["result"] == {"mirror": "processed", "path": "x.md", "sha256": sha_of("x")}
    assert dead.facts is not None
    assert dead.facts["failure"] == "crashed"
    assert "secret words" not in json.dumps(dead.payload)


def test_a_hold_is_told_once_with_how_much_it_holds(ledger: Ledger) -> None:
    ledger.holds.park("docs", [(DeleteRemote("a", "etag"), sha_of("a"))])
    ledger.holds.hold("docs", "too many", NOW)
    ledger.holds.park("docs", [(DeleteRemote("b", "etag"), sha_of("b"))])
    ledger.holds.hold("docs", "too many", NOW, replace=False)

    [event] = told(ledger)

    assert (event.type, event.path) == (EventType.HOLD_OPENED, None)
    assert event.facts is not None
    assert (event.facts["kind"], event.facts["count"]) == ("deletions", 2)


def test_damage_is_told_whether_it_can_be_healed_or_not(ledger: Ledger) -> None:
    heal = NewRequest("docs", "a", RequestKind.HEAL_LOCAL, version("a").id)
    ledger.requests.add([heal, NewRequest("docs", "b", RequestKind.REMOVE)], NOW)
    for _ in range(2):  # each patrol says so again
        ledger.problems.put("docs", "b", kind="rot", message="m", at=NOW, retry_at=None)
    ledger.problems.put("docs", "c", kind="drop", message="m", at=NOW, retry_at=None)

    events = told(ledger)

    assert [(event.type.value, event.path) for event in events] == [
        ("verify.found", "a"),
        ("verify.found", "b"),
    ]
    assert [dict(event.facts or {}) for event in events] == [
        {"side": "local", "is_healed": True},
        {"is_healed": False},
    ]


def test_what_a_verification_found_is_told_by_numbers(ledger: Ledger) -> None:
    facts = {"is_well": False, "counts": {"not-synced": 2}}

    assert ledger.webhook_events.note_verified("docs", NOW, facts)

    [event] = told(ledger)
    assert (event.type, event.at, event.mirror) == (EventType.VERIFY_FOUND, NOW, "docs")
    assert (event.path, event.facts) == (None, facts)


def test_what_a_verification_found_is_not_kept_where_there_is_no_webhook(ledger: Ledger) -> None:
    ledger.webhook_events.begin([], NOW)

    assert not ledger.webhook_events.note_verified("docs", NOW, {})

    ledger.webhook_events.begin(["crm"], NOW)
    assert told(ledger) == []


def test_a_mirror_is_told_stale_once_and_well_once(ledger: Ledger) -> None:
    steps = [True, True, False, False]

    changed = [ledger.webhook_events.note_staleness("docs", NOW, is_stale=one) for one in steps]

    assert changed == [True, False, True, False]
    assert names(ledger) == [("mirror.stale", None), ("mirror.well", None)]
    assert ledger.webhook_events.stale() == set()


def test_what_was_erased_is_told_to_nobody(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a/secret.txt")], at=NOW)
    row = version("a/secret.txt")
    ledger.webhook_events.put([replace(delivery("D1", 1), path="a/secret.txt")], 0)
    [request] = ledger.requests.add([NewRequest("docs", "a/secret.txt", RequestKind.ERASE)], NOW)
    ledger.mirrors.put("docs", store="s", bucket="b", prefix="", local="/", mode=Mode.TWO_WAY)

    ledger.erasures.forget(
        "docs", "a/secret.txt", {row.id: row.sha256}, NOW, request_id=request, is_all=True
    )

    assert told(ledger) == []
    assert ledger.deliveries.some(None, (), None) == []
    assert ledger.erasures.traces("docs", ["a/secret.txt"], request) == []


# How deliveries are taken.


def test_the_next_delivery_of_a_file_waits_for_the_one_before(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1), delivery("D2", 2)], 2)
    first = claimed(ledger)

    assert claim(ledger) is None
    ledger.deliveries.done(first, NOW, 200)
    assert claimed(ledger).id == "D2"


def test_the_next_delivery_of_a_file_waits_while_the_one_before_is_tried_again(
    ledger: Ledger,
) -> None:
    ledger.webhook_events.put(
        [delivery("D1", 1), delivery("D2", 2), delivery("D3", 3, path="b")], 3
    )
    ledger.deliveries.again(claimed(ledger), NOW + MINUTE, MISSED, counts=True)

    others = [claimed(ledger).id, claim(ledger)]

    assert others == ["D3", None]
    assert claimed(ledger, NOW + MINUTE).id == "D1"


def test_a_dead_delivery_holds_up_those_behind_it_no_more(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1), delivery("D2", 2)], 2)
    ledger.deliveries.dead(claimed(ledger), NOW, "why", 400)

    assert claimed(ledger).id == "D2"


def test_the_same_file_waits_for_no_other_webhook(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1), delivery("D2", 1, webhook="other")], 1)

    assert claimed(ledger).id == "D1"
    assert claim(ledger, webhook="other") is not None


def test_an_attempt_counts_unless_it_is_taken_back(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1)], 1)
    ledger.deliveries.again(claimed(ledger), NOW, MISSED, counts=True)
    ledger.deliveries.again(claimed(ledger), NOW, MISSED, counts=False)
    ledger.deliveries.release(claimed(ledger), NOW)

    assert claimed(ledger).attempts == 2


def test_whoever_comes_late_changes_nothing_but_what_is_delivered_is(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1)], 1)
    late = claimed(ledger)
    ledger.deliveries.requeue_lost(NOW + 2 * MINUTE)
    claimed(ledger, NOW + 2 * MINUTE)

    changes = [
        ledger.deliveries.again(late, NOW, MISSED, counts=True),
        ledger.deliveries.dead(late, NOW, "why", None),
        ledger.deliveries.done(late, NOW, 200),
    ]

    assert changes == [False, False, True]


def test_only_what_nobody_came_back_with_in_time_is_sent_again(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1)], 1)
    claimed(ledger)

    assert ledger.deliveries.requeue_lost(NOW) == 0
    assert ledger.deliveries.requeue_lost(NOW + MINUTE) == 1


def test_a_try_of_which_nobody_saw_the_end_costs_no_attempt(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1)], 1)
    for _ in range(20):  # as often a daemon is killed
        claimed(ledger)
        assert ledger.deliveries.requeue_lost(NOW, is_all=True) == 1

    assert claimed(ledger).attempts == 1


def test_what_waits_for_a_webhook_that_is_gone_is_discarded(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1)], 1)

    ledger.webhook_events.begin([], NOW)

    [row] = ledger.deliveries.some(None, (), None)
    assert (row.state, row.last_error) == (DeliveryState.DISCARDED, REMOVED)


def test_what_waited_too_long_for_a_receiver_is_given_up(ledger: Ledger) -> None:
    young = replace(delivery("D2", 2, path="b"), created_at=NOW + MINUTE)
    ledger.webhook_events.put([delivery("D1", 1), young], 2)

    assert ledger.deliveries.expire("crm", NOW, NOW, "why") == 1
    figures = ledger.deliveries.figures()["crm"]
    assert (figures.queued, figures.dead, figures.oldest_at) == (1, 1, NOW + MINUTE)


def test_a_persons_word_leaves_one_audit_row(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery("D1", 1), delivery("D2", 2, path="b")], 2)
    for _ in range(2):
        ledger.deliveries.dead(claimed(ledger), NOW, "why", 400)

    changed = [
        ledger.deliveries.replay(["D1"], NOW),
        ledger.deliveries.discard(["D1"], NOW),  # it waits again: that is not put aside
        ledger.deliveries.discard(["D2"], NOW),
    ]

    rows = [(row.action, json.loads(row.facts)) for row in ledger.audit.rows()]
    assert changed == [["D1"], [], ["D2"]]
    assert rows == [
        ("deliveries.replayed", {"deliveries": ["D1"]}),
        ("deliveries.discarded", {"deliveries": ["D2"]}),
    ]


def test_only_deliveries_that_are_over_leave_in_time(ledger: Ledger) -> None:
    ledger.webhook_events.put([delivery(f"D{n}", n, path=f"{n}") for n in range(4)], 4)
    ledger.deliveries.done(claimed(ledger), NOW, 200)
    ledger.deliveries.dead(claimed(ledger), NOW, "why", 400)
    claimed(ledger)

    removed = [ledger.pruning.deliveries(at, limit=10) for at in (NOW, NOW + MINUTE)]

    assert removed == [0, 1]
    left = {row.state for row in ledger.deliveries.some(None, (), None)}
    assert left == {DeliveryState.DEAD, DeliveryState.RUNNING, DeliveryState.QUEUED}


def test_a_claim_finds_its_row_by_an_index(ledger: Ledger) -> None:
    many = [delivery(f"D{n}", n, path="same" if n < 5000 else f"{n}") for n in range(10_000)]
    ledger.webhook_events.put(many, 10_000)
    ledger.deliveries.again(claimed(ledger), NOW + MINUTE, MISSED, counts=True)

    taken = [claimed(ledger).id for _ in range(50)]

    assert taken[0] == "D5000"
