"""What webhooks are told, and what becomes of a delivery that was not taken."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import product

import pytest

from docferry.core.canary import CANARY_PATH
from docferry.core.failures import Again
from docferry.core.webhooks import (
    SCHEDULE_S,
    STALE_AFTER,
    WAITS_FOR,
    Dead,
    Delivered,
    Event,
    EventType,
    Missed,
    Wants,
    after_miss,
    file_event,
    is_stale,
    judged,
)
from docferry.engine.webhook_telling import payload_of
from ledger_rows import MINUTE, NOW

ADDED = Event(EventType.FILE_ADDED, NOW, "docs", "offers/q3.pdf", "01A", {"size": 3})
HELD = Event(EventType.HOLD_OPENED, NOW, "docs", facts={"hold": 7})
REFUSED = Missed("no", 400)
GONE_DARK = Missed("refused", was_sent=False, is_outage=True)


# What is told.


@pytest.mark.parametrize(
    ("wants", "takes"),
    [
        (Wants(), True),
        (Wants(("file.*",)), True),
        (Wants(("conversion.*", "file.added")), True),
        (Wants(("conversion.*",)), False),
        (Wants(mirrors=("docs",)), True),
        (Wants(mirrors=("other",)), False),
        (Wants(patterns=("*.pdf",)), True),
        (Wants(patterns=("/offers/",)), True),
        (Wants(patterns=("*.docx",)), False),
    ],
)
def test_a_webhook_is_told_what_it_wants(wants: Wants, takes: bool) -> None:  # noqa: FBT001
    assert wants.takes(ADDED) is takes


def test_patterns_of_paths_say_nothing_about_what_has_no_path() -> None:
    assert Wants(patterns=("*.docx",)).takes(HELD)


def test_nobody_is_told_of_canaries() -> None:
    assert not Wants().takes(Event(EventType.FILE_CHANGED, NOW, "docs", CANARY_PATH, "01A"))


def test_webhooks_that_want_the_same_are_the_same() -> None:
    assert Wants(("*",), (), ("*.pdf",)) == Wants(("*",), (), ("*.pdf",))
    assert Wants(("*",), (), ("*.pdf",)) != Wants(("*",), (), ("*.docx",))


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, "A", EventType.FILE_ADDED),
        ("A", "B", EventType.FILE_CHANGED),
        ("A", None, EventType.FILE_REMOVED),
        ("A", "A", None),
        (None, None, None),
    ],
)
def test_what_became_of_a_path_is_told_by_its_versions(
    before: str | None, now: str | None, told: EventType | None
) -> None:
    assert file_event(before, now) is told


def test_a_payload_has_the_form_of_standard_webhooks() -> None:
    assert json.loads(payload_of(ADDED)) == {
        "type": "file.added",
        "timestamp": "2026-11-23T12:00:00Z",
        "data": {"mirror": "docs", "path": "offers/q3.pdf", "version": "01A", "size": 3},
    }


def test_files_of_one_name_in_two_mirrors_are_told_in_an_order_of_their_own() -> None:
    keys = {
        Event(EventType.FILE_ADDED, NOW, mirror, path).order_key
        for mirror, path in product(("a", "b"), ("x", "y", None))
    }

    assert len(keys) == 6


# Staleness.


@pytest.mark.parametrize(
    ("age", "poll_s", "stale"),
    [
        (STALE_AFTER, 30, False),
        (STALE_AFTER + MINUTE, 30, True),
        (timedelta(hours=9), 3600, False),
        (timedelta(hours=11), 3600, True),
    ],
)
def test_a_mirror_is_stale_that_has_not_polled_for_long(
    age: timedelta,
    poll_s: float,
    stale: bool,  # noqa: FBT001
) -> None:
    assert is_stale(NOW - age, NOW - timedelta(days=9), poll_s, NOW) is stale


def test_a_daemon_that_was_down_makes_no_mirror_stale() -> None:
    assert not is_stale(NOW - timedelta(days=3), NOW - MINUTE, 30, NOW)
    assert is_stale(None, NOW - timedelta(days=3), 30, NOW)


# What came of a try.


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_has_it_taken(status: int) -> None:
    assert judged(status, "", None) == Delivered(status)


@pytest.mark.parametrize(
    ("status", "is_outage", "is_final"),
    [
        (301, False, False),
        (400, False, False),
        (401, False, False),
        (404, False, False),
        (410, False, True),
        (429, True, False),
        (500, True, False),
        (503, True, False),
    ],
)
def test_all_else_has_it_not_taken(
    status: int,
    is_outage: bool,  # noqa: FBT001
    is_final: bool,  # noqa: FBT001
) -> None:
    answer = judged(status, "why", 7.0)

    assert isinstance(answer, Missed)
    assert (answer.status, answer.retry_after_s) == (status, 7.0)
    assert (answer.is_outage, answer.is_final) == (is_outage, is_final)
    assert "why" in answer.reason


def after(missed: Missed, attempts: int = 1, age: timedelta = MINUTE) -> Again | Dead:
    return after_miss(missed, attempts=attempts, wanted_at=NOW - age, now=NOW, jitter=0.0)


def test_what_was_not_taken_is_tried_by_the_schedule_for_about_three_days() -> None:
    waits = [after(REFUSED, attempt) for attempt in range(1, len(SCHEDULE_S) + 1)]

    assert waits == [Again(NOW + timedelta(seconds=wait_s), counts=True) for wait_s in SCHEDULE_S]
    assert timedelta(days=3) < timedelta(seconds=sum(SCHEDULE_S)) < timedelta(days=3.5)
    assert isinstance(after(REFUSED, len(SCHEDULE_S) + 1), Dead)


def test_tries_are_spread() -> None:
    late = after_miss(REFUSED, attempts=3, wanted_at=NOW, now=NOW, jitter=0.99)

    assert isinstance(late, Again)
    assert NOW + timedelta(minutes=30) < late.run_at < NOW + timedelta(minutes=37)


def test_what_never_came_to_the_receiver_costs_no_attempt_and_waits_for_the_breaker() -> None:
    opens_at = NOW + 4 * MINUTE

    decided = after_miss(
        GONE_DARK, attempts=99, wanted_at=NOW, now=NOW, jitter=0.5, opens_at=opens_at
    )

    assert decided == Again(opens_at, counts=False)


def test_what_cannot_be_handed_over_is_given_up_after_three_days() -> None:
    assert isinstance(after(GONE_DARK, age=WAITS_FOR - MINUTE), Again)
    assert isinstance(after(GONE_DARK, age=WAITS_FOR), Dead)


def test_whoever_asks_for_more_time_gets_it_within_reason() -> None:
    asked, greedy = after(Missed("busy", 429, 600.0)), after(Missed("busy", 429, 1e9))

    assert asked == Again(NOW + 10 * MINUTE, counts=True)
    assert greedy == Again(NOW + 60 * MINUTE, counts=True)


def test_whoever_says_never_again_is_not_asked_again() -> None:
    assert isinstance(after(Missed("gone", 410, is_final=True)), Dead)
