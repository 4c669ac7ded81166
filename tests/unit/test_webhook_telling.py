"""What webhooks are told of an event, and what there is where it cannot be told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count

import pytest

from docferry.core.webhooks import UNREADABLE, Event, EventType, Note, Wants
from docferry.engine.webhook_telling import Told, note_in, told_of
from docferry.ledger.webhook_events import Noted
from ledger_rows import NOW

NOTE = Note("history", "7", "docs")


def told(event: Event | None, fault: Exception | None = None, **wants: Wants) -> Told:
    ids = (f"D{number}" for number in count(1))
    return told_of(Noted(7, NOTE, event, fault), wants or {"crm": Wants()}, NOW, lambda: next(ids))


def added(**facts: object) -> Event:
    return Event(EventType.FILE_ADDED, NOW, "docs", "a.pdf", None, facts)


def test_each_that_wants_an_event_is_told() -> None:
    made = told(added(size=1), crm=Wants(), erp=Wants(("hold.*",)), dms=Wants(patterns=["*.pdf"]))

    assert made.fault is None
    assert [(one.webhook, one.id, one.seq, one.fault) for one in made.deliveries] == [
        ("crm", "D1", 7, None),
        ("dms", "D2", 7, None),
    ]
    assert json.loads(made.deliveries[0].payload)["data"] == {
        "mirror": "docs",
        "path": "a.pdf",
        "size": 1,
    }


def test_of_what_is_no_more_nobody_is_told() -> None:
    assert told(None) == Told([])


@pytest.mark.parametrize("facts", [{"size": object()}, {"reason": "\ud800"}])
def test_what_cannot_be_written_down_is_given_up(facts: Mapping[str, object]) -> None:
    made = told(added(**facts))

    [one] = made.deliveries
    assert made.fault is not None
    assert (one.event, one.path, one.version) == (UNREADABLE, None, None)
    assert type(made.fault).__name__ in (one.fault or "")
    assert note_in(one.payload, one.mirror) == NOTE


def test_what_was_given_up_says_nothing_of_the_document() -> None:
    made = told(None, ValueError("no number: 'salaries.pdf'"))

    assert "salaries" not in f"{made.deliveries}"
